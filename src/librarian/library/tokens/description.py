"""A token of a link as JSON: what describe_token() gives, as a schema."""

from librarian.web.openapi.schemas import COUNT, FILE_ID, TEXT, TIME, Named, nullable, obj

TOKEN = Named(
    "LinkToken",
    obj(
        id=TEXT,
        alias_id=FILE_ID,
        path=TEXT,
        created=TIME,
        expires=TIME,
        uses=COUNT,
        max_uses=nullable(COUNT),
        asked_by=nullable(TEXT),
        last_used=nullable(TIME),
    ),
)

"""A quota as JSON: what Quota.as_json() gives, as a schema."""

from librarian.web.openapi.schemas import COUNT, FLAG, TEXT, Named, nullable, obj, one_of

_LIMITS = obj(bytes=nullable(COUNT), files=nullable(COUNT))
#: A limit that is null is none; a use that is null is not counted.
QUOTA = Named(
    "Quota", obj(kind=one_of(("person", "team")), name=TEXT, limit=_LIMITS, used=_LIMITS, default=FLAG)
)

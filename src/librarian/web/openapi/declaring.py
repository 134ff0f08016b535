"""What a view declares of itself: its paths, and for each method parameters, body and answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from librarian.web.openapi.schemas import TEXT, Schema

_DESCRIBED = "described_as"
_REASON = "not_described_because"
JSON, HTML = "application/json", "text/html"
FORM, FORM_WITH_FILES = "application/x-www-form-urlencoded", "multipart/form-data"
BYTES = "application/octet-stream"
BINARY: Schema = {}  # OpenAPI 3.1.1, section 4.8.14: bytes have no schema

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Answer:
    """An answer with its status and, by media type, the schemas of its body; without them it is empty."""

    status: int
    summary: str
    content: Mapping[str, Schema] = field(default_factory=dict)
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Body:
    """The body of a request, by media type."""

    content: Mapping[str, Schema]
    required: bool = True


@dataclass(frozen=True)
class Operation:
    """One method of one path; `query` and `headers` are schemas by name."""

    summary: str
    answers: tuple[Answer, ...]
    body: Body | None = None
    query: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, Schema] = field(default_factory=dict)
    required: tuple[str, ...] = ()  # names of parameters


@dataclass(frozen=True)
class Described:
    """One path of a view, on some endpoints.

    In the path ``{name}`` is one segment, ``{name:int}`` a number in it, ``{name:name}`` the name of a file.
    """

    path: str
    endpoints: tuple[str, ...]
    operations: Mapping[str, Operation]
    refusal: Mapping[str, Schema] | None = None  # by media type; None: as everywhere


def does(summary: str, *answers: Answer, **more: Any) -> Operation:
    """An operation; `more` are fields of Operation."""
    return Operation(summary, answers, **more)


def describes(
    path: str,
    *endpoints: str,
    refusal: Mapping[str, Schema] | None = None,
    **operations: Operation,
) -> Callable[[View], View]:
    """Declare one path of a view, with its operations by method; of the endpoint *app* without `endpoints`.

    HEAD is declared with GET.  A view with several paths is decorated several times.
    """
    described = Described(path, endpoints or ("app",), operations, refusal)

    def say(view: View) -> View:
        setattr(view, _DESCRIBED, (described, *described_paths(view)))
        return view

    return say


def undescribed(reason: str) -> Callable[[View], View]:
    """Declare that a view is no interface for programs, with the reason."""

    def say(view: View) -> View:
        setattr(view, _REASON, reason)
        return view

    return say


def described_paths(view: Any) -> tuple[Described, ...]:
    """What a view declares; nothing that its base class does."""
    found: tuple[Described, ...] = vars(view).get(_DESCRIBED, ())
    return found


def reason_against(view: Any) -> str | None:
    """Why a view is not described; None for one that is, or that says nothing."""
    found: str | None = vars(view).get(_REASON)
    return found


def gives(schema: Schema, status: int = 200, summary: str = "Done", *headers: str) -> Answer:
    """An answer in JSON."""
    return Answer(status, summary, {JSON: schema}, headers)


def page_of(schema: Schema, summary: str = "Found") -> Answer:
    """200: JSON for programs, a page for browsers."""
    return Answer(200, summary, {JSON: schema, HTML: TEXT})


def changes(
    schema: Schema, body: Body | None = None, status: int = 200, summary: str = "", **more: Any
) -> Operation:
    """A change by `web.forms.done`: JSON for programs, a redirection for browsers."""
    headers = ("Location",) if status == 201 else ()
    answers = (gives(schema, status, "Done", *headers), redirects(303, "Done, for a browser"))
    return Operation(summary, answers, body, **more)


def text(summary: str = "Found", kind: str = "text/plain") -> Answer:
    """200 with text."""
    return Answer(200, summary, {kind: TEXT})


def redirects(status: int, summary: str) -> Answer:
    """A redirection."""
    return Answer(status, summary, headers=("Location",))


def empty(status: int = 204, summary: str = "Done", *headers: str) -> Answer:
    """An answer without a body."""
    return Answer(status, summary, headers=headers)


def fields(*required: str, **schemas: Schema) -> Body:
    """The fields of a form or of a JSON object; others are ignored."""
    schema = {"type": "object", "properties": schemas, "required": list(required)}
    texts = {name: _in_form(each) for name, each in schemas.items()}
    form = {**schema, "properties": texts, "additionalProperties": TEXT}
    return Body({JSON: schema, FORM: form}, required=bool(required))


def _in_form(schema: Schema) -> Schema:
    """The schema of a field of a form, which is text, once, whatever else JSON may have in its place."""
    if "anyOf" in schema:
        return {
            **schema,
            "anyOf": [each for each in schema["anyOf"] if each.get("type") not in ("array", "null")],
        }
    return schema if "type" in schema or "enum" in schema else {"type": "string", **schema}


def only(body: Body) -> Body:
    """The same fields, and no others: they are refused."""
    content = {kind: {**schema, "additionalProperties": False} for kind, schema in body.content.items()}
    return Body(content, body.required)


def form_with_file(**schemas: Schema) -> Body:
    """A form (RFC 7578) with the field `file`, and others."""
    schema = {
        "type": "object",
        "properties": {"file": {"type": "string", "format": "binary", "minLength": 1}, **schemas},
        "required": ["file"],
        "additionalProperties": TEXT,  # other fields are ignored; each is there once
    }
    return Body({FORM_WITH_FILES: schema})


def file_answers() -> tuple[Answer, ...]:
    """The answers that are a file: whole, in ranges, not changed (RFC 9110, sections 13 and 14)."""
    body = {"*/*": BINARY}
    return (
        Answer(200, "The file", body, ("ETag", "Last-Modified", "Accept-Ranges")),
        Answer(206, "Ranges of the file", body, ("Content-Range", "ETag")),
        Answer(304, "Not changed", headers=("ETag",)),
    )


FILE_FIELDS: Mapping[str, Schema] = dict.fromkeys(
    ("Range", "If-Range", "If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since"), TEXT
)

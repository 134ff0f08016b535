"""Reading the fields of requests."""

from typing import Any

from pyramid.httpexceptions import HTTPBadRequest, HTTPRequestEntityTooLarge
from pyramid.request import Request

from librarian.web.forms import sent

LARGEST_FORM = 1 << 20  # bytes


def fields_of(request: Request) -> dict[str, Any]:
    """The fields of a form or of a JSON object.  Raises HTTPBadRequest and HTTPRequestEntityTooLarge."""
    if (request.content_length or 0) > LARGEST_FORM:
        raise HTTPRequestEntityTooLarge(f"at most {LARGEST_FORM} bytes")
    return dict(sent(request))


def number_of(fields: dict[str, Any], name: str, highest: int) -> int:
    """A field that must be a whole number from 0 to `highest`.  Raises HTTPBadRequest."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= highest:
        raise HTTPBadRequest(f"{name}: a whole number from 0 to {highest} is needed")
    return value

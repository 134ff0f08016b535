"""What schemathesis, in its own environment, is told of our media types, and which cases it leaves out."""

import schemathesis
from hypothesis import strategies

FILES = (
    "application/octet-stream",
    "text/plain",
    "application/offset+octet-stream",
    "application/partial-upload",
)

for _kind in FILES:
    schemathesis.openapi.media_type(_kind, strategies.binary(min_size=1, max_size=500))


@schemathesis.hook
def filter_case(context: object, case: schemathesis.Case) -> bool:
    """A field that a server does not know is no reason to refuse a request (RFC 9110, section 5.1).

    In a form with files a part that is no file is text, which a number sent in its place is too (RFC 7578).
    """
    parts = case.body if case.media_type == "multipart/form-data" else {}
    if isinstance(parts, dict) and not all(isinstance(value, str | bytes) for value in parts.values()):
        return False
    return "x-schemathesis-unknown-property" not in (case.headers or {})

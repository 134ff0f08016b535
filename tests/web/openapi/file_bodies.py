"""What schemathesis, in its own environment, is told of our media types."""

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

"""Index keys made of parts: several facts joined into one key of a sorted set."""

from collections.abc import Iterator
from typing import Any

LAST = b"\xff" * 33  # appended to a prefix: greater than every key with that prefix


def with_prefix(keys: Any, prefix: bytes) -> Iterator[bytes]:
    """The keys of a BTree or tree set that begin with `prefix`, in order."""
    return iter(keys.keys(min=prefix, max=prefix + LAST))

"""Index keys made of parts: several facts joined into one key of a sorted set."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

LAST = b"\xff" * 33  # appended to a prefix: greater than every key with that prefix
_STEPS = 8  # keys that are walked over, before the next prefix is looked up


def with_prefix(keys: Any, prefix: bytes) -> Iterator[bytes]:
    """The keys of a BTree or tree set that begin with `prefix`, in order."""
    return iter(keys.keys(min=prefix, max=prefix + LAST))


def prefixes_among(keys: Any, prefixes: Iterable[bytes]) -> set[bytes]:
    """Those of `prefixes` with which a key of a BTree or tree set begins; all have one length.

    The keys are walked along with the prefixes, and looked up only where they lie far from each other.
    """
    found: set[bytes] = set()
    walk: Iterator[bytes] = iter(())
    key = b""
    for prefix in sorted(prefixes):
        if key < prefix:
            behind = next((later for later in islice(walk, _STEPS) if later >= prefix), None)
            if behind is None:
                walk = iter(keys.keys(min=prefix))
                behind = next(walk, None)
            if behind is None:
                break
            key = behind
        if key.startswith(prefix):
            found.add(prefix)
    return found

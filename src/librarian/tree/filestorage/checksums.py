"""A checksum in every transaction of a FileStorage, which itself has none.

It is kept with the transaction's own facts, as the extension ``sum``, and covers what a pack leaves as it
is: object ids and their data.  A pack drops objects of a transaction and marks it as packed; such a one's
sum counts no more.
"""

from collections.abc import Iterable
from hashlib import blake2b

from ZODB._compat import dumps, loads

KEY = "sum"
BYTES = 16
ROOM = b"\x00librarian's sum"  # placeholder of the length of a sum, until the sum is computed


def with_room(extension: bytes) -> bytes:
    """A pickled extension with room for a sum, in bytes; the same bytes if it cannot be read."""
    try:
        facts = loads(extension) if extension else {}
        room: bytes = dumps({**facts, KEY: ROOM}, 3)
    except Exception:  # noqa: BLE001  # unpickling may raise anything
        return extension
    return room


def with_sum(extension: bytes, digest: bytes) -> bytes:
    """The extension with the sum in its room."""
    before, room, after = extension.rpartition(ROOM)
    return before + digest + after if room else extension


def sum_in(extension: bytes) -> bytes | None:
    """The sum that an extension has."""
    try:
        found = loads(extension).get(KEY) if extension else None
    except Exception:  # noqa: BLE001  # unpickling may raise anything
        return b""  # equals no sum, so the transaction counts as damaged
    return found if isinstance(found, bytes) and len(found) == BYTES and found != ROOM else None


def sum_of(records: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The sum over object ids and data, in their order."""
    digest = blake2b(digest_size=BYTES)
    for oid, data in records:
        digest.update(oid + len(data).to_bytes(8))
        digest.update(data)
    return digest.digest()

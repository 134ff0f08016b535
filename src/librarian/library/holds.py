"""Holding files: what keeps the garbage collector from taking them.

A system that keeps files puts a `FileHolds` in its subtree and registers a `HeldInSubtree` (in
references.py) as its IFileReferences; then every file it holds stays until it lets go.
"""

from collections.abc import Iterator

from BTrees.OOBTree import OOTreeSet
from persistent import Persistent

from librarian.library.interfaces import NotStored
from librarian.library.model import AliasRecord
from librarian.tree.keys import with_prefix


class FileHolds(Persistent):
    """Which files are held, and for what: a file may be held for several reasons at a time."""

    def __init__(self) -> None:
        self._keys = OOTreeSet()  # alias id, big-endian, + the reason in UTF-8

    def hold(self, record: AliasRecord, reason: str) -> None:
        """Keep the file behind `record` until release() with the same `reason`, a few words.

        Raises NotStored for a deleted file.  A collector that takes the file at the same moment
        and this call cannot both commit: both write the record.
        """
        if record.content is None:
            raise NotStored(record.id, "its file is deleted")
        record.unreferenced_since = None
        record._p_changed = True
        self._keys.add(_key(record.id, reason))

    def release(self, alias_id: int, reason: str) -> bool:
        """Let go; whether it was held for this reason."""
        key = _key(alias_id, reason)
        if key not in self._keys:
            return False
        self._keys.remove(key)
        return True

    def reasons(self, alias_id: int) -> list[str]:
        """What a file is held for, sorted."""
        return [key[8:].decode() for key in with_prefix(self._keys, alias_id.to_bytes(8))]

    def held_among(self, alias_ids: frozenset[int]) -> set[int]:
        return {alias_id for alias_id in alias_ids if self.is_held(alias_id)}

    def is_held(self, alias_id: int) -> bool:
        return any(True for _key in with_prefix(self._keys, alias_id.to_bytes(8)))

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Every hold: alias id and reason, by id."""
        for key in self._keys:
            yield int.from_bytes(key[:8]), key[8:].decode()


def _key(alias_id: int, reason: str) -> bytes:
    return alias_id.to_bytes(8) + reason.encode()

"""The stored objects of a file: its content, its aliases, and the holds that keep it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from persistent import Persistent
from ZODB.utils import z64
from zope.interface import implementer

from librarian.library.interfaces import ILibraryFileContent, NotStored
from librarian.store.interfaces import StoredBytes
from librarian.tree.indexes import SmallOOTreeSet
from librarian.tree.keys import prefixes_among, with_prefix


@implementer(ILibraryFileContent)
class LibraryFileContent(Persistent):
    """Bytes in the byte store.  Digests are stored raw, which takes half the room of hex."""

    unclaimed_since: datetime | None = None  # set while a collector thinks that no alias names it
    damage: str | None = None  # "damaged" or "missing", from when that is announced until the repair is

    def __init__(self, stored: StoredBytes, datecreated: datetime) -> None:
        self._digests = bytes.fromhex(stored.sha256 + stored.sha1 + stored.md5)
        self.filesize = stored.size
        self.datecreated = datecreated

    def __getstate__(self) -> tuple[Any, ...]:
        always = self._digests, self.filesize, _packed(self.datecreated), self.unclaimed_since
        return always if self.damage is None else (*always, self.damage)

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple):
            digests, filesize, created, unclaimed, *damage = state
            state = {"_digests": digests, "filesize": filesize, "datecreated": _unpacked(created)}
            if unclaimed is not None:
                state["unclaimed_since"] = unclaimed
            if damage:
                [state["damage"]] = damage
        super().__setstate__(state)

    @property
    def sha256(self) -> str:
        return self._digests[:32].hex()

    @property
    def sha1(self) -> str:
        return self._digests[32:52].hex()

    @property
    def md5(self) -> str:
        return self._digests[52:].hex()


class LibraryFileAlias(Persistent):
    """An id, a name, a type and rules for a content.  URLs and bytes are `BoundAlias`'s, in `service`.

    Equal to any other alias of the same id, of whichever session.
    """

    owner: str | None = None
    unreferenced_since: datetime | None = None  # when the collector first found that no system holds it
    content_deleted: datetime | None = None
    expiry_announced: datetime | None = None  # the expiry that was announced
    former_content: LibraryFileContent | None = None  # while a deleted file can be brought back

    def __init__(
        self,
        alias_id: int,
        filename: str,
        mimetype: str,
        content: LibraryFileContent | None,
        *,
        expires: datetime | None,
        restricted: bool,
        date_created: datetime,
        owner: str | None,
    ) -> None:
        self.id = alias_id
        self.filename = filename
        self.mimetype = mimetype
        self.content = content
        self.expires = expires
        self.restricted = restricted
        self.date_created = date_created
        if owner is not None:
            self.owner = owner

    def __getstate__(self) -> tuple[Any, ...]:
        facts = dict(self.__dict__)
        first = [facts.pop(name) for name in _ALWAYS]
        return *first, _packed(facts.pop("expires")), _packed(facts.pop("date_created")), facts or None

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple):
            *first, expires, created, others = state
            state = dict(zip(_ALWAYS, first, strict=True), **(others or {}))
            state.update(expires=_unpacked(expires), date_created=_unpacked(created))
        super().__setstate__(state)

    def __repr__(self) -> str:
        # Errors show this to those who lack a permission: nothing that only some may see.
        return f"<LibraryFileAlias {self.id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LibraryFileAlias) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def deleted(self) -> bool:
        """Whether the alias has lost its content."""
        return self.content is None

    @property
    def committed(self) -> bool:
        """Whether other sessions can see it already."""
        return self._p_jar is not None and self._p_serial != z64


class Generation(Persistent):
    """The number that keys of some bytes have in a byte store with generations, above 0.

    It stays when the content is gone: no name can mean an earlier one again.
    """

    def __init__(self, number: int) -> None:
        self.number = number


class FileHolds(Persistent):
    """The files that a system holds, each for one or more reasons.

    A system that keeps files has one in its subtree and registers a `HeldInSubtree` (service.py) for it.
    """

    def __init__(self) -> None:
        self._keys = SmallOOTreeSet()  # alias id, big-endian, + the reason in UTF-8

    def hold(self, alias: LibraryFileAlias, reason: str) -> None:
        """Keep the file behind `alias` until release() with the same `reason`, a few words.

        Raises NotStored for a deleted file.  A collector that takes the file at the same moment
        and this call cannot both commit: both write the alias.
        """
        if alias.content is None:
            raise NotStored(alias.id, "its file is deleted")
        alias.unreferenced_since = None
        alias._p_changed = True
        self._keys.add(_key(alias.id, reason))

    def release(self, alias_id: int, reason: str) -> bool:
        """Undo hold(); returns whether the file was held for this reason."""
        key = _key(alias_id, reason)
        if key not in self._keys:
            return False
        self._keys.remove(key)
        return True

    def reasons(self, alias_id: int) -> list[str]:
        """The reasons for which a file is held, sorted."""
        return [key[8:].decode() for key in with_prefix(self._keys, alias_id.to_bytes(8))]

    def held_among(self, alias_ids: frozenset[int]) -> set[int]:
        """Those of the aliases, by id, that have a hold."""
        held = prefixes_among(self._keys, (alias_id.to_bytes(8) for alias_id in alias_ids))
        return {int.from_bytes(key) for key in held}

    def is_held(self, alias_id: int) -> bool:
        """Whether an alias has any hold."""
        return any(True for _key in with_prefix(self._keys, alias_id.to_bytes(8)))

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Every hold: alias id and reason, by id."""
        for key in self._keys:
            yield int.from_bytes(key[:8]), key[8:].decode()


# Contents and aliases are stored as tuples, which is half of what names and times with a zone take.  Those of
# older databases are stored as dictionaries until they change.
_ALWAYS = ("id", "filename", "mimetype", "content", "restricted")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _packed(moment: datetime | None) -> int | datetime | None:
    """A time in UTC as microseconds since the epoch; one in another zone keeps its zone."""
    if moment is None or moment.tzinfo is not UTC:
        return moment
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _unpacked(stored: int | datetime | None) -> datetime | None:
    return _EPOCH + timedelta(microseconds=stored) if isinstance(stored, int) else stored


def _key(alias_id: int, reason: str) -> bytes:
    return alias_id.to_bytes(8) + reason.encode()

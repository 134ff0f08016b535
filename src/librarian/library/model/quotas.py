"""Quotas: the limits that administrators have set, and what each limited owner uses."""

from collections.abc import Iterator, Mapping
from typing import Any

from BTrees.OOBTree import OOBTree
from persistent import Persistent
from ZODB.POSException import ConflictError

PERSON = "person:"  # the ids of principals that are persons begin with it; no others have a quota


def name_of(owner: str | None) -> str | None:
    """The name of the person with this id of a principal; None for any other principal."""
    return owner.removeprefix(PERSON) if owner is not None and owner.startswith(PERSON) else None


class Use(Persistent):
    """The number and size of the files that the aliases of one owner name; deleted ones do not count.

    Two transactions that both add files of one owner are merged where the quota allows both: each notes in
    `most_files` and `most_bytes` up to which use what it has checked stays true.
    """

    files = 0
    bytes = 0
    # How often all files of the owner were counted; 0: never, and the numbers are what has changed since
    # the record was made.  Another count is a conflict.
    counts = 0
    most_files: int | None = None
    most_bytes: int | None = None

    def __init__(self, counts: int = 0) -> None:
        self.counts = counts

    def change(self, files: int, size: int) -> None:
        """Add to the use; both may be negative."""
        self.files += files
        self.bytes += size

    def permit(self, most_files: int | None, most_bytes: int | None) -> None:
        """Note up to which use the change that follows was found to be allowed; None: to any."""
        self.most_files, self.most_bytes = most_files, most_bytes

    def is_new(self) -> bool:
        """Whether this transaction has made the record."""
        return self._p_jar is None or self._p_serial == b"\0" * 8

    def _p_resolveConflict(
        self, old: dict[str, Any], committed: dict[str, Any], new: dict[str, Any]
    ) -> dict[str, Any]:
        """Both changes, unless they are too much together.  Raises ConflictError."""
        if not old.get("counts") == committed.get("counts") == new.get("counts"):
            raise ConflictError()
        merged = {**committed, **new}
        for name in ("files", "bytes"):
            change = new.get(name, 0) - old.get(name, 0)
            merged[name] = committed.get(name, 0) + change
            most = new.get(f"most_{name}")
            if change > 0 and most is not None and merged[name] > most:
                raise ConflictError()
        return merged


class Quotas(Persistent):
    """What is limited, by name, and the records of use, by the owner's id.

    Owners without a limit have no record, and their uploads write none; unless `everyone` is counted, as is
    needed where a setting limits all persons, or anything limits a team.
    """

    everyone = False
    everyone_counted = False  # then one without a record has no files

    def __init__(self) -> None:
        self.limits = OOBTree()  # name of a person or team -> {"bytes": int | None, "files": int | None}
        self.uses = OOBTree()  # id of a principal -> Use

    def note(self, owner: str, files: int, size: int) -> None:
        """Note that an owner has more or fewer files, if that is counted."""
        use = self.uses.get(owner)
        if use is None and self.everyone and name_of(owner) is not None:
            use = self.record(owner)
        if use is not None:
            use.change(files, size)

    def record(self, owner: str) -> Use:
        """The record of an owner, made if there is none."""
        use: Use | None = self.uses.get(owner)
        if use is None:
            use = self.uses[owner] = Use(counts=int(self.everyone and self.everyone_counted))
        return use

    def limit(self, name: str, values: Mapping[str, int | None]) -> None:
        """Set the limits of a person or team: ``bytes`` and ``files``, None for none; what is left out is
        as the settings have it."""
        if values:
            self.limits[name] = dict(values)
        else:
            self.limits.pop(name, None)

    def count_everyone(self) -> None:
        """From now on note the use of every person."""
        if not self.everyone:
            self.everyone, self.everyone_counted = True, False

    def numbers(self) -> Iterator[tuple[str, int, int, int]]:
        """Owner, files, bytes and count of every record."""
        for owner, use in self.uses.items():
            yield owner, use.files, use.bytes, use.counts

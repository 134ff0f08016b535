"""Quotas: how many files and bytes a person may have, and the persons in a team together.

The settings ``librarian.quota.*`` limit all persons and all teams; an administrator may give one of them
other limits, or none.  What counts is what the aliases of an owner name: bytes that several owners share
count for each, a deleted file does not count, and counts again when it is brought back.  A team has no files
of its own: all that its members have counts for it, directly or through other teams.  Files without an owner,
and those of scripts, are not limited.

Two questions are asked.  Before bytes are taken, `require` with the declared size refuses what cannot be,
and counts resumable uploads that are under way as well.  When the file is added, in the same transaction,
`admit` is exact: of two uploads that fit each alone but not together one is refused, in whichever processes
they are.  Each limited owner has one small record of use, so that uploads of different owners never wait for
each other, unless a team that both are in is limited.  Owners without a limit have none.

When something becomes limited, its files are counted: all aliases are walked through once, as of one moment,
beside everything else; what changes meanwhile is noted and added.  `librarian quota count` does it at any
time; otherwise it is done by what sets the limit, or by the first upload that needs it.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from transaction.interfaces import TransientError
from zope.interface import Interface

from librarian.interfaces import LibrarianError
from librarian.library.interfaces import UploadFailed

# ruff: noqa: N805  # interface methods have no self


@dataclass(frozen=True, slots=True)
class Limit:
    """What one person or team may have; None: any number."""

    bytes: int | None = None
    files: int | None = None

    def __bool__(self) -> bool:
        return self.bytes is not None or self.files is not None


@dataclass(frozen=True, slots=True)
class Quota:
    """The limit of a person or team and what is used of it; `used` is None where that is not counted."""

    kind: str  # person, team
    name: str
    limit: Limit
    used: Limit | None
    is_default: bool = True  # the limits are those of the settings

    def allows(self, size: int | None, files: int = 1, pending: int = 0) -> bool:
        """Whether so many more bytes and files fit; `pending` bytes are on their way already."""
        used = self.used or Limit(0, 0)
        most_bytes, most_files = self.limit.bytes, self.limit.files
        fits = most_bytes is None or (used.bytes or 0) + pending + (size or 0) <= most_bytes
        return fits and (most_files is None or (used.files or 0) + files <= most_files)

    @property
    def share(self) -> float:
        """The part of the limit that is used, of bytes or of files, whichever is more; above 1: too much."""
        used, parts = self.used or Limit(0, 0), [0.0]
        for have, most in ((used.bytes, self.limit.bytes), (used.files, self.limit.files)):
            if most is not None:
                parts.append((have or 0) / most if most else 1.0)
        return max(parts)

    def as_json(self) -> dict[str, Any]:
        """A JSON object: null is no limit, or not counted."""
        return {
            "kind": self.kind,
            "name": self.name,
            "limit": asdict(self.limit),
            "used": asdict(self.used or Limit()),
            "default": self.is_default,
        }


class QuotaExceeded(UploadFailed, ValueError):
    """The file would be more than its owner, or a team that its owner is in, may have."""

    def __init__(self, quota: Quota, size: int | None) -> None:
        super().__init__(f"over the quota of {quota.kind} {quota.name}: {_told(quota)}")
        self.quota = quota
        self.size = size


def _told(quota: Quota) -> str:
    used = quota.used or Limit(0, 0)
    told = [
        f"{have} of {most} {name} are used"
        for name, have, most in (
            ("bytes", used.bytes, quota.limit.bytes),
            ("files", used.files, quota.limit.files),
        )
        if most is not None
    ]
    return ", ".join(told)


class InvalidLimit(LibrarianError, ValueError):
    """A limit is neither a number, nor a size, nor ``none``, nor ``default``."""


class UseJustCounted(LibrarianError, TransientError):
    """The files of an owner had to be counted, beside the transaction, which begins anew to see it."""


class IParticipantQuota(Interface):
    """What a person or team may have and uses, for the person, the members, and administrators."""

    def quota() -> Quota:
        """As it is now.  Raises nothing; what is not counted yet is not counted by this."""

    def setLimits(values: Mapping[str, int | None]) -> Quota:
        """Set the limits ``bytes`` and ``files``: None for no limit; what is left out is as the settings
        have it.  Committed at once; what is not counted yet is counted.  Raises InvalidLimit."""


class IQuotaSet(Interface):
    """The quotas of persons and teams: a secured utility."""

    def of(participant: Any) -> IParticipantQuota:
        """That of an IPerson or ITeam."""

    def limited() -> list[Quota]:
        """Of all that an administrator has limited, and, where that is kept, of all that use something."""

    def count(progress: Callable[[int], object] = ...) -> int:
        """Count all files again, and put right what is wrong; how many records that were."""

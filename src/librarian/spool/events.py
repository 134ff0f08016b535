"""Events of an export: a file has arrived at the partner's, or is stuck."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from zope.interface import implementer

from librarian.spool.interfaces import ISpoolExported, ISpoolStuck


@dataclass(frozen=True)
class SpoolEvent:
    """A file of the spool at `path`, and the `partner` it is for."""

    name: str
    path: str
    partner: str
    owner: ClassVar[str | None] = None

    @property
    def subject(self) -> str:
        """The file in its spool."""
        return f"spool{self.path}/{self.name}"

    @property
    def data(self) -> Mapping[str, object]:
        """Which file of which spool, and the partner's host."""
        return {"name": self.name, "spool": self.path, "partner": self.partner}


@implementer(ISpoolExported)
class SpoolExported(SpoolEvent):
    """Delivered."""

    kind = "spool.exported"


@implementer(ISpoolStuck)
@dataclass(frozen=True)
class SpoolStuck(SpoolEvent):
    """Given up, until the file or the partner changes."""

    reason: str
    kind: ClassVar[str] = "spool.stuck"

    @property
    def data(self) -> Mapping[str, object]:
        """With the reply of the partner's server."""
        return {**super().data, "reason": self.reason}

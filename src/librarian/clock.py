"""The clock of the machine."""

from datetime import UTC, datetime

from zope.interface import implementer

from librarian.interfaces import IClock


@implementer(IClock)
class SystemClock:
    """The operating system's wall clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

"""The clock of the machine."""

import time
from datetime import UTC, datetime

from zope.interface import implementer

from librarian.interfaces import IClock


@implementer(IClock)
class SystemClock:
    """The operating system's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

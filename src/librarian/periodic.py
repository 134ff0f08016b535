"""Work that a server repeats beside its requests, and which of several processes does it."""

import threading
from dataclasses import dataclass

from zope.component import getUtility, queryUtility
from zope.interface import provider

from librarian.interfaces import ISettings, ISettingsSection
from librarian.settings import Section


@provider(ISettingsSection)
@dataclass(frozen=True)
class ProcessSettings(Section):
    """The part of this process among those that serve an installation."""

    periodic_tasks: bool = True  # whether it does them; workers leave them to their parent
    shared_folder: str = ""  # in memory, of the workers of one server; their parent sets it


class PeriodicTask(threading.Thread):
    """Calls once(), which subclasses have, at intervals; a call that was missed is not made up for.

    One that was begun ends with its application: when that is taken down, or another configured in its place.
    """

    def __init__(self, name: str, interval_seconds: float) -> None:
        super().__init__(name=name, daemon=True)
        self._interval_seconds = interval_seconds
        self._stopped = threading.Event()
        self._settings: ISettings | None = None  # of the application that it was begun for

    def begin(self) -> None:
        """start(), unless the settings leave the tasks to another process."""
        self._settings = getUtility(ISettings)
        if self._settings.section(ProcessSettings).periodic_tasks:
            self.start()

    def run(self) -> None:
        while not self._stopped.wait(self._interval_seconds) and self._has_application():
            self.once()

    def _has_application(self) -> bool:
        return self._settings is None or self._settings is queryUtility(ISettings)

    def stop(self) -> None:
        """End after the call that is under way."""
        self._stopped.set()

    def once(self) -> None:
        """Do the work once.  Must not raise: that would end the thread without a line in the log."""
        raise NotImplementedError

"""Counting downloads from inside the server, for installations that run no command at intervals."""

import logging
from pathlib import Path
from typing import Any

from zope.component import getUtility

from librarian.interfaces import ISettings
from librarian.library.counts.service import DownloadCounter
from librarian.library.operations import Library
from librarian.library.settings import CountingSettings
from librarian.log_filters import EXHAUSTED, NO_ROOM, WithoutTraceback
from librarian.periodic import PeriodicTask
from librarian.tree.interfaces import ITree
from librarian.web.settings import AccessLogSettings

log = logging.getLogger(__name__)
log.addFilter(WithoutTraceback(EXHAUSTED | NO_ROOM))


def begin(event: Any) -> None:
    """Start the schedule with the application, if the settings ask for one."""
    settings = getUtility(ISettings)
    seconds = settings.section(CountingSettings).count_downloads_every.total_seconds()
    path = settings.section(AccessLogSettings).access_log
    if seconds > 0 and path:
        Schedule(Path(path), seconds).begin()


class Schedule(PeriodicTask):
    """Counts the downloads in new lines of a log, at intervals."""

    def __init__(self, path: Path, interval_seconds: float) -> None:
        super().__init__("download counter", interval_seconds)
        self._path = path

    def once(self) -> None:
        """Read the log once.  What fails is logged and tried again in the next."""
        try:
            counter = DownloadCounter(Library())
            for path in (rotated(self._path), self._path):
                if path.exists():
                    counter.count(path)
            counter.forget_slices()
        except Exception as error:  # an error must not end the thread
            if getUtility(ITree).is_loss(error):
                return  # the tree's watch has logged it
            log.exception("downloads not counted path=%s", self._path)


def rotated(path: Path) -> Path:
    """The name that logrotate gives a log it has just moved; its last lines may not be counted yet."""
    return path.with_name(path.name + ".1")

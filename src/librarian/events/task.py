"""Sending events from inside the server, for installations without a worker of their own."""

import logging
from typing import Any

from zope.component import getUtility

from librarian.events.delivering import Deliverer
from librarian.events.settings import EventSettings
from librarian.interfaces import ISettings
from librarian.log_filters import EXHAUSTED, NO_ROOM, WithoutTraceback
from librarian.periodic import PeriodicTask
from librarian.tree.interfaces import ITree

log = logging.getLogger(__name__)
log.addFilter(WithoutTraceback(EXHAUSTED | NO_ROOM))


def begin(event: Any) -> None:
    """Start the schedule with the application, if the settings ask for one."""
    seconds = getUtility(ISettings).section(EventSettings).send_in_server.total_seconds()
    if seconds > 0:
        Schedule("webhooks", seconds).begin()


class Schedule(PeriodicTask):
    """Makes a pass at intervals."""

    def once(self) -> None:
        """One pass.  What fails is logged, and tried again in the next."""
        try:
            Deliverer().run()
        except Exception as error:  # an error must not end the thread
            if not getUtility(ITree).is_loss(error):  # the tree's watch has logged that
                log.exception("events not sent")

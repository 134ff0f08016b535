"""The indexer inside the server."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from zope.component import getUtility, queryUtility
from zope.interface import provider

from librarian.interfaces import ISettings, ISettingsSection
from librarian.library.catalogue.indexing import Indexer
from librarian.log_filters import EXHAUSTED, NO_ROOM, WithoutTraceback
from librarian.periodic import PeriodicTask
from librarian.settings import Section
from librarian.tree.interfaces import ITree

log = logging.getLogger(__name__)
log.addFilter(WithoutTraceback(EXHAUSTED | NO_ROOM))


@provider(ISettingsSection)
@dataclass(frozen=True)
class CatalogueSettings(Section):
    """How soon new files are in the lists."""

    index_every: timedelta = timedelta(seconds=1)  # 0: never; another server, or `librarian reindex`, does


def begin(event: Any) -> None:
    """Start the indexer with the application, unless the settings say never."""
    seconds = getUtility(ISettings).section(CatalogueSettings).index_every.total_seconds()
    if seconds > 0:
        Schedule("indexer", seconds).begin()


class Schedule(PeriodicTask):
    """Takes in at intervals what waits."""

    def once(self) -> None:
        """One pass.  What fails is logged, and tried again in the next."""
        try:
            Indexer().run()
        except Exception as error:  # an error must not end the thread
            tree = queryUtility(ITree)  # an application that is taken down has none
            if tree is not None and not tree.is_loss(error):  # the tree's watch has logged that
                log.exception("files not indexed")

"""The indexer: takes changed files into the catalogue, and those from before there was one."""

import logging
import os
import secrets
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from zope.component import getUtility

from librarian.interfaces import IClock
from librarian.library.catalogue.interfaces import Entry
from librarian.library.catalogue.model import CatalogueSubtree
from librarian.library.interfaces import NEVER_EXPIRES
from librarian.library.model.changes import Change
from librarian.library.model.files import LibraryFileAlias
from librarian.library.model.subtree import LibrarySubtree
from librarian.tree.batches import next_keys
from librarian.tree.interfaces import ITree

log = logging.getLogger(__name__)

PROCESS = secrets.token_hex(8)  # with the process id, as a forked one has the same number

BATCH = 500  # files of one transaction
OF_A_QUEUE = 100  # files that are taken from each queue at once
LEASE = timedelta(seconds=3)  # a new file shows within two seconds, and after a crash within this much more


def entry_of(subtree: LibrarySubtree, alias: LibraryFileAlias | None) -> Entry | None:
    """What the catalogue is to know of a file; None of one that is gone for good."""
    content = None if alias is None else alias.content or alias.former_content
    if alias is None or content is None:
        return None
    dated = alias.expires is not None and alias.expires != NEVER_EXPIRES
    return Entry(
        alias.filename,
        alias.owner or "",
        alias.restricted,
        content.filesize,
        alias.date_created,
        bytes.fromhex(content.md5),
        alias.expires if dated else None,
        subtree.holds.is_held(alias.id),
        alias.content_deleted if alias.content is None else None,
    )


class Batch(NamedTuple):
    """What one transaction took in."""

    changes: list[Change]
    alias_ids: list[int]  # of the changes, each once
    walked: int  # files that are older than the catalogue


class Indexer:
    """Takes in what waits.  Of several that run at the same time, each with a name, one works: those of one
    process have the same."""

    def __init__(self, name: str = "") -> None:
        self._tree = getUtility(ITree)
        self._clock = getUtility(IClock)
        self._name = name or f"{PROCESS}-{os.getpid()}"

    def run(self) -> int:
        """Take in all that waits now; how many files were looked at.  0 where another indexer works.

        Uploads write the queues all the time.  So the catalogue, which they do not write, is changed first,
        and what was taken in leaves the queues in a short transaction of its own, committed together with
        the uploads of this process.  After a crash in between it is looked at once more.
        """
        seen = 0
        while self._tree.run(self._has_work):
            batch = self._tree.run(self._batch)
            if batch is None:
                break
            self._tree.run_together(partial(self._settle, batch.changes))
            seen += len(batch.alias_ids) + batch.walked
        return seen

    def _has_work(self) -> bool:
        """Nothing is written where nothing is to do, so an idle library does not grow."""
        return not self._catalogue.indexing.complete or bool(self._library.changes)

    def _batch(self) -> Batch | None:
        """Take in what comes next; None where another indexer works."""
        now = self._clock.now()
        if not self._catalogue.indexing.take(self._name, now, now + LEASE):
            return None
        changes = list(self._library.changes.first(OF_A_QUEUE))
        alias_ids = sorted({change.alias_id for change in changes})
        self._take_in(alias_ids)
        return Batch(changes, alias_ids, self._walk())

    def _settle(self, changes: list[Change]) -> None:
        """Forget changes that are taken in, unless another indexer has taken over, who does so itself."""
        if self._catalogue.indexing.worker == self._name:
            self._library.changes.remove(changes)

    def _walk(self) -> int:
        """The next files of those that are older than the catalogue, in the order of their ids."""
        indexing = self._catalogue.indexing
        if indexing.complete:
            return 0
        ids = next_keys(self._library.aliases, indexing.walked_to, BATCH)
        self._take_in(ids)
        if len(ids) == BATCH:
            indexing.walked_to = ids[-1]
        else:
            indexing.complete = True
            log.info("catalogue complete")
        return len(ids)

    def _take_in(self, alias_ids: list[int]) -> None:
        library, catalogue = self._library, self._catalogue
        aliases = [library.aliases.get(alias_id) for alias_id in alias_ids]
        self._tree.prefetch([alias for alias in aliases if alias is not None])
        for alias_id, alias in zip(alias_ids, aliases, strict=True):
            catalogue.put(alias_id, entry_of(library, alias))

    @property
    def _library(self) -> LibrarySubtree:
        found: LibrarySubtree = self._tree.subtree("library")
        return found

    @property
    def _catalogue(self) -> CatalogueSubtree:
        found: CatalogueSubtree = self._tree.subtree("catalogue")
        return found


def rebuild() -> int:
    """Make the catalogue anew from the files; how many there are.  Lists are short until it is complete."""
    tree = getUtility(ITree)

    def empty() -> None:
        tree.root()["catalogue"] = CatalogueSubtree()

    tree.run(empty)
    return Indexer().run()

"""Probing from inside the server, for installations without cron."""

import logging
from typing import Any

from zope.component import getUtility

from librarian.interfaces import LibrarianError
from librarian.log_filters import EXHAUSTED, NO_ROOM, WithoutTraceback
from librarian.mail.service import deliver_queue
from librarian.mirrors.archive.sources import WebArchive
from librarian.mirrors.enums import MirrorContent
from librarian.mirrors.importing.publications import ArchiveImport, ImportOptions
from librarian.mirrors.runs.probe_run import ProbeRun
from librarian.mirrors.runs.summary import RunOptions, explain
from librarian.mirrors.service.subtree import PROBER, SUBTREE
from librarian.mirrors.settings import mirror_settings
from librarian.net.networks import AddressGuard
from librarian.periodic import PeriodicTask
from librarian.security.interaction import acting_as
from librarian.security.principals import script_principal
from librarian.tree.interfaces import ITree

log = logging.getLogger(__name__)
log.addFilter(WithoutTraceback(EXHAUSTED | NO_ROOM))


def begin(event: Any) -> None:
    """Start the periodic task with the application, if `probe_in_server` is set."""
    interval = mirror_settings().probe_in_server
    if interval.total_seconds() > 0:
        Schedule(interval.total_seconds()).begin()


class Schedule(PeriodicTask):
    """The periodic task that reads archives, probes the mirrors that are due and sends the mail."""

    def __init__(self, interval_seconds: float) -> None:
        super().__init__("mirror schedule", interval_seconds)

    def once(self) -> None:
        """Do each step once.  A step that fails is logged, and tried again the next time."""
        steps = (import_archives, *(_probing(content) for content in MirrorContent), deliver_queue)
        for step in steps:
            try:
                step()
            except Exception as error:  # the next time must come whatever fails now
                if getUtility(ITree).is_loss(error):
                    return  # the tree's watch has logged it
                log.exception("scheduled step failed")


def _probing(content: MirrorContent) -> Any:
    def probe() -> None:
        for why in explain(ProbeRun(RunOptions(content)).run()):
            log.warning("%s", why)

    return probe


def import_archives() -> None:
    """Read the archive of every distribution that has one, for its active releases."""
    settings = mirror_settings()
    guard = AddressGuard(settings.allowed_networks, settings.key("allowed_networks"))
    with acting_as(script_principal(PROBER)), getUtility(ITree).session():
        for name, url, releases in getUtility(ITree).run(_wanted):
            # The URL was typed into a form; it must not lead into the network the server stands in.
            source = WebArchive(url, guard=guard)
            importing = ArchiveImport(source, name, ImportOptions(keyring=settings.keyring_of(name)))
            for release in releases:
                try:
                    importing.run(release)
                except LibrarianError as error:
                    log.warning("archive not read distribution=%s release=%s why=%s", name, release, error)


def _wanted() -> list[tuple[str, str, list[str]]]:
    distributions = getUtility(ITree).subtree(SUBTREE).distributions.values()
    return [
        (each.name, each.main_url, [release.name for release in each.active_releases()])
        for each in distributions
        if each.main_url
    ]

"""The figures of the operator's page, read from what other systems have counted already."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import TypeVar

from zope.component import getUtility
from zope.interface import implementer

from librarian.interfaces import ISettings
from librarian.library.catalogue.model import CatalogueSubtree, Totals
from librarian.library.operations import Library
from librarian.library.upkeep.model import Outcome, UpkeepSubtree
from librarian.library.uploads.interfaces import IResumableUploads
from librarian.mail.service import waiting
from librarian.operations.interfaces import AuditPage, AuditQuestion, Failure, Figures, IOverview, Task
from librarian.operations.overview.audit_log import read_page, refused_log_ins
from librarian.operations.settings import OverviewSettings
from librarian.security.settings import AuditSettings
from librarian.store.interfaces import StoreTrouble
from librarian.tree.interfaces import TreeUnavailable
from librarian.tree.opening import data_file
from librarian.tree.settings import TreeSettings

DAYS = 365  # of growth
TASKS = ("gc", "sweep", "scrub", "backup", "pack")
NONE = timedelta(0)
DAY = timedelta(days=1)

T = TypeVar("T")


@implementer(IOverview)
class Overview:
    """Looks up everything anew at each call."""

    def figures(self) -> Figures:
        library, settings = Library(), getUtility(ISettings)
        catalogue: CatalogueSubtree = library.tree.subtree("catalogue")
        upkeep: UpkeepSubtree = library.tree.subtree("upkeep")
        now, totals, failure = library.clock.now(), catalogue.totals, upkeep.failure
        uploads = _known(_come)
        return Figures(
            *totals.as_tuple(),
            is_complete=catalogue.indexing.complete,
            days=_days(totals, now.date()),
            room=_known(library.store.room),
            store_bytes=upkeep.store_bytes,
            store_counted=upkeep.store_counted,
            quarantined=_known(lambda: sum(1 for _sha256 in library.store.quarantined())),
            tree_bytes=_known(lambda: data_file(settings.section(TreeSettings).database_uri).stat().st_size),
            uploads=None if uploads is None else len(uploads),
            uploads_bytes=None if uploads is None else sum(uploads),
            mails=_known(waiting),
            refused_log_ins=refused_log_ins(_audit_log(), now - DAY),
            tasks=_tasks(library, upkeep, settings.section(OverviewSettings), totals, now),
            failure=failure and Failure(failure.task, failure.ended, failure.result),
        )

    def audit(self, question: AuditQuestion) -> AuditPage:
        return read_page(_audit_log(), question)


def _audit_log() -> str:
    return getUtility(ISettings).section(AuditSettings).audit_log


def _known(ask: Callable[[], T]) -> T | None:
    """What is answered; None of a part that is away, as the others are wanted then most of all."""
    try:
        return ask()
    except (StoreTrouble, TreeUnavailable, OSError):
        return None


def _come() -> list[int]:
    """The bytes that have come of each upload that is under way."""
    return [size for _id, facts, size in getUtility(IResumableUploads).all() if not facts.named]


def _days(totals: Totals, today: date) -> list[tuple[date, int, int]]:
    first = today.toordinal() - DAYS
    return [(date.fromordinal(day), *added) for day, added in totals.days.items(min=first)]


def _tasks(
    library: Library, upkeep: UpkeepSubtree, settings: OverviewSettings, totals: Totals, now: datetime
) -> list[Task]:
    known = {
        "gc": library.subtree.collected_at,
        "sweep": upkeep.store_counted,  # which is the end of every sweep, also of one in gc
        "scrub": upkeep.scrubbed_at,
        "backup": upkeep.backed_up_at,
    }
    oldest = date.fromordinal(totals.days.minKey()) if totals.days else now.date()
    return [
        _task(name, upkeep.outcomes.get(name), known.get(name), getattr(settings, f"{name}_due"), oldest, now)
        for name in TASKS
    ]


def _task(
    name: str, outcome: Outcome | None, known: datetime | None, due: timedelta, oldest: date, now: datetime
) -> Task:
    """A task by its last outcome, or by what else is known of a later run that ended well.

    It is overdue where no run ended well for longer than `due`; one that never ran, where there are files
    that old."""
    if outcome is None or (known is not None and known > outcome.ended):
        ended, result, is_well = known, "", True
    else:
        ended, result, is_well = outcome.ended, outcome.result, outcome.is_well
    if ended is None:
        is_overdue = due > NONE and now.date() - oldest > due
    else:
        is_overdue = due > NONE and now - ended > due
    return Task(name, ended, result, is_well, due or None, is_overdue)

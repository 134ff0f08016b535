"""Operations: what load balancers, supervisors and Prometheus ask of a running server.

Three pages answer them, as plain text or JSON:

    /health   200 as long as the process answers at all
    /ready    200 if it can serve files, else 503, with the state of the tree and of the byte store
    /metrics  counters of this process, and gauges of the library, in Prometheus's text format

Administrators have the same gauges, the audit log, and how each task of upkeep ended, on a page of the web
application, ``/+overview`` (`IOverview`).

The first two are on the web application's endpoint and on the endpoint *ops*; the metrics are on *ops* only,
which listens on the loopback interface unless the settings say otherwise, because they tell how much is
stored and by which methods it is used.

Two tweens do what must not depend on the tree.  `measure` is the outermost and counts every answer, also
those of other tweens.  `answer_probes` answers /health and /ready before a session of the tree is opened,
because the tree may be the part that does not work.

Several processes of one installation count apart.  Each has an ops endpoint with a port of its own, each is
scraped, and Prometheus adds up.  The gauges of the library are read anew for each scrape and are the same in
all processes.

A typical scrape: Prometheus gets /metrics; the view reads the counters of `IMeasurements`, then opens the
library for the gauges (`service.LibraryCollector`), and sends both.  An operator's alert on
``librarian_scrubbed_timestamp_seconds`` goes off when the last scrub is too long ago.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from zope.interface import Attribute, Interface

from librarian.interfaces import LibrarianError

# ruff: noqa: N805  # interface methods have no self


class BadAuditQuestion(LibrarianError, ValueError):
    """The audit log was asked for a time or a position that is none."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")
        self.what = what


class Task(NamedTuple):
    """A task of upkeep, and how its last run ended."""

    name: str  # gc, sweep, scrub, backup, pack
    ended: datetime | None  # None: there was no run
    result: str  # one line; empty where an older version did not keep it
    is_well: bool
    due: timedelta | None  # how old the last run may be; None: any age
    is_overdue: bool


class Failure(NamedTuple):
    """The last run of upkeep that did not end well."""

    task: str
    ended: datetime
    reason: str


class Figures(NamedTuple):
    """How an installation stands.  Sizes are in bytes; None is what is not known here or now."""

    files: int  # deleted ones left out
    bytes: int  # as they are named
    contents: int  # files with the same bytes count once
    content_bytes: int
    is_complete: bool  # False: files from before the catalogue are still being counted
    days: Sequence[tuple[date, int, int]]  # day, number and bytes of files added then and still there
    room: int | None  # that may still be put
    store_bytes: int | None  # what the byte store held when gc last counted
    store_counted: datetime | None
    quarantined: int | None  # damaged files
    tree_bytes: int | None  # the file of the tree; None where that is a database server's
    uploads: int | None  # in pieces, under way on this machine
    uploads_bytes: int | None  # that have come of them
    mails: int | None  # that wait to be sent
    refused_log_ins: int | None  # in the last day, by the audit log; None if that is in no file
    tasks: Sequence[Task]
    failure: Failure | None


class AuditQuestion(NamedTuple):
    """Which lines of the audit log; an empty field asks for any."""

    who: str = ""  # the name of a person, or the id of a principal
    what: str = ""  # a part of the event: deleted, log-in refused
    file: str = ""  # an id, a digest, or a part of a file name or path
    since: str = ""  # ISO 8601: a date, or a time, in UTC if no zone is stated
    until: str = ""  # the same; a date includes its day
    before: str = ""  # the `following` of a page


class AuditPage(NamedTuple):
    """Lines of the audit log, the newest first."""

    lines: Sequence[dict[str, Any]]  # time, event, by, from, and facts of the event
    following: str  # the position of the next page; empty: there is no older line
    path: str  # the file; empty: the settings name none


class IOverview(Interface):
    """A secured utility, for administrators: how the installation stands, and who did what."""

    def figures() -> Figures:
        """All figures, read from what is counted already: as quick in a large library as in a small one."""

    def audit(question: AuditQuestion) -> AuditPage:
        """A page of the audit log.  It may have few lines or none although another follows, as one page
        reads only a part of a long file.  Raises BadAuditQuestion."""


class IClocks(Interface):
    """Compares this node's clock with that of the database, now and then; one for each application."""

    def warning() -> str:
        """How far they are apart, as of ten minutes ago at most; empty where that is little, or where the
        database is in this process.  Raises whatever the tree raises where it cannot be asked.
        """


class IMeasurements(Interface):
    """The counters of the requests that this process has answered since its start."""

    registry = Attribute("A prometheus_client CollectorRegistry.")

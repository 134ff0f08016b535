"""Imports, their jobs and their results as they are stored."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import takewhile

from BTrees.LOBTree import LOBTree
from persistent import Persistent
from zope.interface import implementer

from librarian.machines.enums import (
    CodeImportJobState,
    CodeImportResultStatus,
    CodeImportReviewStatus,
    RevisionControlSystem,
)
from librarian.machines.interfaces import ICodeImportJob, ICodeImportResult

RESULTS_KEPT = 100  # per import; an older result is removed, and its log is released
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@implementer(ICodeImportResult)
class CodeImportResult(Persistent):
    """The result of one job, copied from the job."""

    def __init__(self, job: "CodeImportJob", status: CodeImportResultStatus, now: datetime) -> None:
        self.status = status
        self.job_id = job.id
        self.machine = job.machine
        self.requesting_user = job.requesting_user
        self.date_job_started = job.date_started
        self.date_created = now
        self.log_file = job.log_file
        self.log_excerpt = job.logtail


@implementer(ICodeImportJob)
class CodeImportJob(Persistent):
    """One run of an import.  A PENDING job is in the queue, any other in the job ids of its machine."""

    def __init__(self, job_id: int, code_import: str, date_due: datetime) -> None:
        self.id = job_id
        self.code_import = code_import
        self.date_due = date_due
        self.state = CodeImportJobState.PENDING
        self.machine: str | None = None
        self.date_started: datetime | None = None
        self.heartbeat: datetime | None = None
        self.logtail = ""
        self.requested = False
        self.requesting_user: str | None = None  # a person's name; None: a program
        self.log_file: int | None = None  # library ids of the files its worker has handed in
        self.bundle_file: int | None = None

    def __repr__(self) -> str:
        return f"<CodeImportJob {self.id} of {self.code_import} {self.state.name}>"

    def queue_key(self) -> tuple[int, int, int]:
        """Sorts the queue: requested jobs first, then by due date in microseconds since 1970."""
        due = (self.date_due - EPOCH) // timedelta(microseconds=1)
        return (0 if self.requested else 1, due, self.id)


class CodeImport(Persistent):
    """A foreign repository that is fetched at intervals."""

    review_status = CodeImportReviewStatus.NEW
    date_last_successful: datetime | None = None
    job_id: int | None = None
    consecutive_failures = 0
    consecutive_reclaims = 0
    bundle_file: int | None = None  # library id
    bundle_url: str | None = None  # the URL that the bundle was fetched from
    held_files: tuple[int, ...] = ()  # library ids, see CodeImportRegistry.hold_file()

    def __init__(
        self,
        name: str,
        rcs_type: RevisionControlSystem,
        url: str,
        owner: str,
        now: datetime,
        update_interval: timedelta,
        assignee: str | None,
        private: bool,
    ) -> None:
        self.name = name
        self.rcs_type = rcs_type
        self.url = url
        self.owner = owner
        self.assignee = assignee
        self.private = private
        self.update_interval = update_interval
        self.date_created = now
        self._results = LOBTree()

    def __repr__(self) -> str:
        return f"<CodeImport {self.name} {self.review_status.name}>"

    @property
    def results(self) -> list[CodeImportResult]:
        """The results of the last jobs, the oldest first; at most 100."""
        return list(self._results.values())

    def results_since(self, since: datetime) -> list[CodeImportResult]:
        """Those of jobs that ended at `since` or later, the newest first; one older one is loaded."""
        newest = reversed(self._results.values())
        return list(takewhile(lambda result: result.date_created >= since, newest))

    def add_result(self, result: CodeImportResult, blame: bool = True) -> None:
        """Append `result`, update the counters, and drop all but the newest 100 results.

        `blame` says whether a RECLAIMED result counts towards `consecutive_reclaims`: it does where the
        machine may have been lost to the job, and not where the machine was stopped in good order.
        """
        self._results[self._results.maxKey() + 1 if self._results else 1] = result
        for key in list(self._results)[:-RESULTS_KEPT]:
            del self._results[key]
        reclaimed = result.status is CodeImportResultStatus.RECLAIMED
        if blame:
            self.consecutive_reclaims = self.consecutive_reclaims + 1 if reclaimed else 0
        if result.status.succeeded:
            self.consecutive_failures = 0
            self.date_last_successful = result.date_created
        elif result.status.blames_import:
            self.consecutive_failures += 1

    def file_ids(self) -> Iterator[int]:
        """The library ids of its bundle and of the logs of its results."""
        ids = [self.bundle_file, *(result.log_file for result in self._results.values())]
        return (file_id for file_id in ids if file_id is not None)

"""Work of several threads, committed together.

A commit costs the same fsync, and the same questions to a database server, for one change as for thirty, and
two commits at the same time meet in the same buckets.  So there is one commit at a time: the first thread
does its work and commits at once, as it would alone; what others ask for meanwhile waits, and the first of
them then commits all of it in one transaction.  A thread that is alone waits for none and hands nothing over.

Work may also be postponed: its thread waits for nothing, and what is to follow the commit is called by the
thread that committed.  A thread that begins postponed work while no other commits is the one that does so,
until nothing waits.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar, cast

from zope.security.management import queryInteraction, thread_local

from librarian.tree.interfaces import CommitInterrupted, TreeFull, TreeUnavailable

log = logging.getLogger(__name__)

T = TypeVar("T")
Outcome = Callable[[], Any]  # returns the value of the work, or raises its error

MOST = 64  # pieces of work in a transaction: what conflicts with another process is done again as a whole
MOST_POSTPONED = 256  # pieces of work that wait; beyond them the thread waits that postpones one more


class Job:
    """A piece of work, and how it ended.

    Where no thread waits for it, what postpone() was given is called with the outcome.
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._context = copy_context()
        self._interaction = queryInteraction()
        self._called = threading.Event()
        self._value: Any = None
        self._error: BaseException | None = None
        self._then: Callable[[Outcome], object] | None = None
        self.ended = False
        self.leads = False  # its thread is to commit what waits

    @property
    def is_postponed(self) -> bool:
        """Whether no thread waits for the outcome."""
        return self._then is not None

    def postpone(self, then: Callable[[Outcome], object]) -> None:
        """Have `then` called with the outcome, by the thread that committed."""
        self._then = then

    def do(self) -> Any:
        """Do the work in this thread, for the principal and in the context of the thread that asked."""
        return self._as_asked(self._work)

    def _as_asked(self, call: Callable[..., Any], *arguments: Any) -> Any:
        before, thread_local.interaction = queryInteraction(), self._interaction
        try:
            return self._context.run(call, *arguments)
        finally:
            thread_local.interaction = before

    def end(self, value: Any = None, error: BaseException | None = None) -> None:
        """End the job with the value of its work or with its error, and tell it."""
        self._value, self._error, self.ended = value, error, True
        self._called.set()
        if self._then is not None:
            try:
                self._as_asked(self._then, self.outcome)
            except Exception:
                # The others' outcomes must be told all the same.
                log.exception("outcome cannot be told")

    def lead(self) -> None:
        """Have the waiting thread commit the jobs that are queued."""
        self.leads = True
        self._called.set()

    def wait(self) -> None:
        """Until it has ended, or is to lead."""
        self._called.wait()

    def outcome(self) -> Any:
        """The value that the work returned.  Raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._value


class Together:
    """One for each database of a process.  `commit` does work in a transaction beside the thread's own,
    repeated on a conflict: `ITree.run_independently`."""

    def __init__(self, commit: Callable[[Callable[[], Any]], Any]) -> None:
        self._commit = commit
        self._lock = threading.Lock()
        self._waiting: list[Job] = []
        self._is_led = False  # a thread commits, or is called to
        self._thread = threading.local()

    def run(self, work: Callable[[], T]) -> T:
        """As ITree.run_together()."""
        if getattr(self._thread, "leads", False):
            return cast(T, self._commit(work))  # asked for by a piece of work: it would wait for itself
        job = Job(work)
        with self._lock:
            self._waiting.append(job)
            job.leads, self._is_led = not self._is_led, True
        if not job.leads:
            self._wait(job)
        if job.leads:
            self._lead(job)
        return cast(T, job.outcome())

    def postponed(self, work: Callable[[], Any]) -> Callable[[Callable[[Outcome], object]], None]:
        """As ITree.postponed()."""
        return partial(self._begin, Job(work))

    def _begin(self, job: Job, then: Callable[[Outcome], object]) -> None:
        job.postpone(then)
        with self._lock:
            self._waiting.append(job)
            leads, self._is_led = not self._is_led, True
            is_one_too_many = len(self._waiting) > MOST_POSTPONED
        if leads:
            self._lead_on()
        elif is_one_too_many and not getattr(self._thread, "leads", False):
            job.wait()

    def _wait(self, job: Job) -> None:
        try:
            job.wait()
        except BaseException:  # an interrupt of the main thread
            with self._lock:
                if job in self._waiting:
                    self._waiting.remove(job)
                if job.leads:
                    self._hand_over()
            raise

    def _lead_on(self) -> None:
        """Commit until nothing waits, in a thread that has nothing else to do."""
        while self._lead(None):
            pass

    def _lead(self, own: Job | None) -> bool:
        """Commit what waits, the job of this thread among it; whether a free thread, without one, has to
        commit what has come since."""
        with self._lock:
            if own is not None:  # others may have come before it
                self._waiting.remove(own)
                self._waiting.insert(0, own)
            jobs, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        self._thread.leads, is_free = True, False
        try:
            self._settle(jobs)
            is_free = own is None
        finally:
            self._thread.leads = False
            with self._lock:
                # After an interrupt before the commit: all but the one that was interrupted.
                self._waiting[:0] = [job for job in jobs if not job.ended and job is not own]
                goes_on = is_free and bool(self._waiting)
                if not goes_on:
                    self._hand_over()
        return goes_on

    def _hand_over(self) -> None:
        """Have another thread commit, if anything waits: the first that waits itself, else a new one."""
        self._is_led = bool(self._waiting)
        for job in self._waiting:
            if not job.is_postponed:
                job.lead()
                return
        if self._waiting:
            threading.Thread(target=self._lead_on, name="naming", daemon=True).start()

    def _settle(self, jobs: Sequence[Job]) -> None:
        """Bring every job to its end: together, and those that spoil it each alone afterwards."""
        apart: list[Job] = []
        while jobs:
            apart += self._try(jobs)
            jobs = [job for job in jobs if not job.ended and job not in apart]
        for job in apart:
            self._try([job])

    def _try(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Commit all jobs in one transaction; those that must be done apart, where that is why it failed."""
        at_work: Job | None = None
        values: list[Any] = []

        def work() -> None:
            nonlocal at_work
            values.clear()
            for at_work in jobs:  # it outlives the loop
                values.append(at_work.do())
            at_work = None

        try:
            self._commit(work)
        except Exception as error:  # noqa: BLE001  # each job raises what it likes
            if len(jobs) > 1 and not isinstance(error, (TreeUnavailable, TreeFull)):
                return jobs if at_work is None else [at_work]
            _end(jobs, error)
        except BaseException:
            if at_work is None:
                _end([job for job in jobs if not job.leads], CommitInterrupted())
            elif at_work.is_postponed:  # its thread has gone: done again it might interrupt the next
                at_work.end(error=CommitInterrupted())
            raise
        else:
            for job, value in zip(jobs, values, strict=True):
                job.end(value)
        return []


def _end(jobs: Sequence[Job], error: BaseException) -> None:
    for job in jobs:
        job.end(error=error)

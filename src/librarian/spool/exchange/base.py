"""The base of an export and an import: the run, its log, its locks, its second tries."""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import ClassVar, TypeVar

import zc.lockfile

from librarian.clock import Pace
from librarian.durable import sync_directory
from librarian.interfaces import IClock
from librarian.spool.exchange.retries import Tries
from librarian.spool.exchange.run_connection import Connection
from librarian.spool.ftp.lock import RemoteLock
from librarian.spool.ftp.session import Session
from librarian.spool.ftp.transfer import NoProgress, Transfer
from librarian.spool.interfaces import ExchangeError, IProgress, Kind, Locked, LockStays, Sleep, SpoolBusy
from librarian.spool.model.filestore import FileStore
from librarian.spool.model.ledger import Ledger, ledger_path, local_lock_path
from librarian.spool.model.report import Outcome, Report, write_record
from librarian.spool.settings import Target

log = logging.getLogger(__name__)

T = TypeVar("T")

LOCK_CHECK = timedelta(seconds=30)  # how long ago the lock file may have been read when a file is renamed


class Exchange(ABC):
    """One run between a spool and a target.  Make one for each run."""

    kind: ClassVar[Kind]  # of ledgers and local locks
    lock_name: ClassVar[str]

    def __init__(
        self,
        target: Target,
        clock: IClock,
        *,
        sleep: Sleep = time.sleep,
        progress: IProgress | None = None,
    ) -> None:
        self.target = target
        self.store = FileStore(target.store_dir, clock)
        self.clock = clock
        self.sleep = sleep
        self.progress = progress or NoProgress()
        self.transfer = Transfer(Pace(target.bandwidth, sleep), self.progress)
        self.report = Report()
        self.ledger: Ledger  # while the spool is locked for this run
        self.lock: RemoteLock
        self._connection = Connection(target, sleep)

    @property
    def session(self) -> Session:
        """The newest session with the server, once there was one."""
        return self._connection.session

    def run(self) -> Report:
        """Exchange what there is to exchange.  Errors are logged and in the report, not raised."""
        try:
            self._run_alone()
        except SpoolBusy:
            self._end_early("Another run is at work on this spool.")
            return self.report  # the other run leaves a record
        except Locked as error:
            self._end_early(f"Cannot access CDS FTP server as '{error.lock}' lockfile exists.")
            self.report.lock = error.lock
        except Exception as error:  # any kind of it belongs into the log of cron's job
            log.exception("Exiting with exception:")
            self.report.outcome, self.report.error = Outcome.FAILED, error
        else:
            self._log_the_end()
        self._leave_record()
        return self.report

    @abstractmethod
    def exchange(self) -> None:
        """Do the work of this kind of run; the spool exists, and no other run on this machine uses it."""

    def _run_alone(self) -> None:
        self.store.check_prepared()
        log.info("Accessed filestore %s.", self.store.path)
        ledger = ledger_path(self.kind, self.target)
        ledger.parent.mkdir(exist_ok=True)
        sync_directory(ledger.parent.parent)  # an earlier run may have died before it did this
        with self._alone(), Ledger(ledger, self.clock) as self.ledger:
            self.lock = RemoteLock(self.lock_name, self.target, self.ledger, self.clock, self.sleep)
            self.exchange()
        self.store.reap()
        if self.target.keep is not None:
            self.store.expire(timedelta(seconds=self.target.keep))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other runs on this machine from the spool.  Raises SpoolBusy."""
        try:
            # The kernel releases this lock when the process ends, also if it is killed.
            alone = zc.lockfile.LockFile(str(local_lock_path(self.kind, self.target)))
        except zc.lockfile.LockError:
            raise SpoolBusy(f"another {self.kind} is at work on {self.store.path}") from None
        try:
            yield
        finally:
            alone.close()

    def _end_early(self, why: str) -> None:
        log.info(why)
        log.info("Exiting.")
        self.report.outcome = Outcome.POSTPONED

    def _log_the_end(self) -> None:
        if self.report.refused:
            log.warning("Exiting, %d refused.", len(self.report.refused))
        else:
            log.info("Exiting with success.")

    def _leave_record(self) -> None:
        """Write the record of this run; that it cannot be written does not make the run a failure."""
        ledger = ledger_path(self.kind, self.target)
        if not ledger.parent.is_dir():  # not a spool
            return
        try:
            write_record(ledger, self.report, self.clock.now())
        except OSError as error:
            log.warning("The record of this run could not be written: %s", error)

    # For the exporter and the importer.

    def connected(self) -> AbstractContextManager[None]:
        """A connection in the target's directory; what goes wrong is logged and raised."""
        return self._connection.opened()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock; released in every way out, over a new connection if need be.

        Raises LockStays, unless something else has gone wrong already.
        """
        try:
            self.lock.acquire(self.session)
            yield
        except BaseException:
            self._release()
            raise
        error = self._release()
        if error is not None:
            raise LockStays(
                f"our own lock file {self.lock_name!r} is still on the server: {error}"
            ) from error

    def persist(self, name: str, step: Callable[[], T]) -> T:
        """`step()`, tried again over new connections while that is worth it.

        The count of tries starts anew whenever the other side has kept more than before: a big file
        on a bad line gets there in the end.  Raises the ExchangeError of the last try.
        """
        tries, kept = Tries(self.target.tries, self.target, self.sleep), 0
        self.transfer.offset = 0
        attempt = step
        while True:
            try:
                return attempt()
            except ExchangeError as error:
                if self.transfer.offset > kept:
                    tries.begin_anew()
                    kept = self.transfer.offset
                tries.pause_after(error, name)
            attempt = self._reconnected(step)

    def _reconnected(self, step: Callable[[], T]) -> Callable[[], T]:
        """`step` over a new connection, if the lock is still ours."""

        def attempt() -> T:
            self._connection.renew()
            self.lock.check(self.session)
            return step()

        return attempt

    def refuse(self, name: str, reason: object) -> None:
        """Log and report why a file is left where it is; the run goes on with the others."""
        log.warning("Refused, left where it is: %s", reason)
        self.report.refused.append(name)
        self.report.reasons[name] = str(reason)

    def _release(self) -> ExchangeError | None:
        """Remove the lock.  Returns why that failed: then the next run tries again."""
        if not self.ledger.locks:
            return None
        try:
            self._remove_lock_persistently()
        except ExchangeError as error:
            log.warning(
                "Lock file could not be removed, the next run will try: %s (%s)", self.lock_name, error
            )
            return error
        return None

    def _remove_lock_persistently(self) -> None:
        """Remove the lock, over a new connection if this one is broken or the run is being stopped."""
        try:
            self._remove_lock()
        except BaseException as error:  # SIGTERM may arrive meanwhile, as SystemExit
            self._connection.renew()
            self._remove_lock()
            if not isinstance(error, ExchangeError):
                raise

    def _remove_lock(self) -> None:
        if self.lock.held:
            self.lock.release(self.session)
        else:  # taking it was interrupted
            self.lock.clear_dead(self.session)

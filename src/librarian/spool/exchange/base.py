"""What an export and an import have in common: the run, its log, its locks, its second tries."""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, TypeVar

import zc.lockfile

from librarian.durable import sync_directory
from librarian.interfaces import IClock
from librarian.spool.ftp.connection import Session
from librarian.spool.ftp.lock import RemoteLock
from librarian.spool.ftp.transfer import Pace, Transfer
from librarian.spool.interfaces import (
    CertificateRefused,
    ExchangeError,
    FTPOSError,
    IProgress,
    Locked,
    LockStays,
    NoProgress,
    Sleep,
    SpoolBusy,
    TemporaryError,
    TransferDamaged,
)
from librarian.spool.model.filestore import FileStore
from librarian.spool.model.ledger import Ledger
from librarian.spool.settings import Target

log = logging.getLogger(__name__)

T = TypeVar("T")

OUR_FOLDER = ".librarian"  # in the spool, beside tmp, new and cur: ledgers and local locks
NO_SPACE = {452, 552}
LOCK_CHECK = timedelta(seconds=30)  # how old our knowledge of the lock may be when we rename


class Outcome(StrEnum):
    """How a run ended."""

    NOTHING = "nothing"  # there was nothing to do
    DONE = "done"
    POSTPONED = "postponed"  # somebody else holds a lock; a later run will do it
    FAILED = "failed"


@dataclass
class Report:
    """What a run did."""

    outcome: Outcome = Outcome.NOTHING
    files: list[str] = field(default_factory=list)  # have gone over, in this order
    refused: list[str] = field(default_factory=list)  # stay where they are, also if they have gone over
    reasons: dict[str, str] = field(default_factory=dict)  # why, by name
    error: Exception | None = None

    @property
    def exit_status(self) -> int:
        """0: nothing is left to do; 1: something is."""
        return int(self.outcome in {Outcome.POSTPONED, Outcome.FAILED} or bool(self.refused))


def ledger_path(kind: str, target: Target) -> Path:
    """Where the ledger of this spool's dealings with this partner is."""
    return target.store_dir.absolute() / OUR_FOLDER / f"{kind}-{target.key}.jsonl"


def worth_another_try(error: ExchangeError) -> bool:
    """Whether the same step, over a new connection, may succeed."""
    if isinstance(error, CertificateRefused) or error.code in NO_SPACE:
        return False
    return isinstance(error, FTPOSError | TemporaryError | TransferDamaged)


class Exchange(ABC):
    """One run between a spool and a target.  Make one for each run."""

    kind: ClassVar[str]  # of ledgers and local locks
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
        self.session: Session  # the newest, once there was one
        self.ledger: Ledger  # while the run has the spool to itself
        self.lock: RemoteLock

    def run(self) -> Report:
        """Exchange what there is to exchange.  Errors are logged and in the report, not raised."""
        try:
            self._run_alone()
        except SpoolBusy:
            log.info("Another run is at work on this spool.")
            log.info("Exiting.")
            self.report.outcome = Outcome.POSTPONED
        except Locked as error:
            log.info("Cannot access CDS FTP server as '%s' lockfile exists.", error.lock)
            log.info("Exiting.")
            self.report.outcome = Outcome.POSTPONED
        except Exception as error:  # whatever it is, cron's log must have it
            log.exception("Exiting with exception:")
            self.report.outcome = Outcome.FAILED
            self.report.error = error
        else:
            self._say_how_it_went()
        return self.report

    @abstractmethod
    def exchange(self) -> None:
        """Do the work; the spool is there, and ours alone on this machine."""

    def _run_alone(self) -> None:
        self.store.check_prepared()
        log.info("Accessed filestore %s.", self.store.path)
        ledger = ledger_path(self.kind, self.target)
        ledger.parent.mkdir(exist_ok=True)
        sync_directory(ledger.parent.parent)  # also for a run that died before it had done so
        try:
            # The kernel lets go of this lock when the process ends, however it ends.
            alone = zc.lockfile.LockFile(str(ledger.with_name(f"{self.kind}.lock")))
        except zc.lockfile.LockError:
            raise SpoolBusy(f"another {self.kind} is at work on {self.store.path}") from None
        try:
            with Ledger(ledger, self.clock) as self.ledger:
                self.lock = RemoteLock(self.lock_name, self.target, self.ledger, self.clock, self.sleep)
                self.exchange()
        finally:
            alone.close()
        self.store.reap()
        if self.target.keep is not None:
            self.store.expire(timedelta(seconds=self.target.keep))

    def _say_how_it_went(self) -> None:
        if self.report.refused:
            log.warning("Exiting, %d refused.", len(self.report.refused))
        else:
            log.info("Exiting with success.")

    # For the two kinds of run.

    @contextmanager
    def connected(self) -> Iterator[None]:
        """A connection in the target's directory; what goes wrong is logged as the protocol has it."""
        target = self.target
        log.info(
            "Connecting to CDS FTP server (host %s, port %s, user %s)", target.host, target.port, target.user
        )
        try:
            self._connect()
        except Exception:
            log.error("Could not connect to CDS FTP server.")  # run() logs the traceback
            raise
        try:
            self.session.enter()
            yield
        except Locked:
            self.session.quit()
            raise
        except Exception:
            log.error("Error accessing FTP server.")
            self.session.quit()
            raise
        except BaseException:  # killed politely: the lock is released by now
            self.session.quit()
            raise
        self.session.quit()
        log.info("Disconnected from CDS FTP server")

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
        on a bad line gets there in the end.
        """
        left, pause, kept, broken = self.target.tries, self.target.backoff, 0, False
        self.transfer.offset = 0
        while True:
            try:
                if broken:
                    self._reconnect()
                return step()
            except ExchangeError as error:
                if self.transfer.offset > kept:
                    left, pause, kept = self.target.tries, self.target.backoff, self.transfer.offset
                left -= 1
                if left <= 0 or not worth_another_try(error):
                    raise
                log.warning("Trying again in %g s, as %s failed: %s", pause, name, error)
            broken = True
            self.sleep(pause)
            pause = min(pause * 2, self.target.backoff_limit)

    def refuse(self, name: str, reason: object) -> None:
        """Say why a file is left where it is; the others go on."""
        log.warning("Refused, left where it is: %s", reason)
        self.report.refused.append(name)
        self.report.reasons[name] = str(reason)

    def _connect(self) -> None:
        left, pause = self.target.connect_tries, self.target.backoff
        self.session = Session(self.target)
        while True:
            try:
                self.session.log_in()
                return
            except ExchangeError as error:
                left -= 1
                if left <= 0 or not worth_another_try(error):
                    raise
                log.warning("Trying again in %g s, as the connection failed: %s", pause, error)
            self.session = self._fresh_session()
            self.sleep(pause)
            pause = min(pause * 2, self.target.backoff_limit)

    def _reconnect(self) -> None:
        self.session.close()
        self.session = self._fresh_session().log_in()
        self.session.enter()
        self.lock.check(self.session)

    def _fresh_session(self) -> Session:
        return Session(self.target, epsv=self.session.epsv)

    def _release(self) -> ExchangeError | None:
        """Remove the lock; if it cannot be, say so; the next run tries again.  Returns the reason."""
        if not self.ledger.locks:
            return None
        try:
            try:
                self._remove_lock()
            except BaseException as error:  # also when we are stopped politely in the midst of it
                self.session.close()
                self.session = self._fresh_session().log_in()
                self.session.enter()
                self._remove_lock()
                if not isinstance(error, ExchangeError):
                    raise
        except ExchangeError as error:
            log.warning(
                "Lock file could not be removed, the next run will try: %s (%s)", self.lock_name, error
            )
            return error
        return None

    def _remove_lock(self) -> None:
        if self.lock.held:
            self.lock.release(self.session)
        else:  # the try to take it broke off
            self.lock.clear_dead(self.session)

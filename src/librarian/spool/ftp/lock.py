"""The lock file on the server, which names its owner.

The protocol's lock is a file that exists or not, and FTP (RFC 959) has no command that makes a file
only if it is missing.  It does have APPE, which servers carry out with O_APPEND: of two programs that
append to one file, one comes first, and both can read which.  So a lock is appended and read back; its
first lines name the holder.  A server without APPE gets STOR, a pause, and is read back in the same way.

One case is not covered.  A partner that only asks whether the file exists may create its lock after we
have asked and before we append.  If its lock file has contents, we read that it came first and retreat;
if it is empty, both sides take the lock for theirs.
"""

import logging
import os
import secrets
import socket
from dataclasses import replace
from datetime import datetime, timedelta

from librarian.interfaces import IClock
from librarian.spool.ftp.replies import NO_SUCH_COMMAND
from librarian.spool.ftp.session import Session
from librarian.spool.interfaces import READ_LOCK, WRITE_LOCK, Locked, LockLost, PermanentError, Sleep
from librarian.spool.model.ledger import Ledger, LockNote
from librarian.spool.settings import Target

log = logging.getLogger(__name__)

POLL_SECONDS = 5
READ_TRIES = 3  # for a lock file that exists and cannot be read
SAME_TIME = timedelta(minutes=15)  # how far the server's clock may be from ours


class RemoteLock:
    """The lock `name` on the target; `ledger` is open for this run alone on this machine."""

    def __init__(self, name: str, target: Target, ledger: Ledger, clock: IClock, sleep: Sleep) -> None:
        self.name = name
        self.held = False
        self._target = target
        self._ledger = ledger
        self._clock = clock
        self._sleep = sleep
        self._note: LockNote | None = None  # of the lock that is held
        self._wanted: LockNote | None = None  # of the lock that this run has tried to take
        self._checked_at: datetime | None = None
        self._mark: str | None = None  # how the server described the lock when it was checked

    def acquire(self, session: Session) -> None:
        """Take the lock, or raise Locked and leave nothing behind."""
        self.clear_dead(session)
        self.wait_for_others(session)
        log.info("Creating lock file: %s", self.name)
        self._hold(session, self._write(session))
        other = READ_LOCK if self.name == WRITE_LOCK else WRITE_LOCK
        if other in session.names():  # the other side looked before our lock was there
            self.release(session)
            raise Locked(other)
        log.info("Lock file successfully created: %s", self.name)

    def _hold(self, session: Session, note: LockNote) -> None:
        """Note, durably, that the lock file that was written is ours; Locked if another came first."""
        mark = session.mark(self.name)
        if not self._is_ours(session, note):
            self._refuse_unreadable(session, note)
            self._ledger.forget_lock(note.nonce)
            raise Locked(self.name)
        self._note = replace(note, held=True)
        self._ledger.note_lock(self._note)
        self.held = True
        self._checked_at, self._mark = self._clock.now(), mark

    def check(self, session: Session, *, full_every: timedelta = timedelta(0)) -> None:
        """Raise LockLost unless the lock is still ours.

        If it was read less than `full_every` ago, it is enough that the server describes it as it did
        then: one short question, and no transfer.
        """
        now, mark = self._clock.now(), session.mark(self.name)
        is_fresh = self._checked_at is not None and now - self._checked_at < full_every
        if is_fresh and mark is not None and mark == self._mark:
            return
        if self._note is None or not self._is_ours(session, self._note):
            self.held = False
            self._forget()
            raise LockLost(f"the lock file {self.name!r} is not ours any more")
        self._checked_at, self._mark = now, mark

    def release(self, session: Session) -> None:
        """Remove the lock if it is still ours; that of another program stays.  Raises ExchangeError."""
        if self._note is None:
            return
        if self._is_ours(session, self._note):
            log.info("Removing lock file: %s", self.name)
            _remove(session, self.name)
            log.info("Lock file successfully removed: %s", self.name)
        else:
            log.warning("Lock file is not ours any more and stays: %s", self.name)
        self.held = False
        self._forget()

    def clear_dead(self, session: Session) -> None:
        """Remove the lock file of an earlier run of ours that died: its nonce is in the ledger."""
        for note in list(self._ledger.locks.values()):
            body = session.read(self.name)
            if body is not None and self._is_from(note, body, session):
                _remove(session, self.name)
                log.warning("Removed our own lock file of a run that died: %s", self.name)
            self._ledger.forget_lock(note.nonce)

    def wait_for_others(self, session: Session) -> None:
        """Return when neither side's lock is there; raise Locked if that takes too long."""
        waited = 0.0
        while True:
            present = set(session.names())
            held = [lock for lock in (WRITE_LOCK, READ_LOCK) if lock in present]
            held = [lock for lock in held if not self._break_if_old(session, lock)]
            if not held:
                return
            if waited >= self._target.lock_wait:
                raise Locked(held[0])
            pause = min(POLL_SECONDS, self._target.lock_wait - waited)
            self._sleep(pause)
            waited += pause

    def _write(self, session: Session) -> LockNote:
        nonce, now = secrets.token_hex(16), self._clock.now().isoformat(timespec="seconds")
        text = f"This is a lock file.\n{nonce} {socket.gethostname()} {os.getpid()} {now}\n"
        note = LockNote(nonce, text, now)
        self._wanted = note
        self._ledger.note_lock(note)
        try:
            session.append(self.name, text.encode())
        except PermanentError as error:
            if error.code not in NO_SUCH_COMMAND | {550, 553}:
                raise
            session.store(self.name, text.encode())
            self._sleep(self._target.lock_settle)
        return note

    def _refuse_unreadable(self, session: Session, note: LockNote) -> None:
        """Raise PermanentError if the server does not let us read the lock file: its owner is unknown."""
        for _try in range(READ_TRIES):
            size = session.size(self.name)
            if size is None or session.read(self.name) is not None:
                return
            # Or its holder has removed it between the two questions: then ask both again.
        if size == len(note.text):  # no other program has appended to it
            _remove(session, self.name)
        raise PermanentError(f"550 the server does not let us read the lock file {self.name} back")

    def _is_ours(self, session: Session, note: LockNote) -> bool:
        body = session.read(self.name)
        return body is not None and body.startswith(note.text.encode())

    def _is_from(self, note: LockNote, body: bytes, session: Session) -> bool:
        """Whether this lock file was begun by the dead run that wrote `note`.

        A run that dies between the server's making the file and our filling it leaves an empty
        lock, which could be any program's.  It is taken for ours only if we died before we had seen
        our lock, and the file is from that time.
        """
        text = note.text.encode()
        if body.startswith(text):
            return True
        if note.held or not text.startswith(body):
            return False
        if note == self._wanted:  # before this run wrote it there was none
            return True
        modified = session.modified(self.name)
        return modified is not None and abs(modified - datetime.fromisoformat(note.at)) < SAME_TIME

    def _break_if_old(self, session: Session, lock: str) -> bool:
        limit = self._target.break_lock_after
        modified = None if limit is None else session.modified(lock)
        if limit is None or modified is None or self._clock.now() - modified < timedelta(seconds=limit):
            return False
        log.warning(
            "Breaking the lock file of another program, unchanged since %s: %s", modified.isoformat(), lock
        )
        _remove(session, lock)
        return True

    def _forget(self) -> None:
        if self._note is not None:
            self._ledger.forget_lock(self._note.nonce)
            self._note = None


def _remove(session: Session, name: str) -> None:
    """Delete a lock file; PermanentError if it is still there, as 550 may mean "missing" or "refused"."""
    if not session.delete(name) and session.read(name) is not None:
        raise PermanentError(f"550 the server will not remove the lock file {name}")

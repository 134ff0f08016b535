"""From `new` to the partner's server."""

import logging
import os
import secrets
import stat
from pathlib import Path
from typing import BinaryIO

from zope.event import notify

from librarian.durable import sync_directory
from librarian.spool.events import SpoolExported, SpoolStuck
from librarian.spool.exchange.base import LOCK_CHECK, Exchange
from librarian.spool.exchange.retries import NO_SPACE
from librarian.spool.ftp.replies import NO_SUCH_COMMAND
from librarian.spool.interfaces import (
    TEMP_PREFIX,
    WRITE_LOCK,
    BadName,
    ExchangeError,
    NameRefused,
    NotSpooled,
    PermanentError,
)
from librarian.spool.model.ledger import Entry, Stage
from librarian.spool.model.names import check_remote_name
from librarian.spool.model.report import Outcome

log = logging.getLogger(__name__)

NAME_NOT_ALLOWED = 553  # RFC 959, section 4.2
SETTLE_EVERY = 500  # files, between two moments when all moves to `cur` so far are made durable


class Exporter(Exchange):
    """Sends every file in `new`, by name, and moves it to `cur`.

    For each file, in this order: send it under a temporary name, verify it, note durably that it is
    about to get its final name, rename it, note that, move our copy to `cur`.  A run that dies in
    between leaves a note from which the next one goes on: if the temporary name is gone from the
    server, the rename has happened, even if the partner has taken the file away since.
    """

    kind = "export"
    lock_name = WRITE_LOCK

    def exchange(self) -> None:
        self._put_away_delivered()
        names = self._find_new()
        if not names and not self.ledger.entries and not self.ledger.locks:
            log.info("No new files to export.")
            return
        with self.connected(), self.locked():
            self._drop_orphans(names)
            try:
                for count, name in enumerate(names, 1):
                    self._export(name)
                    if count % SETTLE_EVERY == 0:
                        self._settle()
            finally:
                self._settle()
        self.report.outcome = Outcome.DONE

    def _find_new(self) -> list[str]:
        names = []
        for path in map(Path, self.store.list("new")):
            try:
                check_remote_name(path.name)
                if not stat.S_ISREG(path.lstat().st_mode):
                    raise BadName(path.name, "is not a regular file")
            except BadName as error:
                self.refuse(path.name, error)
            except FileNotFoundError:  # removed by its publisher since
                continue
            else:
                names.append(path.name)
        return names

    def _export(self, name: str) -> None:
        try:
            fd = os.open(self._path(name), os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return
        with os.fdopen(fd, "rb") as source:
            log.info("Uploading: %s", name)
            entry = self._send_or_refuse(name, source)
        if entry is not None:
            self.progress.finish(name)
            self.report.files.append(name)
            self._put_away(entry)

    def _send_or_refuse(self, name: str, source: BinaryIO) -> Entry | None:
        """The entry of the file once it has arrived; None if the server refuses only its name."""
        try:
            return self.persist(name, lambda: self._send(name, source))
        except BadName as error:
            self.refuse(name, error)
        except PermanentError as error:
            if error.code != NAME_NOT_ALLOWED and not isinstance(error, NameRefused):
                raise
            self._give_up(self.ledger.entries[name], str(error))
        return None

    def _send(self, name: str, source: BinaryIO) -> Entry:
        """Bring one file to its final name on the server, from where the last try ended."""
        identity = _identity(os.fstat(source.fileno()))
        begun = self._begun(name, identity)
        if begun is not None and begun.stage is Stage.PUBLISHING:
            return self._publish(begun, again=True)
        entry = begun or self.ledger.note(Entry(name, identity, _temporary_name()), Stage.BEGUN)
        size, sha256 = self._upload(entry, source, resume=begun is not None)
        self.lock.check(self.session, full_every=LOCK_CHECK)
        entry = self.ledger.note(entry, Stage.PUBLISHING, durable=True, size=size, sha256=sha256)
        return self._publish(entry, again=False)

    def _begun(self, name: str, identity: str) -> Entry | None:
        """The entry of an earlier try with this very file; None if it is to be sent from its beginning.

        Raises NameRefused for a file that is stuck and would be again: the server has a directory of
        its name.  Any other refusal can be found only by sending the file.
        """
        entry = self.ledger.entries.get(name)
        if entry is None:
            return None
        if entry.identity != identity:  # replaced in `new` since then
            self._drop(entry)
            return None
        if entry.stage is Stage.STUCK:
            if self.session.is_directory(name):
                raise NameRefused(entry.reason or "550 there is a directory of that name")
            return None
        return entry

    def _upload(self, entry: Entry, source: BinaryIO, *, resume: bool) -> tuple[int, str]:
        """Send the file under its temporary name; its size in bytes and its SHA-256 in hex.

        Raises BadName if it was written to meanwhile.
        """
        size = os.fstat(source.fileno()).st_size
        try:
            sha256 = self.transfer.upload(
                self.session, source, size, entry.temp, name=entry.name, resume=resume
            )
        except ExchangeError as error:
            if error.code in NO_SPACE:  # a partial copy would only keep the disk full
                self._drop(entry)
            raise
        if _identity(os.fstat(source.fileno())) != entry.identity:
            self._drop(entry)
            raise BadName(entry.name, "was still being written; only finished files belong into new")
        return size, sha256

    def _publish(self, entry: Entry, *, again: bool) -> Entry:
        """Give the file its final name; `again` if an earlier try may have done so."""
        try:
            was_there = self.session.rename(entry.temp, entry.name)
        except NameRefused as refused:
            self._check_renaming(entry, refused)
            raise
        if not was_there:
            if not (again and self._was_renamed(entry)):
                self.ledger.note(entry, Stage.BEGUN)  # or the next run would take it for renamed
                raise PermanentError(f"550 the server will not rename {entry.temp}")
            log.warning("Had arrived already when the last try broke off: %s", entry.name)
        return self.ledger.note(entry, Stage.DELIVERED)

    def _check_renaming(self, entry: Entry, refused: NameRefused) -> None:
        """Raise PermanentError if the server renames nothing at all, as then the name is not the reason.

        Noted before it is tried: a temporary name that is gone must not be taken for a delivery.
        """
        other = self.ledger.note(entry, Stage.BEGUN, durable=True, temp=_temporary_name())
        try:
            self.session.rename(entry.temp, other.temp)
        except NameRefused:
            self.ledger.note(entry, Stage.BEGUN)
            raise PermanentError(refused.reply) from refused

    def _was_renamed(self, entry: Entry) -> bool:
        """Whether the temporary name is gone; asked when the server refuses to rename it."""
        try:
            return self.session.size(entry.temp) is None
        except PermanentError as error:
            if error.code not in NO_SUCH_COMMAND:
                raise
            # A listing may leave out the temporary name, but not the final one.  If the partner has taken
            # that, the file arrives twice: better than never.
            return entry.name in self.session.names()

    def _put_away(self, entry: Entry) -> None:
        """Move our copy to `cur`, unless it has become another file while we sent the first."""
        notify(SpoolExported(entry.name, str(self.store.path), self.target.host))
        try:
            if _identity(self._path(entry.name).lstat()) != entry.identity:
                log.info("Replaced since, stays for the next run: %s", entry.name)
                return
            kept_as = self.store.archive(entry.name, durable=False)
        except (FileNotFoundError, NotSpooled):
            return
        suffix = "" if kept_as == entry.name else f" as {kept_as}"
        log.info("Moved from 'new' to 'cur': %s%s", entry.name, suffix)

    def _put_away_delivered(self) -> None:
        """Move to `cur` what a run that died had delivered; needs no connection."""
        for entry in list(self.ledger.entries.values()):
            if entry.stage is Stage.DELIVERED:
                self._put_away(entry)
        self._settle()

    def _settle(self) -> None:
        """Close the delivered entries, once the moves to `cur` would survive a power failure."""
        delivered = [entry for entry in self.ledger.entries.values() if entry.stage is Stage.DELIVERED]
        if not delivered:
            return
        sync_directory(self.store.path / "cur")
        sync_directory(self.store.path / "new")
        for entry in delivered:
            self.ledger.note(entry, Stage.CLOSED)

    def _drop_orphans(self, names: list[str]) -> None:
        """Remove from the server what was begun for files that are not in `new` any more."""
        for name, entry in list(self.ledger.entries.items()):
            if name not in names:
                self.persist(name, lambda entry=entry: self._drop(entry))  # type: ignore[misc]

    def _give_up(self, entry: Entry, reason: str) -> None:
        """Note that a file is stuck, and remove what was sent of it from the server."""
        is_sent = entry.stage is not Stage.STUCK
        if is_sent and not self.session.delete(entry.temp) and self.session.is_there(entry.temp):
            log.warning("Could not be removed from the server: %s", entry.temp)
        self.ledger.note(entry, Stage.STUCK, reason=reason)
        if is_sent:
            notify(SpoolStuck(entry.name, str(self.store.path), self.target.host, reason))
        self.refuse(entry.name, f"{entry.name!r}: {reason}")

    def _drop(self, entry: Entry) -> None:
        self.session.delete(entry.temp)
        self.ledger.note(entry, Stage.CLOSED)

    def _path(self, name: str) -> Path:
        return self.store.path / "new" / name


def _temporary_name() -> str:
    return f"{TEMP_PREFIX}{secrets.token_hex(8)}.part"


def _identity(facts: os.stat_result) -> str:
    """Differs for two files of one name, and for one file written to in between."""
    return f"{facts.st_ino}:{facts.st_size}:{facts.st_mtime_ns}"

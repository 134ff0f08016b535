"""From the partner's server to `new`."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from librarian.durable import sync_directory
from librarian.spool.exchange.base import LOCK_CHECK, Exchange
from librarian.spool.ftp.replies import NO_SUCH_COMMAND, NO_SUCH_FILE
from librarian.spool.interfaces import (
    READ_LOCK,
    TEMP_PREFIX,
    WRITE_LOCK,
    BadName,
    NameTaken,
    PermanentError,
)
from librarian.spool.model.ledger import Entry, Stage
from librarian.spool.model.names import check_remote_name
from librarian.spool.model.report import Outcome

log = logging.getLogger(__name__)

NOT_ALLOWED = {532, 553}  # RFC 959, 4.2.2


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the server describes it; None for what it does not tell."""

    name: str
    size: int | None  # bytes
    modified: str | None

    @property
    def identity(self) -> str:
        """`size:modified` as the server reported them, by which a changed file is noticed."""
        return f"{self.size}:{self.modified}"


class Importer(Exchange):
    """Fetches every file on the server, by name, delivers it to `new`, then removes it over there.

    For each file: fetch it into `tmp`, verify it, make it durable, note durably that it is about to
    be delivered, deliver it, note that, and only then remove it from the server.  A run that dies in
    between leaves a note; delivery is one rename, so if the file is gone from `tmp`, it was delivered,
    even if it has been taken out of `new` since.  A file that the server will not remove stays in
    the ledger, so that it is not delivered again.
    """

    kind = "import"
    lock_name = READ_LOCK

    def exchange(self) -> None:
        with self.connected():
            self.lock.clear_dead(self.session)
            self.lock.wait_for_others(self.session)
            if not self._wanted(self.session.names()):
                log.info("No new files to import.")
                self._forget_missing([])
                return
            with self.locked():
                self._fetch_all()
        self.report.outcome = Outcome.DONE

    def _fetch_all(self) -> None:
        described = self.session.facts()
        names = self._wanted(self.session.names() if described is None else list(described))
        self._forget_missing(names)
        for name in names:
            try:
                check_remote_name(name)
            except BadName as error:
                self.refuse(name, error)
                continue
            file = self.persist(name, lambda name=name: self._describe(name, described))  # type: ignore[misc]
            if file is not None:
                self._import(file)

    def _wanted(self, names: list[str]) -> list[str]:
        """The names to fetch, sorted: neither locks nor unfinished files."""
        return sorted(
            name
            for name in names
            if name not in {WRITE_LOCK, READ_LOCK, ".", ".."} and not name.startswith(TEMP_PREFIX)
        )

    def _describe(self, name: str, described: dict[str, dict[str, str]] | None) -> RemoteFile | None:
        """Size and time of a file, by MLSD's facts or by SIZE and MDTM; None for what is not a file."""
        if described is not None:
            facts = described[name]
            if facts.get("type", "file").lower() != "file":
                return None
            size = facts.get("size", "")
            return RemoteFile(name, int(size) if size.isdigit() else None, facts.get("modify"))
        size_there = self.session.size(name)
        if size_there is None:
            if not self.session.is_directory(name) and self.session.is_there(name):
                self.refuse(name, f"{name!r} is on the server, which does not let us read it")
            return None
        modified = self.session.modified(name)
        return RemoteFile(name, size_there, None if modified is None else modified.isoformat())

    def _import(self, file: RemoteFile) -> None:
        entry = self._known(file)
        was_delivered = entry is not None and entry.stage is Stage.DELIVERED
        if entry is None or entry.stage is Stage.BEGUN:
            entry = self._fetch_or_refuse(file)
        if entry is not None and entry.stage is Stage.PUBLISHING:
            entry = self._deliver_or_postpone(entry)
        if entry is None:
            return
        delivered = entry
        is_gone = self.persist(file.name, lambda: self._remove(delivered))
        if is_gone or not was_delivered:
            self.report.files.append(file.name)
        self.progress.finish(file.name)

    def _known(self, file: RemoteFile) -> Entry | None:
        """The open entry of this very file, not of another one that had its name."""
        entry = self.ledger.entries.get(file.name)
        if entry is not None and entry.identity != file.identity:
            self._drop(entry)
            return None
        return entry

    def _fetch_or_refuse(self, file: RemoteFile) -> Entry | None:
        """The entry of the file once it is here, whole; None if it cannot come now."""
        if (self.store.path / "new" / file.name).exists():
            self._postpone(file.name)
            return None
        try:
            return self.persist(file.name, lambda: self._fetch(file))
        except PermanentError as error:
            if error.code not in NO_SUCH_FILE:
                raise
            self._drop(self.ledger.entries[file.name])
            self.refuse(file.name, f"{file.name!r}: {error}")
            return None

    def _deliver_or_postpone(self, entry: Entry) -> Entry | None:
        try:
            return self._deliver(entry)
        except NameTaken:
            self._postpone(entry.name)
            return None

    def _fetch(self, file: RemoteFile) -> Entry:
        entry = self.ledger.entries.get(file.name)
        if entry is None:
            entry = self.ledger.note(
                Entry(file.name, file.identity, self.store.unfinished().name), Stage.BEGUN
            )
        log.info("Downloading: %s", file.name)
        fd = os.open(self._temp(entry), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        with os.fdopen(fd, "r+b") as sink:
            sha256 = self.transfer.download(self.session, file.name, sink, file.size)
            os.fsync(sink.fileno())
            size = sink.seek(0, os.SEEK_END)
        # Without the lock the partner may have written to the file meanwhile.
        self.lock.check(self.session, full_every=LOCK_CHECK)
        # After the note, a file missing from tmp counts as delivered: its entry there must be as durable.
        sync_directory(self._temp(entry).parent)
        return self.ledger.note(entry, Stage.PUBLISHING, durable=True, size=size, sha256=sha256)

    def _deliver(self, entry: Entry) -> Entry:
        """Let the file appear in `new`, unless the run that fetched it did so before it died."""
        temp = self._temp(entry)
        if temp.exists():
            self.store.deliver(temp, entry.name)
            log.info("Moved from 'tmp' to 'new': %s", entry.name)
        return self.ledger.note(entry, Stage.DELIVERED, durable=True)

    def _remove(self, entry: Entry) -> bool:
        """Remove from the server a file that is durable here; whether it is gone.

        Where the server will not, the ledger keeps the entry: the file must not be fetched again.
        """
        self.lock.check(self.session, full_every=LOCK_CHECK)
        try:
            is_gone = self.session.delete(entry.name) or not self.session.is_there(entry.name)
            reason = "550 to DELE, and it is still there"
        except PermanentError as error:
            if error.code not in NO_SUCH_COMMAND | NOT_ALLOWED:
                raise
            is_gone, reason = False, str(error)
        if not is_gone:
            self.refuse(
                entry.name, f"{entry.name!r} was fetched, and the server will not remove it: {reason}"
            )
            return False
        log.info("Removed from CDS FTP server: %s", entry.name)
        self.ledger.note(entry, Stage.CLOSED)
        return True

    def _postpone(self, name: str) -> None:
        self.refuse(name, f"{name!r} waits on the server, as new still has a file of that name")

    def _forget_missing(self, names: list[str]) -> None:
        """Close what is open here and no longer on the server, and deliver what had been fetched whole."""
        for name, entry in list(self.ledger.entries.items()):
            if name in names:
                continue
            if entry.stage is Stage.PUBLISHING and not (self.store.path / "new" / name).exists():
                self._deliver(entry)
            self._drop(entry)

    def _drop(self, entry: Entry) -> None:
        self._temp(entry).unlink(missing_ok=True)
        self.ledger.note(entry, Stage.CLOSED)

    def _temp(self, entry: Entry) -> Path:
        return self.store.path / "tmp" / entry.temp

"""The FTP commands of an exchange: what the target's directory holds, and changes in it."""

from datetime import datetime

from librarian.spool.ftp.connection import Channel, translated
from librarian.spool.ftp.replies import (
    NO_FILES,
    NO_SUCH_COMMAND,
    NO_SUCH_FILE,
    find_digest,
    parse_listing,
    parse_size,
    parse_time,
)
from librarian.spool.interfaces import NameRefused, PermanentError, TemporaryError


class Session(Channel):
    """A logged-in connection with the commands that an exchange needs.  Raises ExchangeErrors only."""

    def names(self) -> list[str]:
        """The names in the directory, by MLSD, or by NLST (RFC 959, 4.1.3), which may omit `.NAME`."""
        described = self.facts()
        if described is not None:
            return list(described)
        try:
            lines = self.list_lines("NLST")
        except PermanentError as error:
            if error.code in NO_FILES:
                return []
            raise
        return [line.rsplit("/", 1)[-1] for line in lines if line]

    def facts(self) -> dict[str, dict[str, str]] | None:
        """MLSD's facts (RFC 3659, 7) by name, keys in lower case; None if the server has no MLSD.

        The directory itself and the one above it are left out, whatever they are called.
        """
        try:
            lines = self.list_lines("MLSD") if "MLST" in self.features else None
        except PermanentError as error:
            if error.code not in NO_SUCH_COMMAND:
                raise
            del self.features["MLST"]  # announced by FEAT, and not implemented
            lines = None
        return None if lines is None else parse_listing(lines)

    def size(self, name: str) -> int | None:
        """Bytes, by SIZE (RFC 3659, 4); None if there is no such file.  PermanentError if SIZE is unknown."""
        reply = self.ask(f"SIZE {name}")
        if reply is None:
            return None
        size = parse_size(reply)
        if size is None:
            raise TemporaryError(reply)
        return size

    def is_there(self, name: str) -> bool:
        """Whether there is a file or directory of this name, by SIZE and then by a listing.

        Neither is enough alone: servers answer 550 to SIZE for a missing file, for one that may not be
        read and for a directory, and a listing may omit names.
        """
        try:
            if self.size(name) is not None:
                return True
        except PermanentError as error:
            if error.code not in NO_SUCH_COMMAND:
                raise
        return name in self.names()

    def is_directory(self, name: str) -> bool:
        """Whether CWD to it succeeds; the session returns to the target's directory."""
        try:
            with translated():
                self._ftp.voidcmd(f"CWD {name}")
        except PermanentError:
            return False
        self.enter()
        return True

    def mark(self, name: str) -> str | None:
        """A text that differs once the file has been replaced or changed: its MLST facts, or SIZE and MDTM.

        None if there is no file or the server has none of these commands.  Opens no data connection.
        """
        try:
            if "MLST" in self.features:
                reply = self.ask(f"MLST {name}") or ""
                return next((line.strip() for line in reply.splitlines() if line.startswith(" ")), None)
            size = self.size(name)
        except PermanentError:
            return None
        return None if size is None else f"{size} {self.modified(name)}"

    def modified(self, name: str) -> datetime | None:
        """The file's last change by the server's clock, by MDTM (RFC 3659, 3); None if it is not told."""
        try:
            reply = self.ask(f"MDTM {name}")
        except PermanentError:
            return None
        return None if reply is None else parse_time(reply[4:])

    def delete(self, name: str) -> bool:
        """Remove a file; False if the server answers 550: there is none, or it refuses, see is_there()."""
        return self.ask(f"DELE {name}") is not None

    def rename(self, old: str, new: str) -> bool:
        """Rename, replacing `new`; whether `old` was there.  NameRefused if the server refuses `new`."""
        if self.ask(f"RNFR {old}") is None:
            return False
        try:
            with translated():
                self._ftp.voidcmd(f"RNTO {new}")
        except PermanentError as refused:
            self._replace(old, new, refused)
        return True

    def read(self, name: str, limit: int = 64 * 1024) -> bytes | None:
        """The first `limit` bytes of a file, or None if there is none."""
        try:
            return self.receive(f"RETR {name}", limit)
        except PermanentError as error:
            if error.code in NO_SUCH_FILE:
                return None
            raise

    def store(self, name: str, data: bytes) -> None:
        """Write a small file by STOR, replacing what is there."""
        self.send(f"STOR {name}", iter([data]))

    def append(self, name: str, data: bytes) -> None:
        """Add to a file by APPE, which makes it if it is missing; servers append in one step."""
        self.send(f"APPE {name}", iter([data]))

    def digest(self, name: str) -> str | None:
        """The hex digest of a file as the server computes it; None if it does not."""
        if self._digest is None:
            return None
        algorithm, command = self._digest
        try:
            reply = self.ask(f"{command} {name}") or ""
        except PermanentError:  # announced by FEAT, and not implemented
            self._digest = None
            return None
        return find_digest(algorithm, reply)

    def _replace(self, old: str, new: str, refused: PermanentError) -> None:
        """Some servers refuse to rename onto an existing file: delete it, then rename again."""
        if refused.code == 553 or not self.delete(new):
            raise NameRefused(refused.reply) from refused
        try:
            with translated():
                self._ftp.sendcmd(f"RNFR {old}")
                self._ftp.voidcmd(f"RNTO {new}")
        except PermanentError as error:
            raise NameRefused(error.reply) from error

"""What is asked of, and done to, the files in the target's directory."""

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
        """What the directory holds.  Without MLSD a server may leave out names that begin with a dot."""
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
            del self.features["MLST"]  # announced, and not meant
            lines = None
        return None if lines is None else parse_listing(lines)

    def size(self, name: str) -> int | None:
        """Bytes, or None where there is no such file.  PermanentError 5xx if the server has no SIZE."""
        reply = self.ask(f"SIZE {name}")
        if reply is None:
            return None
        size = parse_size(reply)
        if size is None:
            raise TemporaryError(reply)
        return size

    def is_there(self, name: str) -> bool:
        """Whether there is a file or directory of this name, asked in two ways: a server may say 550 to
        SIZE for "not there", for "you may not" and for a directory, and leave names out of a listing."""
        try:
            if self.size(name) is not None:
                return True
        except PermanentError as error:
            if error.code not in NO_SUCH_COMMAND:
                raise
        return name in self.names()

    def is_directory(self, name: str) -> bool:
        """Whether one can go there; the session stays where it is."""
        try:
            with translated():
                self._ftp.voidcmd(f"CWD {name}")
        except PermanentError:
            return False
        self.enter()
        return True

    def mark(self, name: str) -> str | None:
        """Something that is another when the file is another or has changed; None if there is no file or
        the server cannot tell.  One or two short questions, no data connection."""
        try:
            if "MLST" in self.features:
                reply = self.ask(f"MLST {name}") or ""
                return next((line.strip() for line in reply.splitlines() if line.startswith(" ")), None)
            size = self.size(name)
        except PermanentError:
            return None
        return None if size is None else f"{size} {self.modified(name)}"

    def modified(self, name: str) -> datetime | None:
        """When a file was last changed, by the server's clock; None if it cannot tell."""
        try:
            reply = self.ask(f"MDTM {name}")
        except PermanentError:
            return None
        return None if reply is None else parse_time(reply[4:])

    def delete(self, name: str) -> bool:
        """Remove a file; False where the server says 550, which may mean that there is none or that
        it will not: see is_there()."""
        return self.ask(f"DELE {name}") is not None

    def rename(self, old: str, new: str) -> bool:
        """Rename, replacing `new`; whether `old` was there.  Raises NameRefused for a `new` that the
        server will not have."""
        if self.ask(f"RNFR {old}") is None:
            return False
        try:
            with translated():
                self._ftp.voidcmd(f"RNTO {new}")
        except PermanentError as refused:
            self._replace(old, new, refused)
        return True

    def read(self, name: str, limit: int = 64 * 1024) -> bytes | None:
        """The first bytes of a small file, or None where there is none."""
        try:
            return self.receive(f"RETR {name}", limit)
        except PermanentError as error:
            if error.code in NO_SUCH_FILE:
                return None
            raise

    def store(self, name: str, data: bytes) -> None:
        """Write a small file, replacing what is there."""
        self.send(f"STOR {name}", iter([data]))

    def append(self, name: str, data: bytes) -> None:
        """Add to a file, which is made if it is missing: the server appends in one step."""
        self.send(f"APPE {name}", iter([data]))

    def digest(self, name: str) -> str | None:
        """The hex digest of a file as the server has it, or None if it cannot tell."""
        if self._digest is None:
            return None
        algorithm, command = self._digest
        try:
            reply = self.ask(f"{command} {name}") or ""
        except PermanentError:  # announced, and not meant
            self._digest = None
            return None
        return find_digest(algorithm, reply)

    def _replace(self, old: str, new: str, refused: PermanentError) -> None:
        """Some servers will not rename onto a file: make room, then say it again."""
        if refused.code == 553 or not self.delete(new):
            raise NameRefused(refused.reply) from refused
        try:
            with translated():
                self._ftp.sendcmd(f"RNFR {old}")
                self._ftp.voidcmd(f"RNTO {new}")
        except PermanentError as error:
            raise NameRefused(error.reply) from error

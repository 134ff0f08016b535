"""One logged-in FTP connection that speaks what today's servers want.

ftplib from the standard library is underneath, not ftputil.  ftputil offers a file system: it opens
a hidden second login for every open file, asks with directory listings that it caches, and has
neither REST for uploads nor SIZE, MDTM, APPE or HASH.  A lock and a resumed upload need exactly
those, on one connection, in a known order.  What ftplib lacks is in `control`; the errors that come
out of here say whether another try is worth it.

FTP can be read and changed on its way (S321).  That is the partner's choice; `tls` is for the others.
"""

import ftplib
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Self

from librarian.spool.ftp.control import Control
from librarian.spool.interfaces import (
    CertificateRefused,
    ExchangeError,
    FTPOSError,
    NameRefused,
    PermanentError,
    ReplyError,
    TemporaryError,
)
from librarian.spool.settings import Target

BLOCK = 256 * 1024  # bytes
LONGEST_LISTING = 64 * 1024 * 1024  # bytes; memory for half a million names or so, and no more
NO_SUCH_COMMAND = {500, 501, 502, 504}  # RFC 959, 4.2.2; 501 for OPTS and HASH of some servers
NO_SUCH_FILE = {550}
NO_FILES = {450, 550}  # how some servers say that a directory is empty

_ITSELF = {"cdir", "pdir"}  # RFC 3659, 7.5.1
_SIZE = re.compile(r"[0-9]{1,18}", re.ASCII)  # of a SIZE reply; more digits are no file's


@contextmanager
def translated() -> Iterator[None]:
    """Let ftplib's, the network's and TLS's errors out as ours, with the original as their cause."""
    try:
        yield
    except ExchangeError:
        raise
    except ftplib.error_perm as error:
        raise PermanentError(str(error)) from error
    except ftplib.Error as error:
        raise TemporaryError(str(error)) from error
    except ssl.SSLCertVerificationError as error:
        raise CertificateRefused(*error.args) from error
    except EOFError as error:
        raise FTPOSError("the server closed the connection") from error
    except OSError as error:
        raise FTPOSError(*error.args) from error


class Session:
    """A connection in the target's directory, in binary mode.  Raises ExchangeErrors only."""

    def __init__(self, target: Target, *, epsv: bool = True) -> None:
        self._target = target
        self._ftp = Control(_context(target), target.timeout, implicit=target.tls == "implicit", epsv=epsv)
        self.features: dict[str, str] = {}
        self._digest: tuple[str, str] | None = None

    @property
    def epsv(self) -> bool:
        """Whether EPSV works with this server, as far as we know."""
        return self._ftp.epsv

    def log_in(self) -> Self:
        """Connect, log in, and learn what the server can do."""
        target = self._target
        with translated():
            try:
                self._ftp.connect(target.host, target.port)
                self._ftp.login(target.user, target.password, secure=target.tls == "explicit")
                if target.tls != "no":
                    self._ftp.prot_p()
                self._learn_features()
                self._ftp.voidcmd("TYPE I")
            except BaseException:
                self._ftp.close()
                raise
        return self

    def enter(self) -> None:
        """Go to the target's directory; PermanentError if there is none."""
        with translated():
            self._ftp.voidcmd(f"CWD {self._target.path}")

    def quit(self) -> None:
        """Say good-bye if the server still listens; never an error."""
        try:
            self._ftp.quit()
        except (OSError, EOFError, ftplib.Error, ValueError):
            self._ftp.close()

    def close(self) -> None:
        """Drop the connection without a word."""
        self._ftp.close()

    def names(self) -> list[str]:
        """What the directory holds.  Without MLSD a server may leave out names that begin with a dot."""
        described = self.facts()
        if described is not None:
            return list(described)
        try:
            lines = self._list("NLST")
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
            lines = self._list("MLSD") if "MLST" in self.features else None
        except PermanentError as error:
            if error.code not in NO_SUCH_COMMAND:
                raise
            del self.features["MLST"]  # announced, and not meant
            lines = None
        if lines is None:
            return None
        entries = ((name, _facts(text)) for text, _, name in (line.partition(" ") for line in lines if line))
        return {name: facts for name, facts in entries if facts.get("type", "").lower() not in _ITSELF}

    def size(self, name: str) -> int | None:
        """Bytes, or None where there is no such file.  PermanentError 5xx if the server has no SIZE."""
        reply = self._ask(f"SIZE {name}")
        if reply is None:
            return None
        found = _SIZE.fullmatch(reply[4:].strip())
        if found is None:
            raise TemporaryError(reply)
        return int(found[0])

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
                reply = self._ask(f"MLST {name}") or ""
                return next((line.strip() for line in reply.splitlines() if line.startswith(" ")), None)
            size = self.size(name)
        except PermanentError:
            return None
        return None if size is None else f"{size} {self.modified(name)}"

    def modified(self, name: str) -> datetime | None:
        """When a file was last changed, by the server's clock; None if it cannot tell."""
        try:
            reply = self._ask(f"MDTM {name}")
        except PermanentError:
            return None
        return None if reply is None else parse_time(reply[4:])

    def delete(self, name: str) -> bool:
        """Remove a file; False where the server says 550, which may mean that there is none or that
        it will not: see is_there()."""
        return self._ask(f"DELE {name}") is not None

    def rename(self, old: str, new: str) -> bool:
        """Rename, replacing `new`; whether `old` was there.  Raises NameRefused for a `new` that the
        server will not have."""
        if self._ask(f"RNFR {old}") is None:
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
            return self._receive(f"RETR {name}", limit)
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

    def send(self, command: str, blocks: Iterator[bytes], rest: int | None = None) -> None:
        """Give a STOR-like command its bytes, from offset `rest` of the file over there."""
        with self._data(command, rest) as conn:
            try:
                for block in blocks:
                    conn.sendall(block)
                _end(conn)
            except OSError:  # the server hung up, and has said why: its disk is full, it is closing
                conn.close()
                self._ftp.voidresp()
                raise

    def fetch(self, name: str, sink: Callable[[bytes], object], rest: int | None = None) -> None:
        """Hand the bytes of a file to `sink` block by block, from offset `rest` on."""
        with self._data(f"RETR {name}", rest) as conn:
            while block := conn.recv(BLOCK):
                sink(block)

    @property
    def digest_algorithm(self) -> str | None:
        """What digest() will answer in, hashlib's name; None if the server tells no digests."""
        return self._digest[0] if self._digest else None

    def digest(self, name: str) -> str | None:
        """The hex digest of a file as the server has it, or None if it cannot tell."""
        if self._digest is None:
            return None
        algorithm, command = self._digest
        try:
            reply = self._ask(f"{command} {name}") or ""
        except PermanentError:  # announced, and not meant
            self._digest = None
            return None
        found = re.search(rf"(?<![0-9A-Fa-f])[0-9A-Fa-f]{{{DIGEST_SIZES[algorithm]}}}(?![0-9A-Fa-f])", reply)
        return found[0].lower() if found else None

    def _learn_features(self) -> None:
        try:
            lines = self._ftp.sendcmd("FEAT").splitlines()[1:-1]  # RFC 2389
        except ftplib.error_perm:
            return
        for line in lines:
            name, _, text = line.strip().partition(" ")
            self.features[name.upper()] = text
        self._digest = digest_command(self.features) if self._target.verify == "digest" else None
        if "UTF8" in self.features:
            try:
                self._ftp.sendcmd("OPTS UTF8 ON")  # RFC 2640 has it on already; IIS wants to be told
            except ftplib.error_perm:
                pass

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

    def _ask(self, command: str) -> str | None:
        """The reply to a command about a file, or None where there is no such file."""
        try:
            with translated():
                return self._ftp.sendcmd(command)
        except ReplyError as error:
            if error.code in NO_SUCH_FILE:
                return None
            raise

    def _list(self, command: str) -> list[str]:
        listing = self._receive(command, LONGEST_LISTING)
        if len(listing) >= LONGEST_LISTING:
            raise PermanentError(f"{command} answers with more than {LONGEST_LISTING} bytes")
        return listing.decode(errors="surrogateescape").splitlines()

    def _receive(self, command: str, limit: int) -> bytes:
        """What a command sends; no more than `limit` bytes of it are kept."""
        received = bytearray()
        with self._data(command) as conn:
            while block := conn.recv(BLOCK):
                received += block[: limit - len(received)]
        return bytes(received)

    @contextmanager
    def _data(self, command: str, rest: int | None = None) -> Iterator[socket.socket]:
        """A data connection for `command`, and its closing reply.

        Whoever is interrupted in between, by an error or a signal, leaves replies unread: such a
        connection is dropped, for the next command would take them for its own.
        """
        with translated():
            try:
                with closing(self._ftp.transfercmd(command, rest)) as conn:
                    yield conn
                self._ftp.voidresp()
            except ftplib.Error:
                raise
            except BaseException:
                self._ftp.close()
                raise


DIGEST_SIZES = {"sha512": 128, "sha256": 64, "sha1": 40, "md5": 32}  # hex characters


def digest_command(features: Mapping[str, str]) -> tuple[str, str] | None:
    """(hashlib's name, command) by which a server with these features tells digests best."""
    if "HASH" in features:  # draft-bryan-ftpext-hash: the algorithm with the star is in force
        chosen = re.search(r"([\w-]+)\*", features["HASH"])
        algorithm = chosen[1].replace("-", "").lower() if chosen else ""
        if algorithm in DIGEST_SIZES:
            return algorithm, "HASH"
    known = {"XSHA512": "sha512", "XSHA256": "sha256", "XSHA1": "sha1", "XSHA": "sha1", "XMD5": "md5"}
    return next(((algorithm, command) for command, algorithm in known.items() if command in features), None)


def parse_time(text: str) -> datetime | None:
    """A time of RFC 3659, 2.3 (`YYYYMMDDHHMMSS[.sss]`, UTC), or None if it is none."""
    try:
        return datetime.strptime(text.strip()[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _facts(text: str) -> dict[str, str]:
    pairs = (fact.partition("=") for fact in text.split(";") if fact)
    return {key.lower(): value for key, _, value in pairs}


def _end(conn: socket.socket) -> None:
    """Tell a TLS peer that this was all; one that hangs up without answering is told off elsewhere."""
    if isinstance(conn, ssl.SSLSocket):
        try:
            conn.unwrap()
        except OSError:  # the reply and the size say whether all of it arrived
            pass


def _context(target: Target) -> ssl.SSLContext:
    if target.tls == "no":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used; reading the authorities takes a while
    try:
        return ssl.create_default_context(cafile=target.ca_file)
    except OSError as error:
        raise CertificateRefused(f"cannot read the authorities in {target.ca_file}: {error}") from error

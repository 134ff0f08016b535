"""One logged-in FTP connection: control and data channel, with errors that say whether to try again.

ftplib from the standard library is underneath, not ftputil.  ftputil offers a file system: it opens
a hidden second login for every open file, asks with directory listings that it caches, and has
neither REST for uploads nor SIZE, MDTM, APPE or HASH.  A lock and a resumed upload need exactly
those, on one connection, in a known order.  What ftplib lacks is in `control`.

FTP can be read and changed on its way (S321).  That is the partner's choice; `tls` is for the others.
"""

import ftplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Self

from librarian.spool.ftp.control import Control
from librarian.spool.ftp.replies import NO_SUCH_FILE, digest_command
from librarian.spool.interfaces import (
    CertificateRefused,
    ExchangeError,
    FTPOSError,
    PermanentError,
    ReplyError,
    TemporaryError,
)
from librarian.spool.settings import Target

BLOCK = 256 * 1024  # bytes
LONGEST_LISTING = 64 * 1024 * 1024  # bytes; memory for half a million names or so, and no more


@contextmanager
def translated() -> Iterator[None]:
    """Raise ftplib's, the network's and TLS's errors as ExchangeErrors, with the original as cause."""
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


class Channel:
    """A connection in the target's directory, in binary mode.  Raises ExchangeErrors only.

    `features` is the answer to FEAT (RFC 2389, 3): parameters by the feature's name in capitals.
    """

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
        """Send QUIT and close; never an error."""
        try:
            self._ftp.quit()
        except (OSError, EOFError, ftplib.Error, ValueError):
            self._ftp.close()

    def close(self) -> None:
        """Close the connection without QUIT."""
        self._ftp.close()

    def send(self, command: str, blocks: Iterator[bytes], rest: int | None = None) -> None:
        """Send the bytes of STOR or APPE, from offset `rest` of the server's file (REST, RFC 3659, 5)."""
        with self._data(command, rest) as conn:
            try:
                for block in blocks:
                    conn.sendall(block)
                _end(conn)
            except OSError:  # the server has closed the data connection, and its reply has the reason
                conn.close()
                self._ftp.voidresp()
                raise

    def fetch(self, name: str, sink: Callable[[bytes], object], rest: int | None = None) -> None:
        """Call `sink` with the bytes of a file, block by block, from offset `rest` on."""
        with self._data(f"RETR {name}", rest) as conn:
            while block := conn.recv(BLOCK):
                sink(block)

    @property
    def digest_algorithm(self) -> str | None:
        """The algorithm of digest(), by hashlib's name; None if the server computes no digests."""
        return self._digest[0] if self._digest else None

    def _learn_features(self) -> None:
        try:
            lines = self._ftp.sendcmd("FEAT").splitlines()[1:-1]  # RFC 2389, section 3
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

    def ask(self, command: str) -> str | None:
        """The reply to a command about a file, or None if it is 550 (no such file).  Raises ExchangeError."""
        try:
            with translated():
                return self._ftp.sendcmd(command)
        except ReplyError as error:
            if error.code in NO_SUCH_FILE:
                return None
            raise

    def list_lines(self, command: str) -> list[str]:
        """The lines of a listing; PermanentError above LONGEST_LISTING bytes."""
        listing = self.receive(command, LONGEST_LISTING)
        if len(listing) >= LONGEST_LISTING:
            raise PermanentError(f"{command} answers with more than {LONGEST_LISTING} bytes")
        return listing.decode(errors="surrogateescape").splitlines()

    def receive(self, command: str, limit: int) -> bytes:
        """The first `limit` bytes that a command sends; the rest is read and dropped."""
        received = bytearray()
        with self._data(command) as conn:
            while block := conn.recv(BLOCK):
                received += block[: limit - len(received)]
        return bytes(received)

    @contextmanager
    def _data(self, command: str, rest: int | None = None) -> Iterator[socket.socket]:
        """A data connection for `command`, and its closing reply.

        An error or a signal in between leaves replies unread.  The connection is closed then, or the next
        command would take them for its own.
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


def _end(conn: socket.socket) -> None:
    """Send TLS's close_notify (RFC 8446, 6.1); a peer that does not answer it is no error here."""
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

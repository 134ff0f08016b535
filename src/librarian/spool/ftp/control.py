"""ftplib's connection, with what it lacks for the servers of today.

EPSV comes first, and PASV where a firewall only knows that.  TLS may begin with the first byte.  The
TLS session goes over to data connections.  Names and replies need not be UTF-8.
"""

import errno
import ftplib
import os
import socket
import ssl
from typing import Any


class Control(ftplib.FTP_TLS):
    """Plain until auth(), unless `implicit`.  `epsv` turns False when it has been found not to work."""

    def __init__(
        self, context: ssl.SSLContext, timeout: float, *, implicit: bool = False, epsv: bool = True
    ) -> None:
        super().__init__(context=context, timeout=timeout)
        self.epsv = epsv
        self._implicit = implicit
        self._connecting = False  # a data connection: no command has been sent since its address came

    def connect(self, host: str = "", port: int = 0, *_: Any, **__: Any) -> str:
        self.host, self.port = host, port
        self.sock = socket.create_connection((host, port), self.timeout)
        self.af = self.sock.family
        if self._implicit:
            self.sock = self.context.wrap_socket(self.sock, server_hostname=host)
        self._read_from_socket()
        self.welcome = self.getresp()
        return self.welcome

    def auth(self) -> str:
        reply = super().auth()
        self._read_from_socket()
        return reply

    def _read_from_socket(self) -> None:
        # Servers may answer in Latin-1, and keep names in it: such bytes must not be an error here.
        self.file = self._live_socket().makefile("r", encoding=self.encoding, errors="surrogateescape")

    def _live_socket(self) -> socket.socket:
        if self.sock is None:  # dropped after an interrupted transfer
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        return self.sock

    def putline(self, line: str) -> None:
        if "\r" in line or "\n" in line:
            raise ValueError("an illegal newline character should not be contained")
        self._connecting = False
        self._live_socket().sendall(line.encode(self.encoding, "surrogateescape") + b"\r\n")

    def getline(self) -> str:
        self._live_socket()
        return super().getline()

    def makepasv(self) -> tuple[str, int]:
        address = self._epsv() or super().makepasv()
        self._connecting = True
        return address

    def _epsv(self) -> tuple[str, int] | None:
        """The address to connect to (RFC 2428, section 3), or None if PASV is to be asked."""
        if not self.epsv:
            return None
        try:
            return ftplib.parse229(self.sendcmd("EPSV"), self._live_socket().getpeername())  # noqa: S321
        except ftplib.error_perm:
            if self.af == socket.AF_INET6:  # PASV cannot say where
                raise
            self.epsv = False
            return None

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        try:
            conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321
        except OSError:
            if not (self._connecting and self.epsv and self.af == socket.AF_INET):
                raise
            self.epsv = False  # the port is closed to us: some firewalls open it when they read PASV's reply
            conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321
        if not self._prot_p:  # type: ignore[attr-defined]  # set by ftplib's prot_p()
            return conn, size
        # RFC 4217, 10.1: a server may insist that the data connection resumes this session, to know
        # that both have the same client.  ftplib does not (bpo-19500).
        session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
        try:
            return self.context.wrap_socket(conn, server_hostname=self.host, session=session), size
        except BaseException:
            conn.close()
            raise

"""A partner's FTP server in a thread of this process, good or misbehaving, and a scene to play with it."""

import errno
import hashlib
import logging
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer
from zope.component import queryUtility

from librarian.clock import SystemClock
from librarian.interfaces import IClock
from librarian.spool import FileStore, Target, export, import_files
from librarian.spool.exchange.exporter import Exporter
from librarian.spool.interfaces import READ_LOCK, TEMP_PREFIX, WRITE_LOCK
from librarian.spool.model.ledger import Entry

NOT_FOR_CONSUMERS = {WRITE_LOCK, READ_LOCK}
USER, PASSWORD = "publisher", "secret"

# Given a command and its argument: a reply instead of the usual one, or None.
Hook = Callable[[str, str], str | None]


class Partner:
    """One server; everything that may go wrong is an attribute that a test may set at any time."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        tls: str = "no",
        certificate: Path | None = None,
        without: tuple[str, ...] = (),
        digest: str | None = None,
        permissions: str = "elradfmwMT",
        changed: Callable[["Partner"], object] = lambda partner: None,
    ) -> None:
        """`changed` is called after each change, before its client is told of it."""
        self.root = Path(tempfile.mkdtemp(prefix="librarian-partner-"))
        self.commands: list[str] = []  # everything clients have said
        self.hook: Hook = lambda command, argument: None
        self._changed = changed
        self.sessions = 0  # open now
        self.received = 0  # bytes, over data connections
        self.cut_after: int | None = None  # then hang up, once
        self.full_after: int | None = None  # then there is no space left
        self.lie_about_digests = False
        self.digest = digest
        self.certificate = certificate
        logging.getLogger("pyftpdlib").disabled = True  # it would print what clients do
        authorizer = DummyAuthorizer()
        authorizer.add_user(USER, PASSWORD, str(self.root), perm=permissions)
        handler = _handler(self, tls, without)
        handler.authorizer = authorizer
        self._loop = IOLoop()
        self._server = FTPServer((host, 0), handler, ioloop=self._loop)
        self.host, self.port = self._server.address[:2]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def changed(self) -> None:
        """Something on the server has changed."""
        self._changed(self)

    def files(self) -> dict[str, bytes]:
        """What lies on the server, by name."""
        return {path.name: path.read_bytes() for path in sorted(self.root.iterdir()) if path.is_file()}

    def wait_until_idle(self) -> None:
        """Until every session has ended, and what its client left behind has been dealt with."""
        until = time.monotonic() + 10
        while self.sessions and time.monotonic() < until:
            time.sleep(0.002)

    def take_files(self) -> dict[str, bytes]:
        """Consume, as the partner's own program would: everything that has its final name."""
        taken = {name: data for name, data in self.files().items() if name not in NOT_FOR_CONSUMERS}
        taken = {name: data for name, data in taken.items() if not name.startswith(TEMP_PREFIX)}
        for name in taken:
            (self.root / name).unlink()
        return taken

    def stop(self) -> None:
        """Stop listening and drop all sessions; the files stay."""
        self._stopping.set()
        self._thread.join()

    def close(self) -> None:
        """Stop, and forget the files."""
        self.stop()
        shutil.rmtree(self.root)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._loop.loop(timeout=0.02, blocking=False)
        self._server.close_all()

    def take(self, handler: Any, count: int) -> None:
        """Note what has been received, and hang up if it is time to."""
        self.received += count
        if self.cut_after is not None and self.received >= self.cut_after:
            self.cut_after = None
            handler.cmd_channel.close()


def _handler(partner: Partner, tls: str, without: tuple[str, ...]) -> Any:
    """pyftpdlib configures classes, so every partner gets its own."""
    base = FTPHandler if tls == "no" else TLS_FTPHandler
    commands = {name: facts for name, facts in base.proto_cmds.items() if name not in without}
    if partner.digest:
        commands["HASH"] = {"perm": "l", "auth": True, "arg": True, "help": "Syntax: HASH path."}
    handler = type(
        "Control",
        (_control(_telling(base)),),
        {
            "partner": partner,
            "proto_cmds": commands,
            "dtp_handler": _data(partner, DTPHandler if tls == "no" else TLS_DTPHandler),
            "abstracted_fs": _full_disk(partner),
            "certfile": str(partner.certificate),
            "auth_failed_timeout": 0,
        },
    )
    return _implicit(handler) if tls == "implicit" else handler


def _data(partner: Partner, base: Any) -> Any:
    class Data(base):
        def recv(self, size: int) -> bytes:
            chunk: bytes = super().recv(size)
            partner.take(self, len(chunk))
            return chunk

        def handle_error(self) -> None:
            error = sys.exc_info()[1]
            if getattr(error and error.__cause__, "errno", None) != errno.ENOSPC:
                super().handle_error()
                return
            self._resp = ("552 Disk full.", logging.getLogger("pyftpdlib").info)  # RFC 959's code for it
            self.close()

    return Data


def _telling(base: Any) -> Any:
    class Telling(base):
        """Tells the partner of changes."""

        partner: Partner

        def on_file_received(self, _file: str) -> None:
            self.partner.changed()

        def ftp_RNTO(self, path: str) -> Any:
            found: Any = super().ftp_RNTO(path)
            self.partner.changed()
            return found

        def ftp_DELE(self, path: str) -> Any:
            found: Any = super().ftp_DELE(path)
            self.partner.changed()
            return found

    return Telling


def _control(base: Any) -> Any:
    class Control(base):
        partner: Partner

        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            if self.partner.digest:
                self._extra_feats.append(f"HASH {self.partner.digest}*")

        def on_connect(self) -> None:
            self.partner.sessions += 1

        def close(self) -> None:
            if not self._closed:
                super().close()
                self.partner.sessions -= 1

        def pre_process_command(self, line: str, command: str, argument: str) -> None:
            self.partner.commands.append(f"{command} {argument}".strip())
            reply = self.partner.hook(command, argument)
            if reply is None:
                super().pre_process_command(line, command, argument)
            else:
                self.respond(reply)

        def ftp_HASH(self, path: str) -> None:
            algorithm = str(self.partner.digest)
            data = Path(path).read_bytes() + (b"!" if self.partner.lie_about_digests else b"")
            found = hashlib.new(algorithm.replace("-", "").lower(), data).hexdigest()
            self.respond(f"213 {algorithm} 0-{len(data)} {found} {Path(path).name}")

    return Control


def _implicit(control: Any) -> Any:
    class Implicit(control):
        """TLS from the first byte, then the welcome."""

        def handle(self) -> None:
            self.secure_connection(self.ssl_context)

        def handle_ssl_established(self) -> None:
            super().handle()

    return Implicit


def _full_disk(partner: Partner) -> Any:
    class FullDisk(AbstractedFS):
        """Files that cannot be written any more when the partner says so."""

        def open(self, filename: str, mode: str) -> Any:
            file = super().open(filename, mode)
            write = file.write

            class Writer:
                name = file.name

                def __getattr__(self, name: str) -> Any:
                    return getattr(file, name)

                def write(self, chunk: bytes) -> int:
                    if partner.full_after is not None and partner.received > partner.full_after:
                        raise OSError(errno.ENOSPC, "No space left on device")
                    return int(write(chunk))

            return Writer()

    return FullDisk


class Page(logging.Handler):
    """Collects what the spool logs; show() prints it and starts a new page."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []
        logger = logging.getLogger("librarian.spool")
        logger.addHandler(self)
        logger.setLevel(logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            self.lines += ["Traceback (most recent call last):", "  ...", f"{type(error).__name__}: {error}"]

    def show(self) -> None:
        """Print the page, a traceback shortened to its first and last line."""
        print("\n".join(self.lines))
        self.lines.clear()

    def detach(self) -> None:
        logging.getLogger("librarian.spool").removeHandler(self)


class Scene:
    """A spool, a partner, and a page of log; close() clears all away."""

    def __init__(self, **facts: Any) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="librarian-scene-"))
        self.store = FileStore(self.folder / "spool", SystemClock())
        self.store.prepare()
        self.partner = Partner(**facts)
        self.page = Page()
        self.pauses: list[float] = []  # seconds that runs wanted to sleep

    def spool(self, name: str, data: bytes | str) -> None:
        """Deliver a file to `new`."""
        with self.store.writer(name) as file:
            file.write(data)

    def export(self, **settings: Any) -> None:
        """Export to the partner, and print the log."""
        self._run(export, settings)

    def import_files(self, **settings: Any) -> None:
        """Import from the partner, and print the log."""
        self._run(import_files, settings)

    def waiting(self, space: str = "new") -> list[str]:
        """The names of the files in a space."""
        return [Path(path).name for path in self.store.list(space)]

    def close(self) -> None:
        self.page.detach()
        self.partner.close()
        shutil.rmtree(self.folder)

    def target(self, **settings: Any) -> Target:
        """What an export to the partner needs."""
        usual = {"store_dir": self.store.path, "host": "localhost", "port": self.partner.port}
        return Target(**{**usual, "user": USER, "password": PASSWORD, **settings})

    def _run(self, direction: Any, settings: dict[str, Any]) -> None:
        usual = {"host": "localhost", "port": self.partner.port, "user": USER, "password": PASSWORD}
        direction(self.store.path, **{**usual, "sleep": self.pauses.append, **settings})
        self.page.show()


class PowerFailure(BaseException):
    """What a run that dies cannot catch; here it must, so its handlers are made to do nothing."""


def die_holding_the_lock(scene: Scene) -> None:
    """An export that dies when it has the lock and has sent nothing."""
    _die_before(scene, "_send")


def die_after_the_rename(scene: Scene) -> None:
    """An export that dies when the first file has its final name on the server."""

    def rename(exporter: Exporter, entry: Entry) -> None:
        exporter.session.rename(entry.temp, entry.name)

    _die_before(scene, "_publish", rename)


def _die_before(scene: Scene, step: str, first: Callable[[Any, Any], object] | None = None) -> None:
    class Dying(Exporter):
        def locked(self) -> Any:
            self._release = lambda: None  # type: ignore[method-assign]  # the dead release nothing
            return super().locked()

    def die(self: Any, *arguments: Any, **more: Any) -> None:
        if first is not None:
            first(self, arguments[0])
        raise PowerFailure

    setattr(Dying, step, die)
    try:
        Dying(scene.target(), queryUtility(IClock) or SystemClock()).run()
    except PowerFailure:
        scene.page.lines.clear()

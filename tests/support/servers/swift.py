"""OpenStack Swift with its S3 interface: a real object store on one machine, as plain processes.

What its parts are told is in tools.cluster.storage; here they are killed, frozen and started again.  Its
folder goes away with it.
"""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tools.cluster import storage
from tools.cluster.storage import ACCESS_KEY, PARTS, PROGRAMS, REGION, SECRET_KEY

__all__ = ["ACCESS_KEY", "PARTS", "REGION", "SECRET_KEY", "SwiftServer", "swift", "swift_missing"]

START_SECONDS = 60.0
ATTEMPTS = 5  # to find ports: they are written down before the servers bind them


def swift_missing() -> str | None:
    """Why there can be no server here, or None."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


class SwiftServer:
    """A store that forgets nothing while its parts are killed and started again, until remove().

    With `certificate`, a PEM file with a key and a certificate for 127.0.0.1, it speaks https.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="librarian-swift-"))
        self.ports: dict[str, int] = {}
        self._certificate = certificate
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        """The endpoint to give to clients, such as ``http://127.0.0.1:4711``."""
        return f"{'https' if self._certificate else 'http'}://127.0.0.1:{self.ports['proxy']}"

    @property
    def pids(self) -> dict[str, int]:
        """The processes that run, by part."""
        return {part: process.pid for part, process in self._running.items()}

    def start(self) -> None:
        """Start all parts on ports that are free; after stop(), those that do not run, on theirs."""
        for attempt in range(ATTEMPTS):
            if not self.ports:
                self._settle_ports()
            try:
                self.start_part(*(part for part in PARTS if part not in self._running))
                return
            except RuntimeError:  # another process may have taken a port in between
                self.stop()
                if attempt == ATTEMPTS - 1 or any((self.folder / "d1").iterdir()):
                    raise
                self.ports = {}

    def start_part(self, *parts: str) -> None:
        """Start some of PARTS; each accepts connections then.  Raises RuntimeError with a log."""
        for part in parts:
            assert part not in self._running, f"{part} runs"
            with (self.folder / f"{part}.log").open("ab") as log:
                self._running[part] = subprocess.Popen(
                    self._command(part), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
        for part in parts:
            self._wait_for(part)

    def stop(self, *parts: str) -> None:
        """End some parts, without any all of them, as an orderly shutdown does."""
        self._end(parts or PARTS[::-1], signal.SIGTERM)

    def kill(self, *parts: str) -> None:
        """End some parts, without any all of them, in the middle of what they do."""
        self._end(parts or PARTS[::-1], signal.SIGKILL)

    @contextmanager
    def without(self, *parts: str) -> Iterator[None]:
        """Kill some parts for the length of a `with`."""
        self.kill(*parts)
        try:
            yield
        finally:
            self.start_part(*parts)

    @contextmanager
    def frozen(self, *parts: str) -> Iterator[None]:
        """Stop some parts, without ending them, for the length of a `with`: they accept, and say nothing."""
        processes = [self._running[part] for part in parts]
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                process.send_signal(signal.SIGCONT)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Have no room for another object for the length of a `with`; what is there can be read."""
        self.stop("object")
        self._write_storage("object", reserve="99.99%")
        self.start_part("object")
        try:
            yield
        finally:
            self.stop("object")
            self._write_storage("object")
            self.start_part("object")

    def objects(self) -> list[Path]:
        """The files on the device that hold objects, parts of large ones too, as damage finds them."""
        return sorted((self.folder / "d1" / "objects").rglob("*.data"))

    def settings(self) -> dict[str, str]:
        """What names this server and its user, as environment variables of the AWS clients do."""
        return storage.credentials()

    def make_bucket(self, name: str) -> None:
        """Make a bucket; the name has three letters or more.  One that is there already is no error."""
        storage.make_bucket(self.url, name, verify=self._certificate is None)

    def remove(self) -> None:
        """Delete the folder, and all that was stored."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _settle_ports(self) -> None:
        self.ports = _free_ports(PARTS)
        storage.write_files(self.folder, self.ports, self._certificate)

    def _write_storage(self, name: str, reserve: str = "0") -> None:
        storage.write_server(self.folder, name, self.ports[name], reserve)

    def _command(self, part: str) -> list[str]:
        return storage.command_of(part, self.folder, self.ports[part])

    def _wait_for(self, part: str) -> None:
        end = time.monotonic() + START_SECONDS
        while not _listens(self.ports[part]):
            if self._running[part].poll() is not None or time.monotonic() > end:
                log = (self.folder / f"{part}.log").read_text(errors="replace")
                raise RuntimeError(f"{part} does not listen: {log[-2000:]}")
            time.sleep(0.02)

    def _end(self, parts: tuple[str, ...], how: signal.Signals) -> None:
        ending = [self._running.pop(part) for part in parts if part in self._running]
        for process in ending:
            process.send_signal(how)
            process.send_signal(signal.SIGCONT)
        for process in ending:
            process.wait(30)


@contextmanager
def swift(certificate: Path | None = None) -> Iterator[SwiftServer]:
    """A server while the `with` lasts."""
    server = SwiftServer(certificate)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        server.remove()


def _free_ports(names: tuple[str, ...]) -> dict[str, int]:
    with ExitStack() as taken:
        sockets = [taken.enter_context(socket.create_server(("127.0.0.1", 0))) for _name in names]
        return {name: made.getsockname()[1] for name, made in zip(names, sockets, strict=True)}


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True

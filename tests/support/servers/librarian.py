"""A real server for tests: its own process, its own folder, ports that were free."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import copy
from pathlib import Path
from typing import Any, ClassVar

import urllib3

from librarian.interfaces import LibrarianError
from tests.support.servers.forked import Forked, begin, run
from tests.support.servers.parts import DealtOut, Parts

READY_SECONDS = 60.0  # a machine that builds something else at the same time is slow to start

INI = """\
[app:main]
use = egg:librarian
librarian.site = {site}
librarian.database_uri = {database_uri}
librarian.byte_store = {byte_store}
librarian.endpoint.app.listen = 127.0.0.1:0
librarian.endpoint.public.listen = 127.0.0.1:0
librarian.endpoint.upload.listen = 127.0.0.1:0
librarian.endpoint.restricted.listen = 127.0.0.1:0
librarian.endpoint.restricted-upload.listen = 127.0.0.1:0
{more}
[server:main]
use = egg:librarian#endpoints
workers = {workers}
threads = {threads}
[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys = plain
[logger_root]
level = INFO
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = plain
[formatter_plain]
format = %(levelname)s %(name)s %(message)s
"""

MORE_ENDPOINTS = """\
librarian.endpoint.tracker.listen = 127.0.0.1:0
librarian.endpoint.ops.listen = 127.0.0.1:0
"""


class NotServing(LibrarianError, RuntimeError):
    """The server stopped before it served; the error carries what it printed."""


def checkout_site() -> Path:
    """The configure.zcml at the root of the checkout, which is the site people run."""
    return Path.cwd() / "configure.zcml"


class ServerProcess:
    """``librarian serve`` in a folder of its own; may be killed and started again.

    Where the installation has several nodes there are several such processes with the same ini file, and
    `urls` gives the URLs of each by turns.  What is said of one process, such as `pid`, is of the first.
    """

    #: Of servers that say nothing else; set by layers that run the same tests on another installation.
    parts: ClassVar[Parts] = Parts()

    def __init__(
        self,
        more: str = "",
        environ: Mapping[str, str] | None = None,
        site: Path | None = None,
        *,
        database_uri: str = "",
        byte_store: Path | None = None,
        workers: int | None = None,
        threads: int = 4,
        forked: bool = True,
    ) -> None:
        """`more` are further settings; without `database_uri` and `byte_store` both are in its folder.

        With `forked` it shares the memory of what it was forked from, and starts sooner.
        """
        self._forked = forked
        self.folder = Path(tempfile.mkdtemp(prefix="librarian-server-"))
        self.ini = self.folder / "server.ini"
        if site is None:  # which has more endpoints than a site need have
            more = f"{MORE_ENDPOINTS}{more}"
        self.byte_store = byte_store or self.folder / "bytes"
        values = {
            "site": site or checkout_site(),
            "database_uri": database_uri or self.parts.database_uri(self.folder),
            "byte_store": byte_store or self.parts.byte_store(self.folder),
            "more": f"{more}\n{self.parts.more(self.folder)}",
            "workers": workers or self.parts.workers,
            "threads": threads,
        }
        self.ini.write_text(INI.format(**values))
        self.log = self.folder / "log"
        self.urls: dict[str, str] = {}
        self.admin_password = ""  # told at the first start only
        self.environ = {**os.environ, **self.parts.environ, **(environ or {})}
        self.first_of_commands = ""  # a line of Python that its commands begin with
        self.patience_of_commands = 120.0  # seconds
        self._process: Forked | subprocess.Popen[str] | None = None
        self._others: list[ServerProcess] = []
        self._nodes = 1 if database_uri else self.parts.nodes

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def worker_pids(self) -> list[int]:
        """The ids of its worker processes; empty where it serves alone, and when it has ended by itself."""
        with suppress(FileNotFoundError, ProcessLookupError):
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
            return [int(pid) for pid in children.read_text().split()]
        return []

    def start(self, first: str = "") -> None:
        """Start it and wait until every endpoint accepts connections.  Raises NotServing.

        `first` is a line of Python for its process to begin with.
        """
        self._start(first)
        self._others = [copy(self) for _ in range(self._nodes - 1)]
        for other in self._others:
            other._start(first)
        if self._others:
            self.urls = DealtOut([self.urls, *(other.urls for other in self._others)])

    def _start(self, first: str) -> None:
        reading, writing = os.pipe()
        with self.log.open("a") as log, os.fdopen(writing, "w") as output:
            self._process = begin(
                f"{first}\n{_RUN}",
                "serve",
                str(self.ini),
                output=output,
                errors=log,
                environ=self.environ,
                forked=self._forked,
            )
        self.urls = {}
        self._told = os.fdopen(reading)
        for line in self._told:
            if line.strip() == "ready":
                return
            name, told = line.rsplit(maxsplit=1)
            if name.strip() == "admin password":
                self.admin_password = told
            else:
                self.urls[name.strip()] = told
        self._end(signal.SIGTERM)
        raise NotServing(self.log.read_text()[-4000:])

    def make(self) -> None:
        """Make the library, which no command does, and leave it without a server."""
        self.start()
        self.stop()

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        for other in self._others:
            other.stop()
        self._end(signal.SIGTERM)

    def wait(self) -> int:
        """Wait until the process that was started has ended by itself; its exit status."""
        assert self._process is not None
        return self._process.wait(60)

    def kill(self) -> None:
        """SIGKILL to all its processes: as a power cut would, except that the disk's cache survives."""
        for other in self._others:
            other.kill()
        workers = [] if self._process is None else self.worker_pids
        self._end(signal.SIGKILL)
        for pid in workers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill_parent(self) -> None:
        """SIGKILL to the process that was started, and to none of its workers."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._told.close()
            self._process = None

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.parts.remove(self.folder)

    def command(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the librarian command against this server, in its folder; it cannot ask anything."""
        endpoint_urls = {
            "LIBRARIAN_APP_URL": self.urls.get("app", ""),
            "LIBRARIAN_UPLOAD_URL": self.urls.get("upload", ""),
            "LIBRARIAN_RESTRICTED_UPLOAD_URL": self.urls.get("restricted-upload", ""),
            "LIBRARIAN_INI": str(self.ini),
        }
        code, environ = f"{self.first_of_commands}\n{_RUN}", {**self.environ, **endpoint_urls, **environ}
        return run(code, *arguments, folder=self.folder, environ=environ, timeout=self.patience_of_commands)

    def component(self, program: str) -> str:
        """What a program prints that runs in a process of its own, with this server's library open.

        It finds `library` (the ILibraryFileAliasSet), `transaction` and `BytesIO` as a document does.
        Raises AssertionError with what it said if it fails.
        """
        done = run(_COMPONENT, str(self.ini), program, environ=self.environ)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def request(self, method: str, url: str, **options: Any) -> Any:
        """A urllib3 answer; no retries and no redirections, so that a test sees what is there."""
        return urllib3.PoolManager(retries=False).request(method, url, redirect=False, **options)

    def globs(self) -> dict[str, Any]:
        return {
            "server": self,
            "urls": self.urls,
            "librarian": self._print_command,
            "Path": Path,
            "serving": serving,
        }

    def _print_command(self, line: str) -> None:
        """Run ``librarian <line>`` and print what it says; a failing status is printed last."""
        done = self.command(*line.split())
        print((done.stdout + done.stderr).rstrip())
        if done.returncode:
            print(f"exit status {done.returncode}")


@contextmanager
def serving(site: str = "", workers: int | None = None, **settings: str) -> Iterator[ServerProcess]:
    """Another server for the length of a `with`, whose site is the ZCML text `site`; or the usual one.

    `settings` are further ones: ``audit_log="audit.log"``.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".zcml") as file:
        file.write(site)
        file.flush()
        more = "".join(f"librarian.{name} = {value}\n" for name, value in settings.items())
        server = ServerProcess(more, site=Path(file.name) if site else None, workers=workers)
        server.start()
        try:
            yield server
        finally:
            server.stop()
            server.remove()


_COMPONENT = """
import sys
from io import BytesIO
import transaction
from librarian.commands.common.site import opened_site
with opened_site(sys.argv[1]) as library:
    exec(sys.argv[2])
"""
_RUN = "from librarian.commands.main import main; main()"

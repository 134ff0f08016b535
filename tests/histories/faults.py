"""A library that clients work on, and what may happen to it: kills, new starts, clocks that are moved."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import urllib3

from tests.histories.over_http import Urls
from tests.support.servers.installations import OnPostgres, OnZeo, WithWorkers, installed
from tests.support.servers.librarian import ServerProcess
from tests.support.servers.parts import Parts
from tests.support.servers.postgresql import postgresql, postgresql_missing

# The clock of a process is that of the machine, and as many seconds ahead as a file says.  The workers of a
# server on FileStorage are interpreters of their own, and go by the machine's.
_MOVED = (
    "import datetime, pathlib, librarian.clock; "
    "librarian.clock.NodeClock.own = lambda self, ahead=pathlib.Path({ahead!r}): "
    "datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=float(ahead.read_text()))"
)
LEAP = 3 * 3600  # seconds, longer than a prober's claim
AFTERWARDS = 60  # seconds ahead, so that the clock goes back, but not before anything was made
PATIENT = "librarian.database_patience = 10s\n"


@dataclass(frozen=True)
class Engine:
    """A kind of installation: the parts of one, and why there can be none here."""

    name: str
    parts: Callable[[ExitStack], Parts]
    missing: Callable[[], str | None] = lambda: None


ALONE = Engine("FileStorage alone", lambda _running: Parts())  # one process, which begins with `first`
ENGINES = (
    Engine("FileStorage", lambda _running: WithWorkers()),
    Engine("ZEO", OnZeo),
    Engine("PostgreSQL", lambda running: OnPostgres(running.enter_context(postgresql())), postgresql_missing),
)


class Site:
    """A running library; `first` is the line of Python that its processes begin with."""

    def __init__(self, parts: Parts, folder: Path, first: str) -> None:
        self._parts = parts
        self._ahead = folder / "ahead"
        self.move_clock(0)
        self.first = f"{_MOVED.format(ahead=str(self._ahead))}; {first or 'pass'}"
        self.server = ServerProcess(PATIENT)
        self.server.start(self.first)
        self.token = self._administrators_token()

    def _administrators_token(self) -> str:
        login = urllib3.make_headers(basic_auth=f"admin:{self._password()}")
        url, wanted = f"{self.server.urls['app']}people/admin/+tokens", {"title": "t", "scopes": ["all"]}
        return str(self.server.request("POST", url, headers=login, json=wanted).json()["token"])

    def _password(self) -> str:
        return next(node.admin_password for node in self._processes if node.admin_password)

    @property
    def _processes(self) -> list[ServerProcess]:
        return [self.server, *self.server._others]

    def nodes(self) -> list[Urls]:
        """The URLs of each node's endpoints, as they are now."""
        return [self._urls_of(node) for node in self._processes]

    @staticmethod
    def _urls_of(node: ServerProcess) -> Urls:
        return getattr(node.urls, "_nodes", [node.urls])[0]

    def end(self) -> None:
        """Stop it, and remove its folder."""
        self.server.stop()
        self.server.remove()

    def move_clock(self, ahead: float) -> None:
        """From now on all clocks are so many seconds ahead."""
        draft = self._ahead.with_suffix(".draft")
        draft.write_text(str(ahead))
        draft.rename(self._ahead)

    def kill_process(self) -> None:
        """SIGKILL to a worker, which its parent replaces; or to one of two nodes, which is started anew."""
        if self.server._others:
            other = self.server._others[0]
            other.kill()
            other._start(self.first)
        else:
            with suppress(ProcessLookupError):
                os.kill(self.server.worker_pids[0], signal.SIGKILL)

    def restart_engine(self) -> None:
        """Kill what keeps the tree, and start it again.  On FileStorage that is the server itself."""
        parts = self._parts
        if isinstance(parts, OnZeo):
            (zeo,) = parts._servers.values()
            zeo.stop(signal.SIGKILL)
            zeo.start()
        elif isinstance(parts, OnPostgres):
            parts._postgres.stop("immediate")
            parts._postgres.start()
        else:
            self.server.kill()
            self.server.start(self.first)

    @property
    def engine_is_server(self) -> bool:
        """Whether a client that has the tree open keeps the server from starting."""
        return not isinstance(self._parts, (OnZeo, OnPostgres))


@contextmanager
def running(engine: Engine, folder: Path, first: str = "") -> Iterator[Site]:
    """A library on an engine."""
    with ExitStack() as stack:
        parts = engine.parts(stack)
        with installed(parts):
            site = Site(parts, folder, first)
            try:
                yield site
            finally:
                site.end()

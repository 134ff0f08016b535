"""The server of a run, as `development.ini` has it, and where its clients find it."""

import json
import re
import threading
import time
from contextlib import suppress
from copy import copy
from pathlib import Path
from typing import Any

import urllib3

from tests.soak.ledger import Ledger
from tests.soak.watch import Span, Watch
from tests.support.servers.cutting import CuttingRelay
from tests.support.servers.engines import PATIENT
from tests.support.servers.librarian import NotServing, ServerProcess

START_SECONDS = 120.0  # in which a server must serve again
TRIES_EVERY = 0.5  # seconds, as a service manager tries to start what has ended
COMMAND_SECONDS = 900.0  # a backup copies the tree by small steps beside a busy server
AFTERWARDS = 3.0  # seconds in which a client may still see that the server was away
PIECE = 400_000  # bytes, after which the relay cuts a connection

SETTINGS = """\
librarian.people.failed_logins = {folder}/failed-logins
librarian.access_log = {folder}/log/access.log
librarian.audit_log = {folder}/log/audit.log
librarian.count_downloads_every = 5m
librarian.default_expiry = never
librarian.spool.targets_file = %(__file__)s
"""
#: So that the collector finds garbage within the run: minutes instead of a week and a day.
SOON = (
    "from datetime import timedelta; from librarian.library.upkeep.garbage import steps, sweeping; "
    "steps.WEEK = timedelta(minutes=1); sweeping.DAY = timedelta(minutes=2)"
)
# What says no more than that a command ended, that the database was slow, or that a process which outlived
# a restart has chosen an id that is in use (`librarian.tree.retrying`).  If a client had no answer
# therefore, that counts.
NOISE = (
    "ERROR ZEO.asyncio.server Disconnected",
    "ERROR librarian.tree.engines.watch ",
    "ERROR ZODB.ConflictResolution Unexpected error",
)
_ENTRY = re.compile(r"^(?=(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) )", re.MULTILINE)


def new_server(folder: Path, workers: int) -> ServerProcess:
    """One that is not started yet, and keeps its logs below `folder`."""
    (folder / "log").mkdir(parents=True, exist_ok=True)
    server = ServerProcess(PATIENT + SETTINGS.format(folder=folder), workers=workers, forked=False)
    server.first_of_commands, server.patience_of_commands = SOON, COMMAND_SECONDS
    return server


class World:
    """A server, which is started if it does not run, and what all clients share."""

    def __init__(self, folder: Path, server: ServerProcess) -> None:
        self.folder = folder
        self.server = server
        self.ledger = Ledger()
        self.watch = Watch()
        self.urls = dict(server.urls)
        self.token = ""
        self.is_up = threading.Event()
        self.relay = CuttingRelay("http://127.0.0.1:9/", cut_after=PIECE)
        self.complaints: list[tuple[Span, str]] = []
        self.refused_starts: list[str] = []
        self._log_seen = 0
        self._looked = 0.0

    def __enter__(self) -> "World":
        self.relay.__enter__()
        if not self.urls:
            self.start()
        self._served()
        self.token = self._administrators_token()
        return self

    def __exit__(self, *_error: object) -> None:
        self.relay.__exit__(None, None, None)

    def start(self) -> None:
        """Start it, as a service manager does: again if a command has the tree open at this moment."""
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                self.server.start()
                break
            except NotServing as error:
                self.refused_starts.append(str(error).splitlines()[-1][:200])
                if time.monotonic() > until:
                    raise
                time.sleep(TRIES_EVERY)
        self._served()

    def _served(self) -> None:
        self.urls = dict(self.server.urls)
        self.relay.lead_to(self.urls["upload"])
        self.is_up.set()

    def command(self, *words: str, **environ: str) -> str:
        """What a command complains of; nothing if it ends with 0.

        It begins while the server runs: one that opens the tree's file itself keeps the server from starting.
        """
        self.is_up.wait(START_SECONDS)
        done = self.server.command(*words, **environ)
        return f"{' '.join(words[:2])}: {(done.stdout + done.stderr)[-1500:]}" if done.returncode else ""

    def _administrators_token(self) -> str:
        login = urllib3.make_headers(basic_auth=f"admin:{self.server.admin_password}")
        url, wanted = f"{self.urls['app']}people/admin/+tokens", {"title": "soak", "scopes": ["all"]}
        return str(self.server.request("POST", url, headers=login, json=wanted).json()["token"])

    def at(self, server: ServerProcess) -> "World":
        """The same, with another server that has the same persons: one that was restored."""
        found = copy(self)
        found.server, found.urls = server, dict(server.urls)
        return found

    @property
    def pids(self) -> list[int]:
        """Of all its processes."""
        return [self.server.pid, *self.server.worker_pids]

    def read_log(self) -> None:
        """Note what the server's log complains of since this was called before."""
        with suppress(FileNotFoundError), self.server.log.open(errors="replace") as log:
            log.seek(self._log_seen)
            text = log.read()
            self._log_seen = log.tell()
            span = Span(self._looked, self.watch.now(), "log")
            self.complaints += [(span, line) for line in complaints(text)]
        self._looked = self.watch.now()


def complaints(text: str) -> list[str]:
    """What a part of the log complains of: the first and last line of each error, and of each traceback."""
    found = []
    for entry in _ENTRY.split(text):
        is_error = entry.startswith(("ERROR ", "CRITICAL ")) or "Traceback (most recent call last)" in entry
        if is_error and not entry.startswith(NOISE):
            lines = entry.strip().splitlines()
            found.append(" ... ".join(dict.fromkeys([lines[0], lines[-1]]))[:400])
    return found


def told(answer: Any) -> Any:
    """The JSON of an answer."""
    return json.loads(answer.data)

"""Clients of the tracker: ours, and that of filetracker 2.3.3, unmodified, in a process of its own."""

import gzip
import json
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from subprocess import PIPE
from typing import Any

from librarian.tracker.client import Client as OurClient
from librarian.tracker.client import FileNotFound
from tests.soak.clients.base import Client, HttpClient, digest
from tests.soak.ledger import GONE, Key
from tests.soak.watch import Wrong
from tests.tracker.client.processes import python

PEERS = Path.cwd() / "parts" / "peers"
NAMES = 40  # of a client

THEIRS = """
    import json, sys
    sys.path.insert(0, sys.argv[1])
    from filetracker.client import Client
    for line in sys.stdin:
        url, folder, verb, arguments = json.loads(line)
        client = Client(cache_dir=folder, remote_url=url)
        try:
            print(json.dumps(["done", getattr(client, verb)(*arguments)]), flush=True)
        except Exception as error:
            print(json.dumps(["error", type(error).__name__ + ": " + str(error)]), flush=True)
"""


def missing() -> str | None:
    """Why the client of filetracker cannot be had; None if it is here."""
    return None if (PEERS / "filetracker").is_dir() else "filetracker 2.3.3 is not in parts/peers"


class NotTold(OSError):
    """What the client of filetracker said instead of a result."""


class Tracked(Client):
    """Puts growing versions of names, reads, lists and deletes them."""

    deeds = {"put": 6, "get": 6, "delete": 1, "list": 1}  # noqa: RUF012  # constant
    rate = 0.7

    def begin(self) -> None:
        self.folder = self.world.folder / f"{self.kind}{self.number}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.prefix = f"/{self.kind}{self.number}"
        self.versions: dict[str, int] = {}

    def call(self, verb: str, *arguments: Any) -> Any:
        """The result of a method of the library.  Raises FileNotFound, or what it raises."""
        raise NotImplementedError

    def _name(self) -> str:
        return f"{self.prefix}/name{self.chance.randrange(NAMES)}"

    def put(self) -> None:
        name, data, source = self._name(), self.new_bytes(), self.folder / "source"
        version = self.versions[name] = max(self.versions.get(name, 0) + 1, int(time.time()))
        source.write_bytes(data)
        with self.world.ledger.changing((Key("tracker", name), state_of_version(version, data))):
            held = self.call("put_file", f"{name}@{version}", str(source))
        if held != f"{name}@{version}":
            raise Wrong(f"{name}@{version} was put, and {held} is held")

    def get(self) -> None:
        name, target, begun = self._name(), self.folder / "target", time.monotonic()
        target.unlink(missing_ok=True)
        try:
            held = self.call("get_file", name, str(target))
        except FileNotFound:
            self.expect(Key("tracker", name), begun, GONE)
            return
        found = state_of_version(int(held.rpartition("@")[2]), target.read_bytes())
        self.expect(Key("tracker", name), begun, found)

    def delete(self) -> None:
        name = self._name()
        if version := self.versions.get(name):
            with (
                self.world.ledger.changing((Key("tracker", name), GONE)),
                suppress(FileNotFound),  # it is gone already, which filetracker calls an error
            ):
                self.call("delete_file", f"{name}@{version}")

    def list(self) -> None:
        begun = time.monotonic()
        if not self.versions:
            return  # the folder comes with its first file
        found = set(self.call("list_remote_files", None, self.prefix))
        for number in range(NAMES):
            name = f"{self.prefix}/name{number}"
            states = self.world.ledger.acceptable(Key("tracker", name), begun, time.monotonic())
            if (GONE if f"name{number}" not in found else "there") not in {
                each and "there" for each in states
            }:
                raise Wrong(f"a listing was wrong about {name}")


class Ours(Tracked):
    """librarian.tracker.client."""

    kind = "tracker"

    def call(self, verb: str, *arguments: Any) -> Any:
        client = OurClient(cache_dir=str(self.folder / "cache"), remote_url=self.world.urls["tracker"])
        return getattr(client, verb)(*arguments)


class Theirs(Tracked):
    """filetracker 2.3.3."""

    kind = "filetracker"

    def begin(self) -> None:
        super().begin()
        self.process = python(THEIRS, str(PEERS), stdin=PIPE)

    def end(self) -> None:
        self.process.communicate()

    def call(self, verb: str, *arguments: Any) -> Any:
        assert self.process.stdin is not None and self.process.stdout is not None
        url, folder = self.world.urls["tracker"].rstrip("/"), str(self.folder / "cache")
        self.process.stdin.write(json.dumps([url, folder, verb, arguments]).encode() + b"\n")
        self.process.stdin.flush()
        while not (line := self.process.stdout.readline()).startswith(b"["):
            if not line:
                raise Wrong("the process of filetracker's client has ended")
        outcome, result = json.loads(line)
        if outcome == "done":
            return result
        if "HTTP/404" in result or "404" in result.splitlines()[0]:
            raise FileNotFound(result)
        raise NotTold(result)


def state_of_version(version: int, data: bytes) -> str:
    """The state of a tracker's file."""
    return f"{digest(data)} {version}"


def read_tracked(client: HttpClient, name: str) -> str:
    """The state of a name, over HTTP."""
    answer = client.ask("GET", "tracker", f"/files{name}", 200, 404, decode_content=False)
    if answer.status == 404:
        return GONE
    is_packed = answer.headers.get("Content-Encoding") == "gzip"
    version = int(parsedate_to_datetime(answer.headers["Last-Modified"]).timestamp())
    return state_of_version(version, gzip.decompress(answer.data) if is_packed else answer.data)

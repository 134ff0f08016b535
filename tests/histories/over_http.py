"""Clients of a library over HTTP: the objects that a round works on, and what is done with them.

Each request goes to one node after the other.  A 503 may stand for a commit of which nothing is known, so
the operation counts as unanswered, like one whose connection broke; a refused connection is no operation.
"""

import hashlib
import http.client
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

from tests.histories.history import Answer, NotAsked, Pen, Unanswered
from tests.histories.models import CONFLICT, DONE, NOT_THERE, REFUSED

TIMEOUT = 60.0  # seconds
PAUSE = 0.1  # seconds, after a connection was refused or a 503; its Retry-After asks for more
SIZES = (3, 900, 20_000)  # bytes
NAMES = ("a", "b", "c")  # in a folder of the named tree
STATES = ("ONLINE", "OFFLINE", "QUIESCING")
MISSING = (404, 410)

Urls = Mapping[str, str]  # of the endpoints of a node


class Unexpected(Exception):
    """An answer that no client can make sense of."""


@dataclass(frozen=True)
class Reply:
    """An answer of the server."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)

    def told(self, **answers: Answer) -> Answer:
        """The answer for a status, given as `s200=DONE`.  Raises Unexpected for one that is not given."""
        if f"s{self.status}" not in answers:
            raise Unexpected(f"{self.status} {self.body[:300]!r}")
        return answers[f"s{self.status}"]


class Browser:
    """The connections of one client to all nodes; `token` is an administrator's."""

    def __init__(self, nodes: Callable[[], list[Urls]], token: str = "") -> None:
        self._nodes = nodes
        self._token = token
        self._turn = 0
        self._connections: dict[str, http.client.HTTPConnection] = {}

    def ask(
        self,
        method: str,
        endpoint: str,
        path: str,
        body: Any = None,
        token: str | None = None,
        **headers: str,
    ) -> Reply:
        """The answer of one of the nodes.  ``_`` in the name of a header is ``-``; a dict is sent as JSON."""
        nodes = self._nodes()
        self._turn += 1
        url = nodes[self._turn % len(nodes)].get(endpoint)
        if url is None:
            self._wait_for_server("it is being started")
        place = urlsplit(str(url)).netloc
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if endpoint in ("app", "upload"):
            named["Authorization"] = f"Bearer {token or self._token}"
        if isinstance(body, dict):
            body, named["Content-Type"] = json.dumps(body).encode(), "application/json"
        reply = self._send(place, method, path, body, named)
        if reply.status == 503:
            time.sleep(PAUSE)
            raise Unanswered("503")
        return reply

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections.values():
            connection.close()

    @staticmethod
    def _wait_for_server(why: str) -> NoReturn:
        time.sleep(PAUSE)
        raise NotAsked(why)

    def _send(self, place: str, method: str, path: str, body: Any, headers: dict[str, str]) -> Reply:
        connection = self._connections.get(place)
        if connection is None:
            connection = http.client.HTTPConnection(place, timeout=TIMEOUT)
            try:
                connection.connect()
            except OSError as error:
                self._wait_for_server(str(error))
            self._connections[place] = connection
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        except (OSError, http.client.HTTPException) as error:
            del self._connections[place]
            connection.close()
            raise Unanswered(str(error)) from error


def digest_of(data: bytes) -> str:
    """The first half of the SHA-256 in hex, which is enough to tell contents apart."""
    return hashlib.sha256(data).hexdigest()[:32]


def date_of(version: int) -> str:
    """A version of the tracker as the protocol writes it."""
    return format_datetime(datetime.fromtimestamp(version, UTC))


def next_version(chance: random.Random) -> int:
    """A version of the tracker: mostly a newer one than before."""
    return 1_700_000_000 + int(10 * time.monotonic()) % 100_000_000 + chance.randrange(20)


def new_bytes(chance: random.Random) -> bytes:
    """Contents that no other file has."""
    return chance.randbytes(8) * (chance.choice(SIZES) // 8 + 1)


@dataclass
class Subject:
    """One object that many clients work on."""

    kind: str
    name: str
    facts: dict[str, Any] = field(default_factory=dict)
    shared: list[Any] = field(default_factory=list)  # what one client leaves for another

    def take(self, chance: random.Random) -> Any:
        """Something that another client has left; None if there is nothing.  Each is taken once."""
        try:
            return self.shared.pop(chance.randrange(len(self.shared)))
        except (ValueError, IndexError):
            return None


class Client:
    """Does one operation after the other; there is a method for each kind of object."""

    def __init__(self, browser: Browser, pen: Pen, chance: random.Random) -> None:
        self._browser = browser
        self._pen = pen
        self._chance = chance
        self._number = 0
        self._seen: dict[str, dict[str, str]] = {}  # the names of a folder, when it was read last

    def work_on(self, subject: Subject) -> None:
        """One operation by chance."""
        getattr(self, f"do_{subject.kind}")(subject)

    def _write(self, subject: Subject, ask: Callable[[], Answer], *what: Any) -> Answer | None:
        return self._pen.do(subject.kind, subject.name, what, ask)

    def do_file(self, file: Subject) -> None:
        """Read it, describe it, delete it, bring it back."""
        path, digest = file.facts["path"], file.facts["digest"]
        verb = self._chance.choice(("read", "read", "describe", "delete", "undelete"))
        about = f"/files/{file.name}"

        def read() -> Answer:
            reply = self._browser.ask("GET", "public", path)
            if reply.status in MISSING:
                return NOT_THERE
            return reply.told(s200=("bytes", digest_of(reply.body)))

        def describe() -> Answer:
            told = self._browser.ask("GET", "app", about, Accept="application/json")
            return NOT_THERE if told.told(s200=DONE) and told.json["deleted"] else ("bytes", digest)

        def change() -> Answer:
            return self._browser.ask("POST", "app", f"{about}/+{verb}", {}).told(s200=DONE, s409=CONFLICT)

        if verb in ("read", "describe"):
            self._write(file, read if verb == "read" else describe, "read", digest)
        else:
            self._write(file, change, verb, digest)

    def do_tracker(self, name: Subject) -> None:
        """Read it, put versions, of which some are older than others, delete some."""
        path = f"/files{name.name}"
        version = next_version(self._chance)
        data = new_bytes(self._chance)
        dated = f"{path}?last_modified={quote(date_of(version))}"

        def read() -> Answer:
            reply = self._browser.ask("GET", "tracker", path)
            if reply.status == 404:
                return NOT_THERE
            return reply.told(s200=(_version(reply), digest_of(reply.body)))

        def put() -> Answer:
            reply = self._browser.ask("PUT", "tracker", dated, data)
            return reply.told(s200=DONE) and (_version(reply), reply.headers["SHA256-Checksum"][:32])

        def delete() -> Answer:
            return self._browser.ask("DELETE", "tracker", dated).told(s200=DONE, s404=NOT_THERE)

        verb = self._chance.choice(("read", "read", "put", "put", "delete"))
        if verb == "read":
            self._write(name, read, "read")
        elif verb == "put":
            self._write(name, put, "put", version, digest_of(data))
        else:
            self._write(name, delete, "delete", version)

    def do_link(self, link: Subject) -> None:
        """Use it, each time as another program, or rarely revoke it."""
        digest = link.facts["digest"]
        self._number += 1
        agent = f"client {id(self)} {self._number}"

        def use() -> Answer:
            reply = self._browser.ask(
                "GET", "public", link.facts["target"], Host=link.facts["host"], User_Agent=agent
            )
            return reply.told(s200=("bytes", digest_of(reply.body)), s404=NOT_THERE)

        def revoke() -> Answer:
            path = f"/files/{link.facts['id']}/+revoke"
            return self._browser.ask("POST", "app", path, {"id": link.facts["token"]}).told(
                s200=DONE, s404=DONE
            )

        if self._chance.random() < 0.02:
            self._write(link, revoke, "revoke")
        else:
            self._write(link, use, "use", digest)

    def do_quota(self, person: Subject) -> None:
        """Add files of the person, delete some, ask for the use."""
        size = self._chance.choice((1, 20, 45))
        data = self._chance.randbytes(size)

        def put() -> Answer:
            reply = self._browser.ask("PUT", "upload", "/file", data, token=person.facts["token"])
            answer = reply.told(s201=DONE, s413=REFUSED)
            if answer == DONE:
                person.shared.append((reply.json["id"], size))
            return answer

        def read() -> Answer:
            reply = self._browser.ask(
                "GET", "app", f"/people/{person.name}/+quota", Accept="application/json"
            )
            return reply.told(s200=DONE) and ("used", reply.json["used"]["bytes"])

        verb = self._chance.choice(("put", "put", "delete", "read"))
        taken = person.take(self._chance) if verb == "delete" else None
        if taken is not None:
            path, freed = f"/files/{taken[0]}/+delete", taken[1]
            self._write(
                person, lambda: self._browser.ask("POST", "app", path, {}).told(s200=DONE), "delete", freed
            )
        elif verb == "read":
            self._write(person, read, "read")
        else:
            self._write(person, put, "put", size)

    def do_tree(self, folder: Subject) -> None:
        """List the folder; put, with and without conditions; move and delete names."""
        seen = self._seen.setdefault(folder.name, {})
        name, target = self._chance.sample(NAMES, 2)
        path = f"/tree{folder.name}/{name}"
        data = new_bytes(self._chance)
        condition = self._chance.choice((None, "*", seen.get(name)))

        def read() -> Answer:
            reply = self._browser.ask("GET", "app", f"/tree{folder.name}/", Accept="application/json")
            reply.told(s200=DONE)
            found = sorted((each["name"], each["sha256"][:32]) for each in reply.json["entries"])
            seen.clear()
            seen.update((each["name"], each["sha256"]) for each in reply.json["entries"])
            return ("names", found)

        def put() -> Answer:
            headers = {} if condition is None else _condition(condition)
            reply = self._browser.ask("PUT", "app", path, data, **headers)
            return reply.told(s201=("created",), s200=("replaced",), s412=REFUSED)

        def delete() -> Answer:
            return self._browser.ask("DELETE", "app", path).told(s204=DONE, s404=NOT_THERE)

        def move() -> Answer:
            body = {"move_to": f"{folder.name}/{target}"}
            return self._browser.ask("POST", "app", path, body).told(s201=DONE, s404=NOT_THERE, s409=CONFLICT)

        verb = self._chance.choice(("read", "read", "put", "put", "put", "move", "delete"))
        if verb == "read":
            self._write(folder, read, "read")
        elif verb == "put":
            stated = condition and condition[:32]
            self._write(folder, put, "put", name, digest_of(data), stated)
        elif verb == "delete":
            self._write(folder, delete, "delete", name)
        else:
            self._write(folder, move, "move", name, target)

    def do_machine(self, machine: Subject) -> None:
        """Set its state, or read state and events."""
        path, wanted = f"/machines/{machine.name}", self._chance.choice(STATES)

        def read() -> Answer:
            reply = self._browser.ask("GET", "app", path, Accept="application/json")
            reply.told(s200=DONE)
            return ("events", reply.json["state"], [event["type"] for event in reply.json["events"]])

        def change() -> Answer:
            return self._browser.ask("POST", "app", path, {"state": wanted, "message": "test"}).told(
                s200=DONE, s409=CONFLICT
            )

        if self._chance.random() < 0.4:
            self._write(machine, read, "read")
        else:
            self._write(machine, change, "set", wanted)


def _condition(condition: str) -> dict[str, str]:
    return {"If_None_Match": "*"} if condition == "*" else {"If_Match": f'"{condition}"'}


def _version(reply: Reply) -> int:
    return int(parsedate_to_datetime(reply.headers["Last-Modified"]).timestamp())

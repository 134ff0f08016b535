"""Files by path: the named tree over HTTP."""

import time
from urllib.parse import urlsplit

from tests.soak.clients.base import HttpClient, digest, shown, state_of
from tests.soak.ledger import GONE, Key
from tests.soak.watch import Wrong
from tests.soak.world import told

NAMES = 40  # in the folder of a client
PAGE = 1000  # entries of a listing


class Named(HttpClient):
    """Puts, replaces, moves, deletes and lists names in a folder of its own."""

    kind = "tree"
    rate = 1.0
    deeds = {"put": 8, "get": 6, "move": 2, "delete": 2, "list": 2}  # noqa: RUF012  # constant

    def begin(self) -> None:
        super().begin()
        self.folder = f"/soak{self.number}"
        self.ask("PUT", "app", f"/tree{self.folder}/", 200, 201)

    def _name(self) -> str:
        return f"{self.folder}/name{self.chance.randrange(NAMES)}"

    def put(self) -> None:
        path, data = self._name(), self.new_bytes()
        with self.world.ledger.changing((Key("tree", path), digest(data))):
            self.ask("PUT", "app", f"/tree{path}", 200, 201, body=data)

    def get(self) -> None:
        path, begun = self._name(), time.monotonic()
        self.expect(Key("tree", path), begun, read_named(self, path))

    def move(self) -> None:
        """To another name, which must be free."""
        path, target = self._name(), self._name()
        now = time.monotonic()
        states = self.world.ledger.acceptable(Key("tree", path), now, now)
        if path == target or len(states) != 1:  # what an unanswered request left there is not known
            return
        (state,) = states
        with self.world.ledger.changing((Key("tree", path), GONE), (Key("tree", target), state)) as changes:
            answer = self.ask("POST", "app", f"/tree{path}", 201, 404, 409, json={"move_to": target})
            if answer.status != 201:
                changes.clear()

    def delete(self) -> None:
        path = self._name()
        with self.world.ledger.changing((Key("tree", path), GONE)):
            self.ask("DELETE", "app", f"/tree{path}", 204, 404)

    def list(self) -> None:
        begun = time.monotonic()
        found = listed(self, self.folder)
        for name in range(NAMES):
            path = f"{self.folder}/name{name}"
            self.expect(Key("tree", path), begun, found.pop(path, GONE))
        if found:
            raise Wrong(f"names that were never put: {sorted(found)[:3]}")


def listed(client: HttpClient, folder: str) -> dict[str, str]:
    """Path and state of everything in a folder; nothing, where there is none."""
    answer = client.ask("GET", "app", f"/tree{folder}/?limit={PAGE}", 200, 404)
    entries = told(answer)["entries"] if answer.status == 200 else []
    return {f"{folder}/{each['name']}": each["sha256"] for each in entries}


def read_named(client: HttpClient, path: str) -> str:
    """The state of a path, whose bytes are read where it leads."""
    answer = client.ask("GET", "app", f"/tree{path}", 302, 404, headers={"Accept": "*/*"})
    if answer.status == 404:
        return GONE
    bytes_of = client.ask("GET", "public", urlsplit(answer.headers["Location"]).path, 200, 404, 410)
    state = state_of(bytes_of)
    if state not in (GONE, answer.headers.get("ETag", f'"{state}"').strip('"')):
        raise Wrong(f"{path}: {shown(state)} under another entity tag")
    return state

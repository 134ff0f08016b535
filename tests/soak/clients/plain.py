"""Plain HTTP, as curl and programs use it."""

import socket
import time
from contextlib import closing
from urllib.parse import urlsplit

from tests.server.support import connected
from tests.soak.clients.base import MISSING, HttpClient, digest, state_of
from tests.soak.ledger import GONE, Key
from tests.soak.watch import Wrong
from tests.soak.world import told

RECENT = 100  # files of a client that it downloads again; each takes a place in a server's table


class Plain(HttpClient):
    """Uploads, downloads, ranges, deletions, links, searches and lists."""

    kind = "http"
    rate = 2.5
    deeds = {  # noqa: RUF012  # constant
        "upload": 12,
        "cut_upload": 2,
        "download": 14,
        "range": 5,
        "condition": 4,
        "delete": 4,
        "undelete": 2,
        "link": 3,
        "search": 3,
        "list": 2,
    }

    def begin(self) -> None:
        super().begin()
        self.mine: list[tuple[str, bytes]] = []  # path and the first bytes, which ranges are compared with
        self.deleted: list[tuple[str, bytes]] = []

    def upload(self) -> None:
        path, data = self._put("upload", "public")
        self.mine = [*self.mine[-RECENT:], (path, data)]

    def _put(self, endpoint: str, kind: str) -> tuple[str, bytes]:
        data, begun = self.new_bytes(), time.monotonic()
        answer = told(self.ask("PUT", endpoint, f"/{self.new_name()}", 201, body=data))
        path = urlsplit(answer["url"]).path
        self.world.ledger.add(Key(kind, path), digest(data), begun)
        if (answer["size"], answer["sha256"]) != (len(data), digest(data)):
            raise Wrong(f"{path}: {len(data)} bytes were sent, and {answer['size']} stored, or others")
        return path, data

    def cut_upload(self) -> None:
        """A client that dies in the middle."""
        url = self.world.urls["upload"]
        line, host = f"PUT /{self.new_name()} HTTP/1.1", f"Host: {urlsplit(url).netloc}"
        with closing(connected(url)) as connection:
            head = f"{line}\r\n{host}\r\nContent-Length: 90000\r\n\r\n"
            connection.sendall(head.encode() + bytes(self.chance.randrange(80_000)))
            connection.shutdown(socket.SHUT_RDWR)

    def download(self) -> None:
        if self.mine:
            path, _data = self.chance.choice(self.mine)
            begun = time.monotonic()
            answer = self.ask("GET", "public", path, 200, *MISSING)
            self.expect(Key("public", path), begun, state_of(answer))

    def range(self) -> None:
        if self.mine:
            path, data = self.chance.choice(self.mine)
            first = self.chance.randrange(len(data) + 10)
            last = first + self.chance.choice((0, 100, 100_000))
            wanted = {"Range": f"bytes={first}-{last}"}
            answer = self.ask("GET", "public", path, 206 if first < len(data) else 416, headers=wanted)
            if answer.status == 206 and answer.data != data[first : last + 1]:
                raise Wrong(f"{path} {wanted['Range']}: {len(answer.data)} other bytes")

    def condition(self) -> None:
        if self.mine:
            path, data = self.chance.choice(self.mine)
            unchanged = {"If-None-Match": f'"{digest(data)}"'}
            self.ask(self.chance.choice(("GET", "HEAD")), "public", path, 304, headers=unchanged)

    def delete(self) -> None:
        if self.mine:
            self.deleted.append(self.mine.pop(self.chance.randrange(len(self.mine))))
            path = self.deleted[-1][0]
            with self.world.ledger.changing((Key("public", path), GONE)):
                self.ask("POST", "app", f"{_page(path)}/+delete", 200, json={})
            begun = time.monotonic()
            self.expect(Key("public", path), begun, state_of(self.ask("GET", "public", path, 200, *MISSING)))

    def undelete(self) -> None:
        """Bring one back, unless the collector was there before."""
        if not self.deleted:
            return
        path, data = self.deleted.pop()
        with self.world.ledger.changing((Key("public", path), digest(data))) as changes:
            answer = self.ask("POST", "app", f"{_page(path)}/+undelete", 200, 409, *MISSING, json={})
            if answer.status != 200:
                changes.clear()
        if answer.status == 200:
            self.mine.append((path, data))

    def link(self) -> None:
        """A restricted file, a link for some downloads, and one download too many."""
        path, data = self._put("restricted-upload", "restricted")
        uses = self.chance.randrange(1, 4)
        wanted = {"uses": uses, "lifetime": "24h"}
        made = urlsplit(told(self.ask("POST", "app", f"{_page(path)}/+tokens", 200, 201, json=wanted))["url"])
        self.ask("GET", "public", made.path, *MISSING, 401, 403)  # without the link
        for turn in range(uses + 1):
            person = {"Host": made.netloc, "User-Agent": f"person {self.number} {self.turn} {turn}"}
            answer = self.ask("GET", "public", f"{made.path}?{made.query}", 200, *MISSING, headers=person)
            if state_of(answer) != (digest(data) if turn < uses else GONE):
                raise Wrong(f"download {turn + 1} of {uses} by a link: {answer.status}")

    def search(self) -> None:
        """By digest, which finds every public file that has it."""
        if self.mine:
            path, data = self.chance.choice(self.mine)
            found = self.ask("GET", "public", f"/search?digest={digest(data)}", 200).data.decode().split("\n")
            if path.lstrip("/") not in found:
                raise Wrong(f"a search for the digest of {path} found {found[:3]}")

    def list(self) -> None:
        path = self.chance.choice(("/files?list=all", "/files", "/+search?q=http", "/people"))
        self.ask("GET", "app", path, 200)


def _page(path: str) -> str:
    """The path of a file's page, by that of its bytes."""
    return f"/files/{path.split('/')[1]}"

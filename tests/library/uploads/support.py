"""What the tests of resumable uploads share."""

import base64
import hashlib
from typing import Any

import transaction

from tests.support.servers.in_process import request
from tests.web.support import PeopleInTheWorld

UPLOAD, RESTRICTED, APP = "http://localhost:9090/", "http://localhost:9095/", "http://localhost:6543/"
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}
PART = {"Content-Type": "application/partial-upload"}
DATA = b"one two three"


def base64_of(data: bytes, algorithm: str | None = None) -> str:
    raw = data if algorithm is None else hashlib.new(algorithm, data).digest()
    return base64.b64encode(raw).decode()


def metadata(**values: str) -> str:
    return ",".join(f"{name} {base64_of(value.encode())}" for name, value in values.items())


class UploadsTestCase(PeopleInTheWorld):
    """Requests to the application, under a server that gives the body as a stream."""

    def send(self, method: str, url: str, body: bytes = b"", **headers: str) -> Any:
        return request(method, url, {key.replace("_", "-"): value for key, value in headers.items()}, body)

    def ask(self, method: str, url: str, headers: dict[str, str], body: bytes = b"") -> Any:
        return request(method, url, headers, body)

    def begin(self, length: int = len(DATA), base: str = UPLOAD, **more: str) -> str:
        """The URL of a new tus upload."""
        headers = {**TUS, "Upload-Length": str(length), "Upload-Metadata": metadata(filename="f.txt")}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        answer = self.ask("POST", f"{base}+uploads", headers)
        self.assertEqual(answer.status_int, 201, answer.text)
        found: str = answer.location
        return found

    def piece(self, url: str, offset: int, data: bytes, **more: str) -> Any:
        named = {key.replace("_", "-"): value for key, value in more.items()}
        return self.ask("PATCH", url, {**PIECE, "Upload-Offset": str(offset), **named}, data)

    def offset(self, url: str) -> int:
        return int(self.ask("HEAD", url, TUS).headers["Upload-Offset"])

    def files(self) -> list[tuple[str, int]]:
        """Name and size of every file in the library."""
        transaction.begin()
        aliases = self.world.tree.subtree("library").aliases.values()
        return [(alias.filename, alias.content.filesize) for alias in aliases]

    def status(self, answer: Any) -> int:
        found: int = answer.status_int
        return found

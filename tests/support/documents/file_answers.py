"""How the documents about file responses ask, and how they print what they are answered."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from librarian.web.files.answer import answer_file_request
from librarian.web.files.delivery import render
from librarian.web.files.facts import FileFacts


@dataclass(frozen=True)
class ServedFile:
    """Some bytes and what is known of them, asked as a client of a server would ask."""

    data: bytes
    facts: FileFacts

    def but(self, **changed: Any) -> "ServedFile":
        """The same bytes with other facts."""
        return replace(self, facts=replace(self.facts, **changed))

    def ask(self, request: str, *show: str) -> None:
        """Send a request, print the answer.

        `request` is the method, followed by a header on each further line. Printed are the status, the
        headers named in `show` that are in the answer, and after an empty line the body, if it has one.
        """
        method, *lines = (line.strip() for line in request.strip().splitlines())
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status, headers, body = self.exchange(method, fields)
        print(status)
        for name in show:
            if name in headers:
                print(f"{name}: {headers[name]}")
        if body:
            print("", body.decode().replace("\r\n", "\n"), sep="\n", end="" if body.endswith(b"\n") else "\n")

    def exchange(self, method: str, fields: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer to one request."""
        answer = answer_file_request(method, fields, self.facts)
        return answer.status, dict(answer.headers), sent(render(answer, BytesIO(self.data), {}))


def sent(body: Iterable[bytes]) -> bytes:
    """All that a server would send of a body."""
    try:
        return b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()


def served(data: bytes, filename: str = "shelf.txt", mimetype: str = "text/plain") -> ServedFile:
    """A file of these bytes, last modified when the library opened: noon of the 17th of September 2005."""
    opening = datetime(2005, 9, 17, 12, tzinfo=UTC)
    return ServedFile(
        data, FileFacts(len(data), hashlib.sha256(data).hexdigest(), filename, mimetype, opening)
    )

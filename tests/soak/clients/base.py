"""What every client does: one paced operation after the other, by chance, each noted."""

import hashlib
import random
import threading
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import urllib3

from tests.soak.ledger import GONE, Key
from tests.soak.watch import Unexpected, Wrong
from tests.soak.world import World

TIMEOUT = 60.0  # seconds
MISSING = (404, 410)
SIZES = (1, 10, 1_000, 1_000, 20_000, 20_000, 150_000)  # bytes; 100 KiB and more go another way
LARGE = 3_000_000  # bytes, of one file in fifty


def digest(data: bytes) -> str:
    """The state of a file with these bytes."""
    return hashlib.sha256(data).hexdigest()


class Client:
    """A client that does what `deeds` names, by their weights, `rate` times a second."""

    kind: ClassVar[str]
    deeds: ClassVar[Mapping[str, int]]
    rate: ClassVar[float]
    patience: ClassVar[float] = 30.0  # seconds, of one operation

    def __init__(self, world: World, number: int, seed: str) -> None:
        self.world = world
        self.number = number
        self.chance = random.Random(f"{seed} {self.kind} {number}")  # no secret
        self.turn = 0

    def run(self, ended: threading.Event, share: float) -> None:
        """Operations at `share` of the rate, until `ended`."""
        self.begin()
        try:
            due = time.monotonic()
            while not ended.wait(max(0.0, due - time.monotonic())):
                self.one()
                due = max(due, time.monotonic() - 1.0) + self.chance.uniform(0.5, 1.5) / (self.rate * share)
        finally:
            self.end()

    def begin(self) -> None:
        """What comes before the first operation."""

    def end(self) -> None:
        """What comes after the last one."""

    def one(self) -> None:
        """One operation."""
        self.turn += 1
        deed = self.chance.choices(list(self.deeds), list(self.deeds.values()))[0]
        with self.world.watch.operation(f"{self.kind} {deed}", self.patience):
            getattr(self, deed)()

    def new_bytes(self) -> bytes:
        """Those of a new file, mostly ones that no other has."""
        if self.chance.random() < 0.02:
            return self.chance.randbytes(LARGE)
        if self.chance.random() < 0.1:
            return b"the same in many files\n" * self.chance.randrange(1, 5)
        return self.chance.randbytes(self.chance.choice(SIZES))

    def new_name(self) -> str:
        """Of a file that no other has."""
        return f"{self.kind}-{self.number}-{self.turn}.bin"

    def expect(self, key: Key, begun: float, found: str) -> None:
        """Raise Wrong unless a reading that began then may have found this."""
        acceptable = self.world.ledger.acceptable(key, begun, time.monotonic())
        if found not in acceptable:
            raise Wrong(f"{key.kind} {key.path}: {shown(found)}, not {' or '.join(map(shown, acceptable))}")


def shown(state: str) -> str:
    """A state, as a person reads it."""
    return state[:20] if state else "gone"


class HttpClient(Client):
    """A client over plain HTTP, with a connection for each request as curl has it."""

    def begin(self) -> None:
        self.http = urllib3.PoolManager(retries=False, timeout=TIMEOUT, maxsize=1)

    def end(self) -> None:
        self.http.clear()

    def ask(
        self,
        method: str,
        endpoint: str,
        path: str,
        *allowed: int,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> urllib3.BaseHTTPResponse:
        """The answer, whose status is one of those allowed.  Raises Unexpected."""
        sent = {"Connection": "close", **(headers or {})}
        if endpoint == "app":
            sent = {"Authorization": f"Bearer {self.world.token}", "Accept": "application/json", **sent}
        url = self.world.urls[endpoint].rstrip("/") + path
        answer = self.http.request(method, url, redirect=False, headers=sent, **options)
        if answer.status not in allowed:
            raise Unexpected(answer.status, f"{method} {path} {answer.data[:200]!r}")
        return answer


def state_of(answer: urllib3.BaseHTTPResponse) -> str:
    """What a download has found."""
    return GONE if answer.status in MISSING else digest(answer.data)

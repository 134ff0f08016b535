"""Clients that upload, download, link, delete and use the tracker, and know what they were told."""

import hashlib
import json
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import urllib3

MISSING = (404, 410)
TIMEOUT = 30.0  # seconds
READ_SECONDS = 1800.0  # in which all that was acknowledged has to be read in the end
READERS = 6
LOOKED_AFTER = 3.0  # seconds, of a link that was not there
VERSION = "last_modified=Thu,%2001%20Jan%202026%2000:00:00%20%2B0000"
SIZES = (10, 1_000, 100_000, 1_500_000)  # bytes; the last two are fetched from the store by nginx in slices


@dataclass
class Ledger:
    """What was acknowledged, and what was seen.  Its methods may be called by many threads."""

    files: dict[str, str] = field(default_factory=dict)  # path -> sha256 in hex
    restricted: dict[str, str] = field(default_factory=dict)
    tracked: dict[str, str] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)  # statuses, and errors of connections
    wrong: list[str] = field(default_factory=list)  # other bytes than were put, and missing files
    failures: list[str] = field(default_factory=list)  # answers 5xx but 503 and 507; what never ended
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what: str, status: int, detail: bytes = b"") -> None:
        """An answer came."""
        with self.lock:
            self.seen[f"{status}"] += 1
            if status >= 500 and status not in (503, 507):
                self.failures.append(f"{what} {status} {detail[:200]!r}")

    def note_endless(self, what: str) -> None:
        """Something did not come to its end in the time it had."""
        with self.lock:
            self.failures.append(f"{what} did not end")

    def note_error(self, error: Exception) -> None:
        """No answer came, or no whole one."""
        with self.lock:
            self.seen[type(error).__name__] += 1

    def check(self, what: str, answer: "urllib3.BaseHTTPResponse", sha256: str) -> None:
        """A file that was acknowledged, and not deleted, is read."""
        is_other = answer.status == 200 and hashlib.sha256(answer.data).hexdigest() != sha256
        if is_other or answer.status in MISSING:
            with self.lock:
                self.wrong.append(f"{what} {answer.status}")


@dataclass
class Client:
    """One client, of the endpoints at `urls`; what it does follows from `number` alone."""

    number: int
    urls: dict[str, str]
    password: str
    ledger: Ledger
    turn: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.number)  # no secret
        self.http = urllib3.PoolManager(retries=False, timeout=TIMEOUT)
        self.admin = urllib3.make_headers(basic_auth=f"admin:{self.password}")
        self.mine: dict[str, str] = {}

    def run(self, ended: threading.Event) -> None:
        """One request after the other until `ended`."""
        deeds = [self.upload] * 3 + [self.download] * 4 + [self.link, self.delete, self.track, self.fetch]
        while not ended.is_set():
            self.turn += 1
            try:
                self.random.choice(deeds)()
            except urllib3.exceptions.HTTPError as error:
                self.ledger.note_error(error)
                ended.wait(0.05)

    def ask(self, what: str, method: str, url: str, **options: object) -> "urllib3.BaseHTTPResponse":
        """The answer, which is noted."""
        answer = self.http.request(method, url, redirect=False, **options)  # type: ignore[arg-type]
        self.ledger.note(what, answer.status, answer.data)
        if answer.status == 503:
            time.sleep(0.05)  # as a patient client; the server says a second
        return answer

    def put(self, endpoint: str) -> tuple[str, str, int]:
        """Path, sha256 and id of a new file; the path is empty if it was refused."""
        data = self.random.randbytes(self.random.choice(SIZES))
        answer = self.ask("upload", "PUT", f"{self.urls[endpoint]}{self.number}-{self.turn}.bin", body=data)
        if answer.status != 201:
            return "", "", 0
        told = json.loads(answer.data)
        return urlsplit(told["url"]).path, hashlib.sha256(data).hexdigest(), told["id"]

    def upload(self) -> None:
        path, sha256, _id = self.put("upload")
        if path:
            self.mine[path] = sha256
            with self.ledger.lock:
                self.ledger.files[path] = sha256

    def download(self) -> None:
        if self.mine:
            path = self.random.choice(list(self.mine))
            answer = self.ask("download", "GET", self.urls["public"].rstrip("/") + path)
            self.ledger.check(f"download {path}", answer, self.mine[path])

    def link(self) -> None:
        """A restricted file, a link to it, and a download by the link."""
        path, sha256, number = self.put("restricted-upload")
        if not path:
            return
        with self.ledger.lock:
            self.ledger.restricted[path] = sha256
        made = self.ask(
            *("link", "POST", f"{self.urls['app']}files/{number}/+tokens"),
            fields={"lifetime": "1h"},
            encode_multipart=False,
            headers=self.admin,
        )
        if made.status < 300:
            link = urlsplit(json.loads(made.data)["url"])
            url = f"{self.urls['public'].rstrip('/')}{link.path}?{link.query}"
            answer = self.ask("linked", "GET", url, headers={"Host": link.netloc})
            again = self.asked_again(url, link.netloc) if answer.status in MISSING else ""
            self.ledger.check(f"linked {path}{again}", answer, sha256)

    def asked_again(self, url: str, host: str) -> str:
        """What becomes of a link that was not there: a view that was behind, or one that is lost?"""
        begun, seen = time.monotonic(), list[str]()
        while time.monotonic() < begun + LOOKED_AFTER and "200" not in seen:
            with suppress(urllib3.exceptions.HTTPError):
                answer = self.http.request("GET", url, headers={"Host": host}, redirect=False)
                seen.append(str(answer.status))
            time.sleep(0.05)
        return f" (again for {time.monotonic() - begun:.2f} s: {' '.join(dict.fromkeys(seen))})"

    def delete(self) -> None:
        if not self.mine:
            return
        path = self.random.choice(list(self.mine))
        del self.mine[path]
        with self.ledger.lock:  # from now on it may be there or not
            del self.ledger.files[path]
        self.ask(
            "delete", "POST", f"{self.urls['app']}files/{path.split('/')[1]}/+delete", headers=self.admin
        )

    def track(self) -> None:
        name, data = f"/{self.number}/{self.turn}", self.random.randbytes(2_000)
        url = f"{self.urls['tracker']}files{name}?{VERSION}"
        if self.ask("track", "PUT", url, body=data).status == 200:
            with self.ledger.lock:
                self.ledger.tracked[name] = hashlib.sha256(data).hexdigest()

    def fetch(self) -> None:
        with self.ledger.lock:
            names = list(self.ledger.tracked)
        if names:
            name = self.random.choice(names)
            answer = self.ask("fetch", "GET", f"{self.urls['tracker']}files{name}")
            self.ledger.check(f"fetch {name}", answer, self.ledger.tracked[name])


def lost(ledger: Ledger, node: dict[str, str]) -> list[str]:
    """What was acknowledged and cannot be read, in the end, at the endpoints of one node."""
    http = urllib3.PoolManager(retries=False, timeout=TIMEOUT, maxsize=READERS)
    urls = {f"{node['public'].rstrip('/')}{path}": sha256 for path, sha256 in ledger.files.items()}
    urls |= {f"{node['restricted'].rstrip('/')}{path}": sha256 for path, sha256 in ledger.restricted.items()}
    urls |= {f"{node['tracker']}files{name}": sha256 for name, sha256 in ledger.tracked.items()}
    deadline = time.monotonic() + READ_SECONDS
    with ThreadPoolExecutor(READERS) as readers:
        there = list(readers.map(lambda url: _is_there(http, url, urls[url], deadline), urls))
    late = f" (or not read in {READ_SECONDS:g} s)" if time.monotonic() > deadline else ""
    return [f"{url}{late}" for url, is_there in zip(urls, there, strict=True) if not is_there]


def _is_there(http: urllib3.PoolManager, url: str, sha256: str, deadline: float) -> bool:
    for _turn in range(100):  # a database that was silent for a moment, say, is 503
        if time.monotonic() > deadline:
            break
        with suppress(urllib3.exceptions.HTTPError):
            answer = http.request("GET", url)
            if answer.status != 503:
                return answer.status == 200 and hashlib.sha256(answer.data).hexdigest() == sha256
        time.sleep(0.1)
    return False

"""Concurrent writers of one name, for tests on one server and on several."""

import random
import threading
from email.utils import formatdate, parsedate_to_datetime
from urllib.parse import quote

import urllib3


def content_of(version: int) -> bytes:
    """The content of a version in these tests: it shows whether it is complete."""
    return f"{version:012d}\n".encode() * (1 + version % 4000)


def version_of(answer: urllib3.BaseHTTPResponse) -> int:
    return int(parsedate_to_datetime(answer.headers["Last-Modified"]).timestamp())


class Contest:
    """Writers and readers of one file, under the URLs of all servers, and what they find wrong."""

    def __init__(self, urls: list[str]) -> None:
        self.urls = urls
        self.sent: set[int] = set()
        self.wrong: list[str] = []
        self.over = threading.Event()

    def hold(self, writers: int, turns: int) -> None:
        """Have them all at it, until the last writer has done."""
        writing = [threading.Thread(target=self.write, args=(seed, turns)) for seed in range(writers)]
        readers = [(url, coding) for url in self.urls for coding in ("identity", "gzip")]
        reading = [threading.Thread(target=self.read, args=reader) for reader in readers]
        for thread in (*reading, *writing):
            thread.start()
        for thread in writing:
            thread.join()
        self.over.set()
        for thread in reading:
            thread.join()

    def write(self, seed: int, turns: int) -> None:
        pool, choose = urllib3.PoolManager(), random.Random(seed)
        for turn in range(turns):
            version = choose.randrange(1, 10**9)
            self.sent.add(version)
            url = f"{self.urls[turn % len(self.urls)]}?last_modified={quote(formatdate(version))}"
            answer = pool.request("PUT", url, body=content_of(version), retries=False, timeout=60)
            if answer.status != 200 or version_of(answer) < version:
                self.wrong.append(f"put of {version}: {answer.status} {dict(answer.headers)}")

    def read(self, url: str, coding: str) -> None:
        pool, newest = urllib3.PoolManager(), 0
        while not self.over.is_set():
            answer = pool.request("GET", url, headers={"Accept-Encoding": coding})
            if answer.status == 404 and not newest:
                continue
            version = version_of(answer)
            if answer.data != content_of(version) or version < newest:
                self.wrong.append(f"get: {len(answer.data)} bytes as {version} after {newest}")
            newest = version


def race(urls: list[str], name: str) -> dict[str, int]:
    """Put a file ``name`` and a file below it at the same time; the status of each."""
    statuses: dict[str, int] = {}

    def put(url: str, tail: str) -> None:
        target = f"{url}/files{name}{tail}?last_modified={quote(formatdate(5))}"
        statuses[tail] = urllib3.request("PUT", target, body=b"x", retries=False).status

    racers = ((urls[0], ""), (urls[-1], "/below"))
    threads = [threading.Thread(target=put, args=racer) for racer in racers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses

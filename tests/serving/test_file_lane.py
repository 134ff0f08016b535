"""Files that are answered for in the loop: the same answers, as fresh, and never damaged bytes."""

import gzip
import itertools
import os
import re
import threading
import unittest
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import urllib3

from librarian.serving.http.file_lane import MOST_COMMITS, FileLane
from librarian.serving.http.heads import parse_head
from librarian.tracker.protocol import SMALLEST_PACKED
from librarian.web.files.delivery import READ_AT_ONCE
from librarian.web.files.facts import FileFacts
from tests.server.support import connected, read_to_end, started
from tests.support.layers import Server
from tests.support.servers.librarian import ServerProcess

A, B, C = b"a" * 8, b"b" * 8, b"c" * 8  # ids of objects
KEY = ("8000", "/1/a")
FACTS = FileFacts(3, "0" * 64, "a", "text/plain", datetime(2005, 9, 17, tzinfo=UTC))


class Table(unittest.TestCase):
    """What is kept, and for how long."""

    def setUp(self) -> None:
        unused: Any = None
        self.lane = FileLane(unused, unused, unused, lambda lasting: True)

    def knows(self, key: tuple[str, str] = KEY) -> bool:
        return key in self.lane.known_paths()

    def test_an_offer_is_kept_until_one_of_its_objects_changes(self) -> None:
        for oid in (A, B):
            self.lane.offers(KEY)(FACTS, (A, B))
            self.lane.changed([C])
            self.assertTrue(self.knows())
            self.lane.changed([C, oid])
            self.assertFalse(self.knows())

    def test_an_offer_is_refused_if_an_object_changed_while_it_was_made(self) -> None:
        offer = self.lane.offers(KEY)
        self.lane.changed([C])
        offer(FACTS, (A, B))
        self.assertTrue(self.knows())
        offer = self.lane.offers(KEY)
        self.lane.changed([B])
        self.lane.changed([C])
        offer(FACTS, (A, B))
        self.assertFalse(self.knows())

    def test_an_offer_that_took_longer_than_is_remembered_is_refused(self) -> None:
        offer = self.lane.offers(KEY)
        for _turn in range(MOST_COMMITS + 1):
            self.lane.changed([C])
        offer(FACTS, (A, B))
        self.assertFalse(self.knows())

    def test_when_anything_may_have_changed_nothing_is_known(self) -> None:
        offer = self.lane.offers(KEY)
        self.lane.offers(KEY)(FACTS, (A,))
        self.lane.changed(None)
        self.assertFalse(self.knows())
        offer(FACTS, (A,))
        self.assertFalse(self.knows())

    def test_one_object_behind_several_paths(self) -> None:
        other = ("8000", "/2/b")
        self.lane.offers(KEY)(FACTS, (A, C))
        self.lane.offers(other)(FACTS, (B, C))
        self.lane.changed([A])
        self.assertEqual(self.lane.known_paths(), [other])
        self.lane.changed([C])
        self.assertEqual(self.lane.known_paths(), [])
        self.assertEqual(self.lane.known_objects(), [])

    def test_what_is_not_known_or_no_download_is_not_answered(self) -> None:
        self.lane.offers(KEY)(FACTS, (A,))
        for first in (b"GET /1/b", b"GET /1/a?b", b"PUT /1/a", b"FOO /1/a"):
            head = parse_head(first + b" HTTP/1.1\r\nHost: here\r\n\r\n")
            self.assertIsNone(self.lane.find_answer("8000", head, True))


FIELDS = {
    "Range": ("bytes=0-99", "bytes=5-", "bytes=-7", "bytes=0-1,4-5,-3", "bytes=9999999-", "bytes=x", "a=0-1"),
    "If-Range": ('"{sha256}"', '"other"', "Sat, 17 Sep 2005 12:00:00 GMT"),
    "If-None-Match": ('"{sha256}"', "*", 'W/"{sha256}", "b"', "bad"),
    "If-Match": ('"{sha256}"', '"other"', "*"),
    "If-Modified-Since": ("Sat, 01 Jan 2050 00:00:00 GMT", "Sat, 17 Sep 2005 12:00:00 GMT", "bad"),
    "If-Unmodified-Since": ("Sat, 17 Sep 2005 12:00:00 GMT",),
    "Accept": ("text/html", "*/*"),
    "Accept-Encoding": ("gzip", "identity", "gzip;q=0", "br, gzip;q=0.5, *;q=0.9"),
    "Want-Repr-Digest": ("sha-256=5", "md5=1"),
    "Cookie": ("a=b",),
    "Authorization": ("Basic bad",),
    "X-Forwarded-For": ("192.0.2.1",),
    "Connection": ("close",),
    "Host": ("evil.example", "1.restricted.localhost", "127.0.0.1:1"),
    "Content-Digest": ("bad",),
    "Upload-Complete": ("?0",),
}


class Answers(unittest.TestCase):
    """Each request once to the application, which an empty query makes sure of, and once to the lane."""

    layer = Server

    def put(self, data: bytes, name: str) -> str:
        url: str = Server.server.request("PUT", Server.server.urls["upload"] + name, body=data).json()["url"]
        for _turn in range(2):  # from now on it is known
            self.assertEqual(Server.server.request("GET", url).data, data)
        return url

    def put_tracked(self, data: bytes, name: str, coding: str | None) -> str:
        url = f"{Server.server.urls['tracker']}files/{name}"
        fields = {"Logical-Size": str(len(data)), "SHA256-Checksum": sha256(data).hexdigest()}
        if coding is not None:
            fields["Content-Encoding"] = coding
        body = data if coding is None else gzip.compress(data)
        date = "?last_modified=Sat%2C%2017%20Sep%202005%2012%3A00%3A00%20%2B0000"
        self.assertEqual(Server.server.request("PUT", url + date, body=body, headers=fields).status, 200)
        self.assertEqual(Server.server.request("GET", url).data, data)
        return url

    def ask(self, url: str, query: str, method: str, version: str, fields: list[str]) -> bytes:
        parts = urlsplit(url)
        host = [] if any(field.startswith("Host:") for field in fields) else [f"Host: {parts.netloc}"]
        lines = [f"{method} {parts.path}{query} HTTP/{version}", *host, *fields, "", ""]
        last = ["GET / HTTP/1.1", f"Host: {parts.netloc}", "Connection: close", "", ""]
        with closing(connected(url)) as connection:
            connection.sendall("\r\n".join([*lines, *last]).encode())
            return re.sub(rb"Date: [^\r]*", b"", read_to_end(connection))

    def requests(self, digest: str, pairs: bool) -> list[tuple[str, str, list[str]]]:
        single = [f"{name}: {value}" for name, values in FIELDS.items() for value in values]
        both = [
            [f"{one}: {FIELDS[one][0]}", f"{other}: {value}"]
            for one, other in itertools.combinations(list(FIELDS)[:9], 2)
            for value in FIELDS[other]
        ]
        return [
            (method, version, [field.replace("{sha256}", digest) for field in fields])
            for fields in [[], *([field] for field in single), *(both if pairs else ())]
            for method, version in (("GET", "1.1"), ("HEAD", "1.1"), ("GET", "1.0"))
        ]

    def compare(self, url: str, digest: str, pairs: bool) -> None:
        requests = self.requests(digest, pairs)
        counts = [answered_in_lane(Server.server)]
        by_application = [self.ask(url, "?", *request) for request in requests]
        counts.append(answered_in_lane(Server.server))
        by_lane = [self.ask(url, "", *request) for request in requests]
        counts.append(answered_in_lane(Server.server))
        for request, first, second in zip(requests, by_application, by_lane, strict=True):
            with self.subTest(url=url, request=request):
                self.assertEqual(second, first)
        # Both ways were taken; some requests are for no lane, such as one for another host.
        self.assertEqual(counts[1], counts[0])
        self.assertGreater(counts[2] - counts[1], len(requests) * 3 / 4)

    def test_both_ways_answer_byte_by_byte_alike(self) -> None:
        for size, name in (
            (1000, "a.txt"),
            (70_000, "b.html"),
            (1000, "c.diff.gz"),
            (2_000_000, "d%20e.bin"),
        ):
            data = os.urandom(size)
            url = self.put(data, name)
            if size > READ_AT_ONCE:
                self.wait_until_verified(url)
            self.compare(url, sha256(data).hexdigest(), size <= 1000)

    def test_both_ways_of_the_tracker_answer_alike(self) -> None:
        for size, coding in ((1000, "gzip"), (1000, None), (300_000, "gzip"), (2_000_000, None)):
            self.compare_tracked(os.urandom(size), coding)
        for size in (SMALLEST_PACKED - 1, SMALLEST_PACKED):  # sent plain, and packed as it came
            self.compare_tracked(os.urandom(size // 2).hex().encode().ljust(size), "gzip")

    def compare_tracked(self, data: bytes, coding: str | None) -> None:
        url = self.put_tracked(data, f"alike/{len(data)}-{coding}", coding)
        self.compare(url, sha256(data).hexdigest(), len(data) <= 1000)
        self.compare(f"{url}@1126958400", sha256(data).hexdigest(), False)

    def wait_until_verified(self, url: str) -> None:
        """Until then it may be cached only if it is asked about."""
        while "immutable" not in Server.server.request("GET", url).headers["Cache-Control"]:
            pass


class Fresh(unittest.TestCase):
    def setUp(self) -> None:
        log = Path(self.enterContext(TemporaryDirectory())) / "access.log"
        self.access_log = log
        self.server = started(self, f"librarian.access_log = {log}")

    def put(self, data: bytes) -> str:
        url: str = self.server.request("PUT", self.server.urls["upload"] + "a", body=data).json()["url"]
        for _turn in range(2):
            self.assertEqual(self.server.request("GET", url).status, 200)
        return url

    def test_no_answer_after_a_delete_was_acknowledged(self) -> None:
        """A command deletes in a process of its own, while others ask without pause."""
        url = self.put(b"secret")
        self.assertGreater(answered_in_lane(self.server), 0)
        deleted = threading.Event()
        late: list[int] = []

        def ask() -> None:
            while True:
                over = deleted.is_set()
                status = self.server.request("GET", url).status
                if over:
                    late.append(status)
                    return

        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        number = urlsplit(url).path.split("/")[1]
        command = self.server.command("delete", number)
        self.assertEqual(command.returncode, 0, command.stderr)
        deleted.set()
        for client in clients:
            client.join()
        self.assertEqual(set(late), {404})

    def test_damaged_bytes_are_not_sent(self) -> None:
        data = os.urandom(2000)
        url = self.put(data)
        name = sha256(data).hexdigest()
        path = self.server.byte_store / name[:2] / name[2:4] / name
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        self.assertEqual(self.server.request("GET", url).status, 503)

    def test_it_is_logged_and_counted(self) -> None:
        url = self.put(b"abc")
        before, in_lane = self.counted(), answered_in_lane(self.server)
        agent = {"User-Agent": "seen in the log"}
        self.server.request("GET", url, headers=agent)
        self.server.request("HEAD", url, headers=agent)
        self.server.request("GET", url, headers={**agent, "Range": "bytes=1-"})
        after = self.counted()
        self.assertEqual((after[0] - before[0], after[1] - before[1]), (3, 5))
        self.assertEqual(answered_in_lane(self.server) - in_lane, 3)
        text = self.access_log.read_text()
        lines = [line for line in text.splitlines() if "seen in the log" in line]
        found = [re.findall(r'"(\w+) [^"]*" (\d+) (\d+) ', line)[0] for line in lines]
        self.assertEqual(found, [("GET", "200", "3"), ("HEAD", "200", "0"), ("GET", "206", "2")])

    def counted(self) -> tuple[float, float]:
        """Requests to the public endpoint, and bytes it has sent."""
        text = self.server.request("GET", self.server.urls["ops"] + "metrics").data.decode()
        requests = re.findall(r'librarian_requests_total\{endpoint="public".*?\} (\S+)', text)
        sent = re.findall(r'librarian_sent_bytes_total\{endpoint="public"\} (\S+)', text)
        return sum(map(float, requests)), sum(map(float, sent))


class BehindAFrontEnd(unittest.TestCase):
    """nginx on the same machine, believed on who asks: that is what production.ini has."""

    def setUp(self) -> None:
        self.access_log = Path(self.enterContext(TemporaryDirectory())) / "access.log"
        settings = ("librarian.trusted_proxies = 127.0.0.1", f"librarian.access_log = {self.access_log}")
        self.server = started(self, "\n".join(settings))
        answer = self.server.request("PUT", self.server.urls["upload"] + "a.txt", body=b"abc")
        self.url = answer.json()["url"]
        self.get(self.url, 2)

    def get(self, url: str, times: int = 100) -> int:
        """How often a thread of the server other than the loop's has run meanwhile."""
        before = turns_of_threads(self.server.pid)
        with urllib3.PoolManager(headers={"X-Forwarded-For": "192.0.2.9"}) as pool:
            for _turn in range(times):
                self.assertEqual(pool.request("GET", url).data, b"abc")
        return turns_of_threads(self.server.pid) - before

    def test_files_are_answered_in_the_loop_and_the_log_has_the_client(self) -> None:
        by_application, by_lane = self.get(f"{self.url}?"), self.get(self.url)
        self.assertGreaterEqual(by_application, 100)
        self.assertLess(by_lane, 50)
        lines = self.access_log.read_text().splitlines()
        self.assertEqual({line.split()[0] for line in lines if "GET" in line}, {"192.0.2.9"})
        self.assertEqual(answered_in_lane(self.server), 100 + 1)  # the first was before it was known


def answered_in_lane(server: ServerProcess) -> float:
    """How many requests the lanes of a server's endpoints have answered."""
    text = server.request("GET", server.urls["ops"] + "metrics").data.decode()
    return sum(map(float, re.findall(r"librarian_lane_requests_total\{.*?\} (\S+)", text)))


def turns_of_threads(pid: int) -> int:
    """How often the threads of a process, but for its first, have got a processor (schedstat)."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((each / "schedstat").read_text().split()[2]) for each in threads if each.name != str(pid))

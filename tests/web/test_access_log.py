"""The access log: what is in a line, and what is not."""

import json
import os
import signal
import tempfile
import time
import unittest
from collections.abc import Iterable
from datetime import UTC, datetime
from io import SEEK_CUR, BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO
from unittest.mock import patch

from librarian.library.counts.log_lines import read_line
from librarian.web.access_log import middleware
from librarian.web.access_log.lines import FORMATS, Entry, as_json, combined
from librarian.web.access_log.log_file import LogFile
from librarian.web.access_log.masking import masked
from librarian.web.access_log.middleware import AccessLogged
from tests.support.layers import Server
from tests.support.servers.librarian import ServerProcess

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ENTRY = Entry("192.0.2.1", NOON, "GET", "/7/a.txt", "HTTP/1.1", 200, 9, "", "curl/8", 0.0123)


class Lines(unittest.TestCase):
    def test_combined(self) -> None:
        self.assertEqual(
            combined(ENTRY),
            '192.0.2.1 - - [01/Mar/2026:12:00:00 +0000] "GET /7/a.txt HTTP/1.1" 200 9 "-" "curl/8" 0.012\n',
        )

    def test_json(self) -> None:
        facts = json.loads(as_json(ENTRY._replace(agent='"\n\xe9')))
        self.assertEqual((facts["agent"], facts["seconds"], facts["size"]), ('"\n\xe9', 0.012, 9))
        self.assertEqual(facts["time"], "2026-03-01T12:00:00+00:00")

    def test_line_ends_from_clients_are_escaped(self) -> None:
        evil = 'x" 200 1\n\r\t\\ \x00\x7f\xff\u2028" GET'
        entry = ENTRY._replace(target=f"/7/{evil}", referer=evil, agent=evil)
        for write in FORMATS.values():
            line = write(entry)
            self.assertEqual((line.count("\n"), line[-1], line.isascii()), (1, "\n", True))
            hit = read_line(line.rstrip("\n"))
            assert hit is not None
            self.assertEqual((hit.alias_id, hit.status, hit.size), (7, 200, 9))

    def test_what_another_server_gives(self) -> None:
        handed = ENTRY._replace(status=307, size=0, granted=(206, 1000))
        self.assertTrue(combined(handed).endswith(' 307 0 "-" "curl/8" 0.012 granted=206:1000\n'))
        for write in FORMATS.values():
            hit = read_line(write(handed).rstrip("\n"))
            assert hit is not None
            self.assertEqual((hit.status, hit.size), (206, 1000))
            self.assertIsNone(read_line(write(handed._replace(granted=None)).rstrip("\n")))
        forged = handed._replace(granted=None, agent='" 0.1 granted=200:9', target="/7/a granted=200:9")
        for write in FORMATS.values():
            self.assertIsNone(read_line(write(forged).rstrip("\n")))

    def test_tokens_are_masked(self) -> None:
        for url, shown in (
            ("/7/a?token=abc", "/7/a?token=***"),
            ("/7/a?x=1&token=abc&y=2", "/7/a?x=1&token=***&y=2"),
            ("/7/a?%74oken=abc", "/7/a?%74oken=***"),
            ("/7/a?TOKEN=abc;token=def", "/7/a?TOKEN=***;token=***"),
            ("/7/a?x?token=abc", "/7/a?x?token=***"),
            ("/7/a?csrf_token=a=b", "/7/a?csrf_token=***"),
            ("/7/a?+token+=abc", "/7/a?+token+=***"),
            ("/7/a?x=?token=abc", "/7/a?x=?token=***"),
            ("/7/a?x=?token=ab?c=d", "/7/a?x=?token=***"),
            ("/7/a?x==token=abc", "/7/a?x==token=***"),
            ("/7/a?token%3Dabc", "/7/a?token%3D***"),
            ("/7/a?%2574oke%256e%253dabc&x=1", "/7/a?%2574oke%256e%253d***&x=1"),
            ("/7/a%3Ftoken=abc", "/7/a%3Ftoken=***"),
            ("/7/a%3ftoken%3dabc", "/7/a%3ftoken%3d***"),
            (
                "/+login?next=%2Ffiles%2F7%3Ftoken%3Dabc%26x%3D1&y=2",
                "/+login?next=%2Ffiles%2F7%3Ftoken%3D***&y=2",
            ),
            ("/7/a?t0ken=0123456789bcdfghjklmnpqrstvwxzBC", "/7/a?t0ken=***"),
            ("/7/a?0123456789bcdfghjklmnpqrstvwxzBC", "/7/a?***"),
            ("/7/a;token=abc", "/7/a;token=***"),
            ("/7/0123456789bcdfghjklmnpqrstvwxzBC", "/7/0123456789bcdfghjklmnpqrstvwxzBC"),
            ("/search?digest=" + "0a" * 20, "/search?digest=" + "0a" * 20),
            ("/7/a?tokens=3", "/7/a?tokens=3"),
            ("/7/token=a", "/7/token=a"),
            ("http://h/7/a?token=abc", "http://h/7/a?token=***"),
            ("", ""),
        ):
            self.assertEqual(masked(url), shown)

    def test_masking_is_fast(self) -> None:
        began = time.perf_counter()
        for text in ("?" * 200_000, "&" * 200_000, "?" + "a" * 200_000, "?=" * 100_000, "%" * 200_000):
            masked("?" + text)
        self.assertLess(time.perf_counter() - began, 5)


class Wrapper:
    """A server's file wrapper."""

    def __init__(self, file: BinaryIO, block_size: int = 8192) -> None:
        self.file = file
        self.close = file.close


class Middleware(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "access.log"

    def serve(self, answer: Any, **environ: Any) -> Any:
        """The body that the application's `answer(environ)` becomes."""

        def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            start_response("206 Partial Content", [])
            body: Iterable[bytes] = answer(environ)
            return body

        application.registry = None  # type: ignore[attr-defined]  # as a router has one
        log = LogFile(self.path)
        self.addCleanup(log.close)
        with patch.object(middleware, "getUtility", lambda _interface: SimpleNamespace(now=lambda: NOON)):
            logged = AccessLogged(application, log, combined)
        request = {"REQUEST_METHOD": "GET", "PATH_INFO": "/7/a", "REMOTE_ADDR": "192.0.2.1", **environ}
        return logged(request, lambda *arguments: None)

    def logged(self) -> list[tuple[str, str]]:
        """Status and size in each line."""
        return [tuple(line.split('"')[2].split()) for line in self.path.read_text().splitlines()]  # type: ignore[misc]

    def test_a_body_in_memory(self) -> None:
        self.serve(lambda environ: [b"ab", b"cde"])
        self.assertEqual(self.logged(), [("206", "5")])

    def test_blocks_are_counted_as_they_go(self) -> None:
        body = self.serve(lambda environ: (block for block in (b"ab", b"cde", b"f")))
        blocks = iter(body)
        self.assertEqual([next(blocks), next(blocks)], [b"ab", b"cde"])
        self.assertEqual(self.logged(), [])
        body.close()
        body.close()
        self.assertEqual(self.logged(), [("206", "2")])

    def test_a_wrapped_file_tells_by_its_position(self) -> None:
        for sent in (0, 3, 8):
            file = BytesIO(b"0123456789")
            file.seek(2)
            body = self.serve(
                lambda environ, file=file: environ["wsgi.file_wrapper"](file, 4096),
                **{"wsgi.file_wrapper": Wrapper},
            )
            self.assertIs(type(body), Wrapper)
            body.file.seek(sent, SEEK_CUR)
            body.close()
        self.assertEqual(self.logged(), [("206", "0"), ("206", "3"), ("206", "8")])

    def test_a_file_sent_by_its_descriptor_counts_as_sent(self) -> None:
        with tempfile.TemporaryFile() as file:
            file.write(b"0123456789")
            file.seek(4)
            body = self.serve(
                lambda environ: environ["wsgi.file_wrapper"](file), **{"wsgi.file_wrapper": Wrapper}
            )
            body.file.fileno()
            body.close()
        self.assertEqual(self.logged(), [("206", "6")])

    def test_an_application_that_fails(self) -> None:
        def fail(environ: Any) -> Any:
            raise ValueError

        self.assertRaises(ValueError, self.serve, fail)
        self.assertEqual(self.logged(), [("500", "0")])

    def test_a_server_that_does_not_give_the_request_line(self) -> None:
        environ = {"PATH_INFO": '/7/\xc3\xa9 "?\n', "QUERY_STRING": "token=abc"}
        self.serve(lambda environ: [b""], **environ)
        self.assertIn('"GET /7/%C3%A9%20%22%3F%0A?token=*** "', self.path.read_text())


class Real(unittest.TestCase):
    """The real server, its own log, and the command that counts from it."""

    layer = Server

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.log = Path(folder.name) / "log" / "access.log"
        self.server = ServerProcess(more=f"librarian.access_log = {self.log}\n")
        self.addCleanup(self.server.remove)
        self.server.start()
        self.addCleanup(self.server.stop)

    def add(self, name: str, body: bytes) -> Any:
        return self.server.request("PUT", self.server.urls["upload"] + name, body=body).json()

    def get(self, url: str, **headers: str) -> Any:
        return self.server.request("GET", url, headers=headers)

    def counted(self) -> list[tuple[int, int]]:
        """Lines and downloads of each log, counted beside the running server."""
        logs = sorted(map(str, self.log.parent.iterdir()))
        done = self.server.command("count-downloads", "--json", *logs)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = map(json.loads, done.stdout.splitlines())
        return [(each["lines"], each["downloads"]) for each in found]

    def test_sent_bytes_are_counted(self) -> None:
        size = 3_000_000
        large, small = self.add("a.bin", bytes(size)), self.add("b.txt", b"small")
        self.assertEqual(len(self.get(large["url"]).data), size)
        self.server.request("HEAD", large["url"])
        for span in ("0-999999", "1000000-"):
            self.assertEqual(self.get(f"{large['url']}?token=s3cret", Range=f"bytes={span}").status, 206)
        self.get(small["url"], Referer="http://localhost/?token=s3cret")
        self.get(small["url"] + ".none")
        self.assertEqual(self.counted(), [(8, 3)])
        self.assertNotIn("s3cret", self.log.read_text())
        stats = self.get(f"{self.server.urls['app']}files/{large['id']}/+stats").json()
        self.assertEqual(stats["hits"], 2)

    def test_a_client_that_leaves_is_logged_with_what_it_got(self) -> None:
        size = 200_000_000
        large = self.add("a.bin", bytes(size))
        answer = self.server.request("GET", large["url"], preload_content=False)
        answer.read(1_000_000)
        answer.close()
        until = time.monotonic() + 60
        while self.log.read_text().count("\n") < 2 and time.monotonic() < until:
            time.sleep(0.02)  # until the server's socket tells it
        status, sent = self.log.read_text().splitlines()[-1].split('"')[2].split()
        self.assertEqual(status, "200")
        self.assertGreater(int(sent), 1_000_000)
        self.assertLess(int(sent), size)

    def test_logrotate(self) -> None:
        small = self.add("b.txt", b"small")
        self.get(small["url"])
        self.log.rename(self.log.with_suffix(".1"))
        os.kill(self.server.pid, signal.SIGHUP)
        self.get(small["url"])
        self.get(small["url"])
        self.assertEqual(self.counted(), [(2, 1), (2, 2)])
        self.assertEqual(self.counted(), [(0, 0), (0, 0)])

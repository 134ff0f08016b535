"""A byte that changed on the disk beside a running server, by the way of the loop and by the others."""

import json
import os
import time
import unittest
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.server.support import connected, read_to_end, started
from tests.support.servers.librarian import ServerProcess

SMALL, LARGE = 1000, 3 << 20  # bytes, around what is hashed before it is sent
PATIENCE_SECONDS = 30.0


class Damaged(unittest.TestCase):
    server: ServerProcess

    def put(self, size: int, endpoint: str = "upload") -> dict[str, Any]:
        answer = self.server.request("PUT", f"{self.server.urls[endpoint]}f.bin", body=os.urandom(size))
        return dict(json.loads(answer.data))

    def flip(self, sha256: str, position: int = -1) -> None:
        path = Path(self.server.byte_store) / sha256[:2] / sha256[2:4] / sha256
        data = bytearray(path.read_bytes())
        data[position] ^= 1
        path.write_bytes(data)

    def get(self, told: dict[str, Any], **headers: str) -> Any:
        endpoint = "restricted" if told["restricted"] else "public"
        url = self.server.urls[endpoint].rstrip("/") + urlsplit(told["url"]).path
        return self.server.request("GET", url, headers=headers, preload_content=False)

    def assert_unavailable(self, answer: Any) -> None:
        self.assertEqual(answer.status, 503)
        self.assertNotIn("ETag", answer.headers)
        self.assertNotIn("immutable", answer.headers.get("Cache-Control", ""))
        self.assertNotIn("Accept-Ranges", answer.headers)

    def assert_aside(self, sha256: str) -> None:
        self.assertTrue((Path(self.server.byte_store) / "quarantine" / sha256).is_file())


class Daily(Damaged):
    def setUp(self) -> None:
        self.server = started(self)  # other tests must not meet the damaged files

    def test_a_small_file_is_never_sent_wrong(self) -> None:
        for headers in ({}, {"Range": "bytes=5-9"}):  # by the loop, and by a thread
            for endpoint in ("upload", "restricted-upload"):
                with self.subTest(headers=headers, endpoint=endpoint):
                    told = self.put(SMALL, endpoint)
                    self.assertEqual(self.get(told, **headers).status, 206 if headers else 200)
                    self.flip(told["sha256"])
                    self.assert_unavailable(self.get(told, **headers))
                    self.assert_aside(told["sha256"])

    def test_a_large_one_once(self) -> None:
        told = self.put(LARGE)
        self.flip(told["sha256"], LARGE // 2)
        self.assertEqual(self.get(told).status, 200)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (answer := self.get(told)).status == 200:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        self.assert_unavailable(answer)
        self.assert_aside(told["sha256"])


class Always(Damaged):
    def setUp(self) -> None:
        self.server = started(self, "librarian.verify_reads = always\n")

    def test_the_client_knows(self) -> None:
        sound, told = self.put(LARGE), self.put(LARGE)
        self.assertEqual(len(self.get(sound).read()), LARGE)
        self.flip(told["sha256"])
        with closing(connected(self.server.urls["public"])) as connection:
            path = urlsplit(told["url"]).path
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head, _, body = read_to_end(connection).partition(b"\r\n\r\n")  # it ends, as it is closed
        self.assertIn(f"Content-Length: {LARGE}".encode(), head)
        self.assertLess(len(body), LARGE)
        self.assert_aside(told["sha256"])
        self.assert_unavailable(self.get(told))
        self.assertEqual(self.get(sound, Range="bytes=5-9").status, 206)
        self.assertNotIn("Traceback", self.server.log.read_text())

"""A library on a real object store that loses its tree, and comes back: by a backup that left the bytes in
their bucket, and by one that copied them, whose bytes move into a bucket once more.

It takes three servers and eight commands, as it does all that an operator does on such a day.
"""

import hashlib
import json
import os
import shutil
import unittest
from typing import Any
from urllib.parse import urlsplit

from tests.support.layers import Swift
from tests.support.servers.librarian import ServerProcess

SIZES = (1, 1000, 65_537, 9 << 20)  # bytes; the last in two parts
BUCKET = "lost-and-found"


class Lost(unittest.TestCase):
    layer = Swift

    def server(self, **places: Any) -> ServerProcess:
        server = ServerProcess("librarian.sweep_after = 30d\n", environ=Swift.swift.settings(), **places)
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        server.start()
        return server

    def place(self, server: str, prefix: str) -> str:
        return f"s3://{BUCKET}/{prefix}?endpoint={Swift.swift.url}&folder=var/{server}&part_size=5MiB"

    def put(self, server: ServerProcess, size: int, kind: str) -> tuple[str, str, bytes]:
        """Endpoint and path of a new file, and the digest of its bytes."""
        data = os.urandom(size)
        endpoint = {"public": "upload", "restricted": "restricted-upload"}[kind]
        answer = server.request("PUT", f"{server.urls[endpoint]}{size}.bin", body=data)
        self.assertEqual(answer.status, 201, answer.data)
        return kind, urlsplit(json.loads(answer.data)["url"]).path, hashlib.sha256(data).digest()

    def told(self, server: ServerProcess, *words: object) -> Any:
        done = server.command(*map(str, words))
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout.splitlines()[-1])

    def assert_all(self, server: ServerProcess) -> None:
        for kind, path, digest in self.files:
            answer = server.request("GET", server.urls[kind].rstrip("/") + path)
            self.assertEqual((answer.status, hashlib.sha256(answer.data).digest()), (200, digest))

    def test_all_bytes_come_back(self) -> None:
        Swift.swift.make_bucket(BUCKET)
        first = self.server(byte_store=self.place("first", "one"))
        self.files = [self.put(first, size, kind) for size in SIZES for kind in ("public", "restricted")]
        whole, left = first.folder / "whole", first.folder / "left"
        number = self.told(first, "backup", whole, "--json")["contents"]
        self.assertEqual(self.told(first, "backup", left, "--leave-bytes", "--json")["contents"], number)
        first.stop()
        shutil.rmtree(first.folder / "tree")

        back, copied = first.folder / "back", first.folder / "copied"
        self.assertEqual(self.told(first, "fsck", "--backup", left, "--json")["errors"], 0)
        self.assertEqual(self.told(first, "restore", left, "--to", back, "--json")["contents"], number)
        second = self.server(
            database_uri=f"file://{back}/tree/Data.fs", byte_store=self.place("second", "one")
        )
        self.assert_all(second)
        self.assertEqual(self.told(second, "fsck", "--json")["errors"], 0)
        second.stop()

        self.assertEqual(self.told(first, "restore", whole, "--to", copied, "--json")["contents"], number)
        third = self.server(database_uri=f"file://{copied}/tree/Data.fs", byte_store=f"{copied}/bytes")
        self.assert_all(third)
        moved = self.told(third, "move-bytes", "--to", self.place("third", "two"), "--verify", "--json")
        self.assertEqual((moved["copied"], moved["verified"]), (number, number))

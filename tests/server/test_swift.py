"""A server whose bytes are in a real object store: uploads, downloads, and a move there and back."""

import hashlib
import json
import os
import unittest
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tests.support.layers import Swift
from tests.support.servers.librarian import ServerProcess

MIB = 1 << 20


class OnSwift(unittest.TestCase):
    """`server` begins on the disk; `place` is a bucket of its own."""

    layer = Swift
    server: ClassVar[ServerProcess]
    place: ClassVar[str]

    @classmethod
    def setUpClass(cls) -> None:
        Swift.swift.make_bucket("moving")
        cls.server = ServerProcess(environ=Swift.swift.settings())
        cls.place = f"s3://moving?endpoint={Swift.swift.url}&folder={cls.server.folder}/s3"
        cache = f"librarian.byte_cache = {cls.server.folder}/cache\n"
        cls.server.ini.write_text(
            cls.server.ini.read_text().replace("[server:main]", f"{cache}[server:main]")
        )
        cls.server.start()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.stop()
        cls.server.remove()

    def put(self, data: bytes) -> str:
        """The path of a new public file."""
        answer = self.server.request("PUT", f"{self.server.urls['upload']}f.bin", body=data)
        self.assertEqual(answer.status, 201, answer.data)
        path: str = urlsplit(json.loads(answer.data)["url"]).path
        return path

    def get(self, path: str, **headers: str) -> Any:
        return self.server.request("GET", self.server.urls["public"].rstrip("/") + path, headers=headers)

    def restart(self, place: str, before: str) -> None:
        """Begin anew with other places for the bytes."""
        kept = [
            line
            for line in self.server.ini.read_text().splitlines()
            if not line.startswith("librarian.byte_store")
        ]
        at = kept.index("[server:main]")
        lines = [f"librarian.byte_store = {place}"]
        lines += [f"librarian.byte_store_before = {before}"] if before else []
        self.server.ini.write_text("\n".join([*kept[:at], *lines, *kept[at:]]))
        self.server.stop()
        self.server.start()

    def move(self, *arguments: str) -> dict[str, Any]:
        done = self.server.command("move-bytes", "--json", "--verify", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        moved: dict[str, Any] = json.loads(done.stdout)
        return moved

    def test_bytes_move_there_and_back_while_it_serves(self) -> None:
        disk = str(self.server.byte_store)
        files = {}
        for data in (b"a rose", os.urandom(3 * MIB)):
            files[self.put(data)] = data
        self.assertEqual(self.move("--to", self.place)["copied"], 2)
        files[self.put(b"stored between")] = b"stored between"
        self.restart(self.place, before=disk)
        files[self.put(b"stored there")] = b"stored there"
        self.assert_all(files)
        moved = self.move()
        self.assertEqual((moved["copied"], moved["held"], moved["verified"]), (1, 2, 3))
        self.restart(self.place, before="")
        self.assert_all(files)
        large = os.urandom(40 * MIB)
        path = self.put(large)
        self.assert_range(path, large)
        self.assertEqual(self.move("--to", disk)["copied"], 2)
        self.restart(disk, before="")
        self.assert_all({**files, path: large})

    def assert_all(self, files: dict[str, bytes]) -> None:
        for path, data in files.items():
            answer = self.get(path)
            self.assertEqual(answer.status, 200)
            self.assertEqual(hashlib.sha256(answer.data).digest(), hashlib.sha256(data).digest())

    def assert_range(self, path: str, data: bytes) -> None:
        """A range of a large object is right, and costs a slice."""
        answer = self.get(path, Range="bytes=20000000-20000009")
        self.assertEqual((answer.status, answer.data), (206, data[20_000_000:20_000_010]))
        slices = (self.server.folder / "cache" / "entries").glob("*/*.d/[0-9]*")
        self.assertEqual([each.name for each in slices], ["4"])

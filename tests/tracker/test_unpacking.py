"""Large gzip bodies, unpacked while they come: by pieces of any size, damaged ones, and over a socket."""

import gzip
import hashlib
import random
import unittest
from base64 import b64encode
from typing import Any
from unittest.mock import patch

from librarian.clock import SystemClock
from librarian.store.interfaces import SizeMismatch
from librarian.store.memory import MemoryStore
from librarian.testing import application
from librarian.tracker import uploads
from librarian.tracker.client.interfaces import GzipDamaged, GzipTooLong
from librarian.tracker.interfaces import Declared
from librarian.tracker.unpacking import UnpackedFile, UnpackingReceiving
from tests.support.servers.over_network import OurServer
from tests.support.world import overlay
from tests.tracker.http_case import HttpCase

PLAIN = random.Random(7).randbytes(300_000) + bytes(300_000)  # half of it packs well
PACKED = gzip.compress(PLAIN, 1)


class Receiving(unittest.TestCase):
    def setUp(self) -> None:
        self.store = MemoryStore(SystemClock())

    def receive(
        self,
        packed: bytes,
        piece: int = 1 << 16,
        size: int | None = None,
        limit: int = 1 << 20,
        keeps: bool = True,
    ) -> UnpackedFile:
        receiving = UnpackingReceiving(self.store, Declared(size=size, packed=True), limit, keeps)
        for start in range(0, len(packed), piece):
            receiving.write(packed[start : start + piece])
        found = receiving.finish()
        self.addCleanup(found.discard)
        return found

    def plain(self, found: UnpackedFile) -> bytes:
        assert found.error is None and found.plain is not None, found.error
        with found.plain.open() as file:
            return file.read()

    def test_pieces_of_any_size(self) -> None:
        for piece in (1, 7, 1000, 1 << 16, 1 << 20):
            packed = PACKED if piece > 7 else gzip.compress(b"a small one" * 100)
            found = self.receive(packed, piece)
            self.assertEqual(self.plain(found), gzip.decompress(packed), piece)
            self.assertEqual(found.sha256, hashlib.sha256(packed).hexdigest())
            with found.open() as file:
                self.assertEqual(file.read(), packed)

    def test_members_in_a_row(self) -> None:
        packed = gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two")
        for piece in (1, 5, 1000):
            self.assertEqual(self.plain(self.receive(packed, piece)), b"one two", piece)

    def test_the_packed_form_is_written_where_it_is_wanted(self) -> None:
        found = self.receive(PACKED, keeps=False)
        self.assertEqual(self.plain(found), PLAIN)
        self.assertEqual((found.size, found.md5), (len(PACKED), hashlib.md5(PACKED).hexdigest()))
        self.assertIsNone(found.packed)
        with self.assertRaises(ValueError):
            found.open()

    def test_what_is_wrong_is_told_and_the_rest_is_taken(self) -> None:
        broken = bytearray(PACKED)
        broken[len(broken) // 2] ^= 0xFF
        for packed, options, error in (
            (PACKED[:-1], {}, GzipDamaged),
            (PACKED[: len(PACKED) // 2], {}, GzipDamaged),
            (bytes(broken), {}, GzipDamaged),
            (PACKED + b"more", {}, GzipDamaged),
            (b"", {}, GzipDamaged),
            (b"no gzip at all" * 100_000, {}, GzipDamaged),
            (PACKED, {"limit": len(PLAIN) - 1}, GzipTooLong),
            (PACKED, {"size": len(PLAIN) + 1}, SizeMismatch),
        ):
            found = self.receive(packed, **options)  # type: ignore[arg-type]
            self.assertIsInstance(found.error, error)
            self.assertIsNone(found.plain)
            self.assertEqual(found.size, len(packed))

    def test_a_bomb_is_not_unpacked_beyond_the_limit(self) -> None:
        found = self.receive(gzip.compress(bytes(20 << 20)), limit=1 << 20)
        self.assertIsInstance(found.error, GzipTooLong)
        self.assertEqual(list(self.store), [])

    def test_one_that_is_cut_off(self) -> None:
        receiving = UnpackingReceiving(self.store, Declared(packed=True), 1 << 20, True)
        receiving.write(PACKED[:1000])
        receiving.abort()
        receiving.abort()
        self.assertEqual(list(self.store), [])


class OverHTTP(HttpCase):
    def setUp(self) -> None:
        super().setUp()
        self.plain_app = application._application[0]
        server = OurServer(self.plain_app)
        application.connect(server)
        self.addCleanup(application.connect, self.plain_app)
        self.addCleanup(server.close)
        unpacked = patch.object(uploads, "_keep_unpacked", wraps=uploads._keep_unpacked)
        self.on_the_way = unpacked.start()
        self.addCleanup(unpacked.stop)

    def upload(self, body: bytes = PACKED, name: str = "/a", **headers: str) -> Any:
        return self.put(name, 5, body, Content_Encoding="gzip", **headers)

    def test_a_large_one(self) -> None:
        answer = self.upload(Logical_Size=str(len(PLAIN)))
        self.assertEqual(answer.status_int, 200, answer.text)
        self.assertEqual(answer.headers["SHA256-Checksum"], hashlib.sha256(PLAIN).hexdigest())
        self.assertEqual(self.on_the_way.call_count, 1)
        self.assertEqual(self.get("/a"), PLAIN)
        self.assertEqual(self.get("/a", Accept_Encoding="gzip"), PACKED)

    def test_a_small_one_is_unpacked_by_the_application(self) -> None:
        self.assertEqual(self.upload(gzip.compress(b"small")).status_int, 200)
        self.assertEqual((self.on_the_way.call_count, self.get("/a")), (0, b"small"))

    def test_digests_of_what_was_sent(self) -> None:
        """Also such as are computed from the bytes once more."""
        for name, kind in (("sha-256", "sha256"), ("sha-512", "sha512")):
            for sent, status in ((PACKED, 200), (PACKED[:-1] + b"x", 400)):
                digest = b64encode(hashlib.new(kind, PACKED).digest()).decode()
                answer = self.upload(sent, f"/{kind}{status}", Content_Digest=f"{name}=:{digest}:")
                self.assertEqual(answer.status_int, status, answer.text)

    def test_refusals_are_those_of_the_application(self) -> None:
        """The same status, reason and field, whoever unpacks."""
        broken = PACKED[:-4] + bytes(4)
        for body, headers in (
            (broken, {}),
            (PACKED[:-1], {}),
            (PACKED, {"Logical_Size": str(len(PLAIN) - 1)}),
            (PACKED, {"Logical_Size": str(len(PLAIN) + 1)}),
            (PACKED, {"SHA256_Checksum": "0" * 64}),
        ):
            found = []
            for server in (application._application[0], self.plain_app):
                with patch.object(application, "_application", [server]):
                    answer = self.upload(body, **headers)
                found.append((answer.status_int, answer.text, answer.headers["X-Exception"]))
            self.assertEqual(found[0], found[1])
            self.assertEqual(found[0][0], 400)
        self.assertEqual(self.on_the_way.call_count, 5)

    def test_one_that_is_older_is_not_unpacked(self) -> None:
        self.put("/a", 9, b"newer")
        answer = self.upload()
        self.assertEqual((answer.status_int, answer.last_modified.timestamp()), (200, 9))
        self.assertEqual((self.on_the_way.call_count, self.get("/a")), (0, b"newer"))

    def test_one_that_is_not_permitted_is_not_unpacked(self) -> None:
        with overlay("[librarian.tracker]\nwrite_networks = 192.0.2.0/24"):
            answer = self.upload()
        self.assertIn(answer.status_int, (401, 403))
        self.assertEqual(self.on_the_way.call_count, 0)

"""A remote store against a server and a network that fail."""

import tempfile
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import urllib3

from librarian.tracker.client.interfaces import (
    DamagedTransfer,
    FileChanged,
    FileNotFound,
    ProtocolMismatch,
    RemoteError,
    RemoteUnavailable,
    VersionChanged,
    VersionNotFound,
)
from librarian.tracker.client.stores.remote import RemoteDataStore
from librarian.tracker.client.wire.transport import Transport
from tests.tracker.client.server import Tracker, tracker

DATA = Random(7).randbytes(500_000)


class RemoteCase(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.base = Path(directory.name)
        self.pauses: list[float] = []

    @contextmanager
    def serving(
        self, protocols: list[int] | None = None, modern: bool = True, packed: bool = False
    ) -> Iterator[tuple[Tracker, RemoteDataStore]]:
        with tracker(protocols, modern) as server:
            yield server, self.store(server.url, packed)

    def store(self, url: str, packed: bool = False, token: str | None = None) -> RemoteDataStore:
        transport = Transport(url, token=token, read_seconds=5, sleep=self.pauses.append)
        return RemoteDataStore(url, transport=transport, packed_downloads=packed, clock=lambda: 1000.5)

    def file(self, data: bytes) -> str:
        path = self.base / "source"
        path.write_bytes(data)
        return str(path)

    def read(self, store: RemoteDataStore, name: str) -> bytes:
        stream, _found = store.get_stream(name)
        with stream:
            return stream.read()


class DownloadTests(RemoteCase):
    def test_resumes_by_range(self) -> None:
        with self.serving() as (server, store):
            server.files["/a"] = {5: DATA}
            server.faults = [100_000, "drop", 1, (503, "busy"), 250_000]
            self.assertEqual(self.read(store, "/a"), DATA)
            ranges = [headers.get("Range") for _verb, _path, headers in server.log]
            self.assertEqual(ranges[0], None)
            self.assertEqual(ranges[2], "bytes=100000-")
            self.assertEqual(ranges[-1], "bytes=350001-")
            self.assertTrue(all("version=5" in path for path in server.requests("GET")[1:]))

    def test_resumes_from_the_start_without_ranges(self) -> None:
        for modern, packed in ((False, False), (False, True), (True, True)):
            with self.subTest(modern=modern), self.serving(modern=modern, packed=packed) as (server, store):
                server.files["/a"] = {5: DATA}
                server.faults = [200_000, 300_000, None]
                self.assertEqual(self.read(store, "/a"), DATA)
                self.assertEqual(len(server.log), 3)

    def test_overwritten_meanwhile_with_history(self) -> None:
        with self.serving() as (server, store):
            server.files["/a"] = {5: DATA}
            server.faults = [100_000]
            stream, found = store.get_stream("/a")
            server.files["/a"][6] = b"new"
            with stream:
                self.assertEqual((stream.read(), found), (DATA, "/a@5"))

    def test_overwritten_meanwhile_without_history(self) -> None:
        with self.serving(modern=False) as (server, store):
            server.files["/a"] = {5: DATA}
            server.faults = [100_000]
            stream, _found = store.get_stream("/a")
            server.files["/a"] = {6: b"new"}
            with stream, self.assertRaises(VersionChanged) as caught:
                stream.read()
            self.assertEqual((caught.exception.version, caught.exception.now), (5, 6))

    def test_another_file_under_the_same_version(self) -> None:
        with self.serving() as (server, store):
            server.files["/a"] = {5: DATA}
            server.faults = [100_000]
            stream, _found = store.get_stream("/a")
            server.files["/a"] = {5: DATA[::-1]}
            with stream, self.assertRaises(VersionChanged):
                stream.read()

    def test_wrong_headers(self) -> None:
        for lie in (
            {"SHA256-Checksum": "0" * 64},
            {"Logical-Size": "499999"},
            {"Logical-Size": "500001"},
        ):
            with self.subTest(lie), self.serving() as (server, store):
                server.files["/a"] = {5: DATA}
                server.lie = lie
                out = self.base / "out"
                out.write_bytes(b"before")
                with self.assertRaises((DamagedTransfer, RemoteUnavailable)):
                    store.get_file("/a", str(out))
                self.assertEqual(out.read_bytes(), b"before")
                self.assertEqual(list(self.base.iterdir()), [out])

    def test_a_bomb_is_stopped(self) -> None:
        with self.serving(modern=False) as (server, store):
            server.files["/a"] = {5: bytes(5_000_000)}
            server.lie = {"Logical-Size": "1000"}
            with self.assertRaises(DamagedTransfer):
                self.read(store, "/a")

    def test_gives_up_after_the_last_attempt(self) -> None:
        with self.serving() as (server, store):
            server.files["/a"] = {5: DATA}
            server.faults = [100_000] + ["drop"] * 100
            with self.assertRaises(RemoteUnavailable):
                self.read(store, "/a")
            self.assertLess(len(server.log), 40)
            self.assertTrue(all(0 < pause <= 10 for pause in self.pauses))

    def test_not_found(self) -> None:
        with self.serving() as (server, store):
            server.files["/a"] = {5: b"x"}
            for call in (store.get_stream, store.file_version, store.file_size, store.describe):
                with self.assertRaises(FileNotFound):
                    call("/b")
            self.assertEqual(
                [store.exists(name) for name in ("/a", "/a@5", "/a@4", "/b")], [True, True, False, False]
            )

    def test_another_version(self) -> None:
        with self.serving(modern=False) as (server, store):
            server.files["/a"] = {5: b"x"}
            with self.assertRaises(VersionNotFound) as caught:
                store.get_stream("/a@4")
            self.assertEqual(str(caught.exception), "Version /a@4 not available. Server has 5")
            self.assertFalse(store.exists("/a@4"))

    def test_a_server_of_another_protocol(self) -> None:
        with self.serving() as (server, store):
            server.files["/a"] = {5: b"x"}
            server.lie = {"Last-Modified": "once upon a time"}
            with self.assertRaises(ValueError):
                store.file_version("/a")


class UploadTests(RemoteCase):
    def test_text_is_packed_and_random_bytes_are_not(self) -> None:
        with self.serving() as (server, store):
            for data in (b"text " * 10000, DATA, b"", b"x"):
                store.add_file("/a", self.file(data))
                self.assertEqual(server.files["/a"][max(server.files["/a"])], data)
            coded = [headers.get("Content-Encoding") for verb, _path, headers in server.log if verb == "PUT"]
            self.assertEqual(coded, ["gzip", None, None, None])

    def test_an_upload_is_repeated(self) -> None:
        with self.serving() as (server, store):
            server.faults = [None, "drop", (503, "busy"), "drop"]
            self.assertEqual(store.add_file("/a@5", self.file(DATA)), "/a@5")
            self.assertEqual(server.files["/a"], {5: DATA})
            self.assertEqual(len(self.pauses), 3)

    def test_refusals_are_not_repeated(self) -> None:
        for status in (400, 401, 403, 409, 413, 507):
            with self.subTest(status), self.serving() as (server, store):
                server.faults = [None, (status, "no, for a reason\nand a second line")]
                with self.assertRaises(RemoteError) as caught:
                    store.add_file("/a@5", self.file(b"x"))
                self.assertEqual(str(caught.exception), f"HTTP/{status}: no, for a reason")
                self.assertEqual(self.pauses, [])

    def test_a_reason_in_json(self) -> None:
        with self.serving() as (server, store):
            server.faults = [None, (507, '{"error": "the byte store has no room", "status": 507}')]
            with self.assertRaisesRegex(RemoteError, "^HTTP/507: the byte store has no room$"):
                store.add_file("/a@5", self.file(b"x"))

    def test_no_server_listens(self) -> None:
        with tracker() as server:
            url = server.url
        with self.assertRaises(RemoteUnavailable) as caught:
            self.store(url).file_version("/a")
        self.assertEqual((caught.exception.attempts, len(self.pauses)), (5, 4))

    def test_a_greater_version_stays(self) -> None:
        with self.serving() as (server, store):
            server.files["/a"] = {9: b"newer"}
            self.assertEqual(store.add_file_checked("/a@5", self.file(b"older")), ("/a@9", None))

    def test_without_a_version_it_is_the_newest(self) -> None:
        with self.serving() as (server, store):
            self.assertEqual(store.add_file("/a", self.file(b"1")), "/a@1000")
            self.assertEqual(store.add_file("/a", self.file(b"2")), "/a@1001")
            server.files["/b"] = {5000: b"from a clock that is ahead"}
            self.assertEqual(store.add_file("/b", self.file(b"3")), "/b@5001")

    def test_streams(self) -> None:
        with self.serving() as (server, store), Path(self.file(DATA)).open("rb") as file:
            self.assertEqual(store.add_stream("/a@5", file), "/a@5")
            self.assertEqual(server.files["/a"], {5: DATA})


class ChangingFileTests(RemoteCase):
    """The file changes after it was measured and before it is sent."""

    def storing(self, url: str, path: str, change: bytes | None) -> RemoteDataStore:
        class Changing(Transport):
            def _send(self, method: str, *arguments: Any) -> urllib3.BaseHTTPResponse:
                if method == "PUT":
                    with Path(path).open("r+b") as file:
                        file.truncate(3) if change is None else file.write(file.read() + change)
                return super()._send(method, *arguments)

        return RemoteDataStore(url, transport=Changing(url, sleep=self.pauses.append))

    def test_a_log_that_grows_is_sent_as_it_was(self) -> None:
        with tracker() as server:
            for number, data in enumerate((DATA, b"text " * 10000)):
                store = self.storing(server.url, self.file(data), b"more")
                self.assertEqual(store.add_file(f"/a{number}@5", str(self.base / "source")), f"/a{number}@5")
                self.assertEqual(server.files[f"/a{number}"][5], data)
                self.assertEqual(store.file_version(f"/a{number}"), 5)  # the connection is in step

    def test_a_file_that_became_shorter_is_not_sent(self) -> None:
        with tracker() as server:
            store = self.storing(server.url, self.file(DATA), None)
            with self.assertRaisesRegex(FileChanged, "size is 500000, but 3 were read"):
                store.add_file("/a@5", str(self.base / "source"))
            self.assertEqual((server.files, self.pauses), ({}, []))


class ProtocolTests(RemoteCase):
    def test_version_1(self) -> None:
        with self.serving([1], modern=False) as (server, store):
            self.assertEqual(store.add_file_checked("/a@5", self.file(b"one")), ("/a@5", None))
            self.assertEqual(store.add_file("/a@5", self.file(b"two")), "/a@5")
            self.assertEqual(server.files["/a"], {5: b"one"})
            self.assertEqual(self.read(store, "/a"), b"one")
            for call in (store.list_files, lambda: store.delete_file("/a")):
                with self.assertRaises(ProtocolMismatch):
                    call()

    def test_negotiated_once(self) -> None:
        with self.serving([1, 2, 3]) as (server, store):
            store.add_file("/a", self.file(b"one"))
            store.delete_file("/a")
            self.assertEqual((store.protocol, server.requests("GET")), (2, ["/version/"]))

    def test_no_common_version(self) -> None:
        for protocols in ([3], []):
            with self.subTest(protocols), self.serving([2, *protocols]) as (server, store):
                server.protocols = [number for number in server.protocols if number != 2] or [2]
                server.faults = [(200, '{"protocol_versions": [7]}')]
                with self.assertRaises(ProtocolMismatch):
                    self.assertEqual(store.protocol, None)

    def test_nonsense(self) -> None:
        for answer in ("", "hello", "[]", '{"protocol_versions": null}', '{"protocol_versions": ["x"]}'):
            with self.subTest(answer), self.serving() as (server, store):
                server.faults = [(200, answer)]
                with self.assertRaises(ProtocolMismatch):
                    self.assertEqual(store.protocol, None)

    def test_list_and_delete(self) -> None:
        with self.serving() as (server, store):
            server.files = {"/a/żółć": {5: b"x"}, "/a/b/c": {50: b"xy"}, "/d": {7: b""}}
            self.assertEqual(store.list_names(), ["a/b/c", "a/żółć", "d"])
            self.assertEqual(store.list_names(10, "/a/"), ["żółć"])
            self.assertEqual(store.list_names(None, "a", absolute_paths=True), ["a/b/c", "a/żółć"])
            self.assertEqual(
                [entry.versioned_name for entry in store.list_files()], ["/a/b/c@50", "/a/żółć@5", "/d@7"]
            )
            store.delete_file("/a/b/c@49")
            store.delete_file("/a/żółć")
            store.delete_file("/never/was")
            self.assertEqual(store.list_names(), ["a/b/c", "d"])

    def test_fallback_gets_no_token(self) -> None:
        with self.serving() as (server, _store), tracker() as fallback:
            fallback.files["/a"] = {5: b"over there"}
            server.redirect = fallback.url.replace("127.0.0.1", "localhost")
            store = self.store(server.url, token="secret")
            self.assertEqual(self.read(store, "/a"), b"over there")
            self.assertEqual(store.file_version("/a"), 5)
            self.assertEqual(server.log[0][2]["Authorization"], "Bearer secret")
            self.assertNotIn("secret", str([headers for _verb, _path, headers in fallback.log]))

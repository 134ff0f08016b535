"""What a client serves from its cache, and what it asks the server for."""

import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from librarian.tracker.client import (
    Client,
    FcntlLockManager,
    FileNotFound,
    InvalidName,
    NoOpLockManager,
    RemoteError,
)
from tests.tracker.client.processes import python, statuses
from tests.tracker.client.server import tracker


class ClientCase(unittest.TestCase):
    modern = True

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.base = Path(directory.name)
        serving = tracker(modern=self.modern)
        self.server = serving.__enter__()
        self.addCleanup(serving.__exit__, None, None, None)
        self.client = Client(cache_dir=str(self.base / "cache"), remote_url=self.server.url)

    def file(self, data: bytes) -> str:
        path = self.base / "source"
        path.write_bytes(data)
        return str(path)

    def get(self, name: str, **options: bool) -> bytes:
        out = self.base / "out"
        self.client.get_file(name, str(out), **options)
        return out.read_bytes()

    def gets(self) -> int:
        return len(self.server.requests("GET")) - ("/version/" in self.server.requests("GET"))


class CacheTests(ClientCase):
    def test_a_version_is_fetched_once(self) -> None:
        self.server.files["/a"] = {5: b"five"}
        self.assertEqual([self.get("/a@5") for _ in range(3)], [b"five"] * 3)
        self.assertEqual(self.gets(), 1)
        self.assertEqual(self.get("/a@5", force_refresh=True), b"five")
        self.assertEqual(self.gets(), 2)

    def test_the_server_is_asked_for_the_newest_version(self) -> None:
        self.server.files["/a"] = {5: b"five"}
        self.assertEqual(self.get("/a"), b"five")
        self.server.files["/a"] = {6: b"six"}
        self.assertEqual(self.get("/a"), b"six")
        self.assertEqual(self.get("/a"), b"six")
        self.assertEqual(self.gets(), 2 if self.modern else 3)  # a digest saves the third transfer

    def test_same_version_other_content(self) -> None:
        self.server.files["/a"] = {5: b"five"}
        self.get("/a")
        self.server.files["/a"] = {5: b"FIVE"}
        self.assertEqual(self.get("/a"), b"FIVE")
        self.assertEqual(self.get("/a@5"), b"FIVE")
        self.server.files["/a"] = {5: b"5"}
        self.assertEqual(self.get("/a@5", force_refresh=True), b"5")
        self.assertEqual(self.get("/a@5"), b"5")

    def test_deleted_and_put_again_older(self) -> None:
        self.server.files["/a"] = {50: b"newer"}
        self.get("/a")
        self.server.files["/a"] = {5: b"older"}
        self.assertEqual(self.get("/a"), b"older")
        self.assertEqual(self.client.list_local_files(), [("a", 5.0)])

    def test_without_adding_to_the_cache(self) -> None:
        self.server.files["/a"] = {5: b"five"}
        self.assertEqual(self.get("/a@5", add_to_cache=False), b"five")
        self.assertEqual(self.client.list_local_files(), [])

    def test_put(self) -> None:
        found = self.client.put_file("/a", self.file(b"mine"))
        self.assertEqual((self.get(found), self.gets()), (b"mine", 0))
        self.assertEqual(found, f"/a@{self.client.file_version('/a')}")
        (self.base / "source").write_bytes(b"YOUR")
        self.assertEqual(self.get(found), b"mine")

    def test_put_of_an_older_version_is_not_cached(self) -> None:
        self.server.files["/a"] = {9: b"nine"}
        self.assertEqual(self.client.put_file("/a@5", self.file(b"five")), "/a@9")
        self.assertEqual(self.client.list_local_files(), [])
        self.assertEqual(self.get("/a@9"), b"nine")

    def test_put_over_the_same_version(self) -> None:
        self.client.put_file("/a@5", self.file(b"first"))
        self.client.put_file("/a@5", self.file(b"second"))
        self.assertEqual(self.get("/a@5"), b"second")

    def test_a_refused_put_leaves_the_cache(self) -> None:
        self.client.put_file("/a@5", self.file(b"first"))
        self.server.faults = [(403, "no")]
        with self.assertRaises(RemoteError):
            self.client.put_file("/a@6", self.file(b"second"))
        self.assertEqual((self.get("/a@5"), self.client.list_local_files()), (b"first", [("a", 5.0)]))

    def test_put_to_one_store(self) -> None:
        self.client.put_file("/a@5", self.file(b"here"), to_remote_store=False)
        self.client.put_file("/b@5", self.file(b"there"), to_local_store=False)
        self.assertEqual(self.client.list_local_files(), [("a", 5.0)])
        self.assertEqual(self.client.list_remote_files(), ["b"])
        with self.assertRaises(ValueError):
            self.client.put_file("/c", self.file(b""), to_local_store=False, to_remote_store=False)

    def test_streams(self) -> None:
        self.server.files["/a"] = {5: b"five"}
        for serve_from_cache, cached in ((False, []), (True, [("a", 5.0)])):
            stream, found = self.client.get_stream("/a", serve_from_cache=serve_from_cache)
            with stream:
                self.assertEqual((stream.read(2), stream.read(), found), (b"fi", b"ve", "/a@5"))
            self.assertEqual(self.client.list_local_files(), cached)
        self.server.files["/a"] = {6: b"six"}
        stream, found = self.client.get_stream("/a", serve_from_cache=True)
        with stream:
            self.assertEqual((stream.read(), found), (b"six", "/a@6"))

    def test_delete(self) -> None:
        found = self.client.put_file("/d/a", self.file(b"x"))
        self.client.delete_file("/d/a@5")
        self.assertEqual(self.client.list_remote_files(), ["d/a"])
        self.client.delete_file(found)
        self.assertEqual((self.client.list_local_files(), self.client.list_remote_files()), ([], []))
        with self.assertRaises(FileNotFound):
            self.get("/d/a")
        with self.assertRaises(FileNotFound):
            self.get(found)

    def test_size(self) -> None:
        self.server.files["/a"] = {5: b"five!"}
        self.assertEqual(self.client.file_size("/a"), 5)
        self.get("/a@5")
        del self.server.files["/a"]
        self.assertEqual(self.client.file_size("/a@5"), 5)
        with self.assertRaises(FileNotFound):
            self.client.file_size("/a@5", force_refresh=True)

    def test_a_cache_that_cannot_be_written(self) -> None:
        self.server.files["/a"] = {5: b"five"}
        full = OSError(28, "No space left on device")
        with (
            mock.patch("librarian.tracker.client.stores.local.os.link", side_effect=full),
            mock.patch("librarian.tracker.client.stores.local.copy_hashing", side_effect=full),
            self.assertLogs("librarian.tracker.client.cache", "WARNING"),
        ):
            self.assertEqual(self.get("/a"), b"five")
        self.assertEqual(self.client.list_local_files(), [])

    def test_bad_names_are_not_sent(self) -> None:
        for call in (
            self.client.file_size,
            self.client.file_version,
            self.client.delete_file,
            self.client.get_stream,
        ):
            with self.assertRaises(InvalidName):
                call("/a/../b")
        with self.assertRaises(InvalidName):
            self.client.put_file("a", self.file(b""))
        self.assertEqual(self.server.log, [])

    def test_ten_processes_fetch_a_file_once(self) -> None:
        self.server.files["/a"] = {5: b"x" * 3_000_000}
        script = """
            import sys
            from librarian.tracker.client import Client
            Client(cache_dir=sys.argv[1], remote_url=sys.argv[2]).get_file("/a@5", sys.argv[3])
        """
        outs = [str(self.base / f"out{number}") for number in range(6)]
        arguments = [str(self.base / "cache"), self.server.url]
        processes = [python(script, *arguments, out) for out in outs]
        self.assertEqual(statuses(processes), [0] * 6)
        self.assertEqual({Path(out).read_bytes() for out in outs}, {b"x" * 3_000_000})
        self.assertEqual(self.gets(), 1)


class OriginalServerTests(CacheTests):
    """The same with a server that packs everything, tells no digest and has no history."""

    modern = False


class HistoryTests(ClientCase):
    def test_an_old_version_from_a_server_that_keeps_it(self) -> None:
        self.server.files["/a"] = {5: b"five", 6: b"six"}
        self.assertEqual([self.get("/a"), self.get("/a@5")], [b"six", b"five"])
        with self.assertRaises(FileNotFound):
            self.get("/a@4")


class SetUpTests(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.dir = directory.name

    def client(self, environ: dict[str, str], **arguments: object) -> Client:
        with mock.patch.dict(os.environ, environ, clear=True):
            return Client(**arguments)  # type: ignore[arg-type]

    def test_environment(self) -> None:
        client = self.client(
            {
                "FILETRACKER_DIR": f"{self.dir}/c",
                "FILETRACKER_URL": "http://127.0.0.1:1/",
                "FILETRACKER_LOCKS_DIR": f"{self.dir}/l",
                "FILETRACKER_CACHE_LIMIT": "1000",
            }
        )
        self.assertEqual(getattr(client.local_store, "dir", None), f"{self.dir}/c/files")
        self.assertEqual(getattr(client.remote_store, "base_url", None), "http://127.0.0.1:1")
        self.assertEqual(getattr(client.lock_manager, "dir", None), f"{self.dir}/l")
        self.assertEqual(client.cache_limit, 1000)
        self.assertEqual(getattr(client.local_store, "is_cache", None), True)

    def test_home(self) -> None:
        client = self.client({"HOME": self.dir})
        self.assertEqual(getattr(client.local_store, "dir", None), f"{self.dir}/.filetracker-store/files")
        self.assertIsInstance(client.lock_manager, FcntlLockManager)
        self.assertEqual((client.remote_store, client.list_remote_files()), (None, []))

    def test_arguments_win(self) -> None:
        client = self.client(
            {"FILETRACKER_DIR": "/nowhere", "FILETRACKER_URL": "http://nowhere"},
            cache_dir=f"{self.dir}/x",
            remote_url="http://127.0.0.1:2",
        )
        self.assertEqual(getattr(client.remote_store, "base_url", None), "http://127.0.0.1:2")

    def test_without_a_cache(self) -> None:
        client = self.client({"FILETRACKER_URL": "http://127.0.0.1:1"}, local_store=None, cache_dir="")
        self.assertIsInstance(client.lock_manager, NoOpLockManager)
        self.assertEqual(client.list_local_files(), [])

    def test_without_any_store(self) -> None:
        with self.assertRaises(ValueError):
            self.client({"HOME": self.dir}, local_store=None)

    def test_on_this_machine_alone(self) -> None:
        client = self.client({}, cache_dir=self.dir + "/store")
        source = Path(self.dir, "source")
        source.write_bytes(b"data")
        found = client.put_file("/a/b", str(source))
        self.assertEqual(client.file_version("/a/b"), int(found.split("@")[1]))
        self.assertEqual(client.get_file("/a/b", self.dir + "/out"), found)
        with self.assertRaises(FileNotFound):
            client.get_file("/a/b@1", self.dir + "/out")
        client.delete_file("/a/b")
        for call in (client.get_stream, client.file_size, client.file_version):
            with self.assertRaises(FileNotFound):
                call("/a/b")


class AloneTests(unittest.TestCase):
    def test_needs_neither_zope_nor_zodb_nor_pyramid(self) -> None:
        script = """
            import sys
            class Forbidden:
                names = {"zope", "ZODB", "persistent", "BTrees", "transaction", "pyramid", "webob", "click"}
                def find_spec(self, name, path=None, target=None):
                    if name.split(".")[0] in self.names:
                        raise ImportError(f"{name} is not for the client")
            sys.meta_path.insert(0, Forbidden())
            import librarian.tracker.client
            from librarian.tracker.client.dummy import DummyClient
            ours = sorted(name for name in sys.modules if name.startswith("librarian"))
            print(*(name for name in ours if not name.startswith(("librarian.tracker", "librarian.net"))))
        """
        printed, _errors = python(script).communicate(timeout=60)
        self.assertEqual(printed.decode().split(), ["librarian", "librarian.durable", "librarian.quantities"])

"""Our client and the server of filetracker 2.3.3, where that is installed."""

import os
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from email.utils import formatdate
from pathlib import Path
from unittest import SkipTest
from urllib.parse import quote

import urllib3

from librarian.tracker.client import Client, FileNotFound, ProtocolMismatch, RemoteDataStore, VersionNotFound
from librarian.tracker.client.migration.migrate import migrate
from librarian.tracker.client.migration.mover import Outcome
from librarian.tracker.client.migration.sources import ServerSource
from tests.tracker.client.server import tracker
from tools.runner.left_out import left_out

PROGRAM = Path.cwd() / "parts" / "filetracker-server" / "bin" / "filetracker-server"


class OriginalServerTests(unittest.TestCase):
    url = ""

    @classmethod
    def setUpClass(cls) -> None:
        if not PROGRAM.exists():
            why = "it is not in parts/filetracker-server, where make bench puts it"
            raise SkipTest(left_out("filetracker-server 2.3.3", why))
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        with socket.socket() as probe:  # it has no way to say which free port it took
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        cls.url = f"http://127.0.0.1:{port}"
        environ = {**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
        environ.pop("PYTHONPATH", None)
        command = [str(PROGRAM), "-p", str(port), "-d", f"{directory.name}/s", "-D", "--workers", "2"]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ, start_new_session=True
        )
        cls.addClassCleanup(process.wait)
        cls.addClassCleanup(os.killpg, process.pid, signal.SIGTERM)
        cls.wait_until_it_answers()

    @classmethod
    def wait_until_it_answers(cls) -> None:
        for _attempt in range(200):
            try:
                urllib3.request("GET", f"{cls.url}/version/", retries=False)
            except urllib3.exceptions.HTTPError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError("filetracker-server does not answer")

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.base = Path(directory.name)
        self.client = Client(cache_dir=str(self.base / "cache"), remote_url=f"{self.url}/")
        self.prefix = f"/{self.id().rpartition('.')[2]}"

    def file(self, data: bytes) -> str:
        path = self.base / "source"
        path.write_bytes(data)
        return str(path)

    def test_the_whole_life_of_a_name(self) -> None:
        name, out = f"{self.prefix}/a b", self.base / "out"
        text, noise = b"one line of many\n" * 5000, os.urandom(200_000)
        self.assertEqual(self.client.put_file(f"{name}@5", self.file(text)), f"{name}@5")
        self.assertEqual(self.client.put_file(f"{name}@4", self.file(noise)), f"{name}@5")
        newest = self.client.put_file(name, self.file(noise))
        self.assertEqual(self.client.file_version(name), int(newest.split("@")[1]))
        self.assertEqual(self.client.file_size(name), len(noise))
        self.assertEqual(self.client.get_file(name, str(out)), newest)
        self.assertEqual(out.read_bytes(), noise)
        stream, found = self.client.get_stream(name, force_refresh=True)
        with stream:
            self.assertEqual((stream.read(), found), (noise, newest))
        self.assertEqual(self.client.list_remote_files(subpath=self.prefix), ["a b"])
        with self.assertRaises(VersionNotFound):
            Client(cache_dir=str(self.base / "other"), remote_url=self.url).get_file(f"{name}@5", str(out))
        self.client.delete_file(name)
        with self.assertRaises(FileNotFound):
            self.client.file_version(name)

    def test_empty(self) -> None:
        name = f"{self.prefix}/a"
        store = RemoteDataStore(self.url)
        store.add_file(f"{name}@5", self.file(b""))
        self.assertEqual(store.file_size(name), 0)
        stream, _found = store.get_stream(name)
        with stream:
            self.assertEqual(stream.read(), b"")

    def test_unsupported_calls(self) -> None:
        with self.assertRaises(ProtocolMismatch):
            RemoteDataStore(self.url).history("/a")

    def put_raw(self, path: str) -> None:
        """Put a file whose name our own client would refuse to send; `path` is quoted."""
        query = f"last_modified={quote(formatdate(5))}"
        answer = urllib3.request("PUT", f"{self.url}/files{path}?{query}", body=b"x")
        self.assertEqual(answer.status, 200)

    def test_names_outside_ascii_are_listed_as_they_are(self) -> None:
        names = ["a b", "caf\u00e9", "Ã¼", "ü", "żółć/日本", "\U0001f600"]
        store = RemoteDataStore(self.url)
        for name in names:
            store.add_file(f"{self.prefix}/{name}@5", self.file(name.encode()))
        self.assertEqual(sorted(store.list_names(subpath=self.prefix)), sorted(names))
        self.assertEqual(store.list_names(subpath=f"{self.prefix}/żółć"), ["日本"])

    def test_migrating_from_it(self) -> None:
        """Every name arrives, or is reported."""
        names = ["plain", "ü", "Ã¼", "ż ó/ć", "€", "日本/\U0001f600", "100%", "a?b#c"]
        for name in names:
            RemoteDataStore(self.url).add_file(f"{self.prefix}/{name}@5", self.file(name.encode()))
        for path in ("lat%E9", "with%40sign", "new%0Aline"):
            self.put_raw(f"{self.prefix}/{path}")
        with tracker() as new:
            new.redirect = self.url  # as the guide has it, while clients use both
            source = ServerSource(RemoteDataStore(self.url))
            tally = migrate(source, RemoteDataStore(new.url), below=self.prefix, verify=True)
            self.assertEqual(new.files, {f"{self.prefix}/{name}": {5: name.encode()} for name in names})
        failed = [name.removeprefix(f"{self.prefix}/") for name, _reason in tally.failures]
        self.assertEqual(sorted(failed), ["lat\udce9", "new", "with@sign"])
        self.assertEqual((tally.counts[Outcome.GONE], tally.only_there), (0, []))

"""The tracker on a real server: old clients, many writers, and power cuts."""

import gzip
import http.client
import json
import random
import socket
import tempfile
import threading
import time
import unittest
from email.utils import formatdate
from pathlib import Path
from typing import Any
from unittest import SkipTest
from urllib.parse import quote, urlsplit

import urllib3

from librarian.tracker.client import Client, FileNotFound, RemoteUnavailable
from librarian.tracker.client.stores.remote import RemoteDataStore
from tests.support.layers import Server
from tests.support.servers.librarian import ServerProcess
from tests.tracker.client.processes import python
from tests.tracker.contest import Contest, race, version_of
from tools.runner.left_out import left_out

PEERS = Path.cwd() / "parts" / "peers"


class ServerCase(unittest.TestCase):
    layer = Server

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.base = Path(directory.name)
        self.url = Server.server.urls["tracker"].rstrip("/")
        self.host = urlsplit(self.url).netloc
        self.prefix = f"/{self.id().rpartition('.')[2]}"

    def file(self, data: bytes, name: str = "source") -> str:
        path = self.base / name
        path.write_bytes(data)
        return str(path)

    def date_path(self, name: str, version: int) -> str:
        return f"/files{self.prefix}{name}?last_modified={quote(formatdate(version))}"


class OriginalClientTests(ServerCase):
    """The client of filetracker 2.3.3, unmodified."""

    SCRIPT = """
        import json, os, sys
        sys.path.insert(0, sys.argv[1])
        from filetracker.client import Client, FiletrackerError
        base, url, prefix = sys.argv[2:]
        client = Client(cache_dir=base + "/cache", remote_url=url)
        source, out = base + "/source", base + "/out"
        said = {}
        said["put"] = client.put_file(prefix + "/a@100", source)
        said["older"] = client.put_file(prefix + "/a@50", source, to_local_store=False)
        said["plain"] = client.put_file(prefix + "/b@7", source, compress_hint=False)
        said["version"] = client.file_version(prefix + "/a")
        said["size"] = client.file_size(prefix + "/b")
        said["get"] = client.get_file(prefix + "/a", out)
        said["same"] = open(out, "rb").read() == open(source, "rb").read()
        stream, said["stream"] = client.get_stream(prefix + "/b")
        said["streamed"] = stream.read() == open(source, "rb").read()
        names = ("/a", "/a@100", "/a@50", "/c")
        said["exists"] = [client.remote_store.exists(prefix + name) for name in names]
        said["list"] = sorted(client.list_remote_files(subpath=prefix))
        said["cut"] = client.list_remote_files(10, prefix)
        client.delete_file(prefix + "/a")
        said["deleted"] = client.remote_store.exists(prefix + "/a")
        try:
            client.get_file(prefix + "/a", out)
        except FiletrackerError as error:
            said["error"] = str(error).splitlines()[0]
        client.remote_store.delete_file(prefix + "/b@6")
        said["newer stays"] = client.file_version(prefix + "/b")
        print("\\n" + json.dumps(said))
    """

    def test_all_methods_of_the_client(self) -> None:
        if not (PEERS / "filetracker").is_dir():
            raise SkipTest(
                left_out("the client of filetracker 2.3.3", "it is not in parts/peers; run make test")
            )
        self.file(b"one line of many\n" * 5000)
        process = python(self.SCRIPT, str(PEERS), str(self.base), self.url, self.prefix)
        printed, _errors = process.communicate(timeout=60)
        said: dict[str, Any] = json.loads(printed.splitlines()[-1])
        prefix = self.prefix
        self.assertEqual(
            said,
            {
                "put": f"{prefix}/a@100",
                "older": f"{prefix}/a@100",
                "plain": f"{prefix}/b@7",
                "version": 100,
                "size": 85000,
                "get": f"{prefix}/a@100",
                "same": True,
                "stream": f"{prefix}/b@7",
                "streamed": True,
                "exists": [True, True, False, False],
                "list": ["a", "b"],
                "cut": ["b"],
                "deleted": False,
                "error": f"HTTP/404: there is no file {prefix}/a",
                "newer stays": 7,
            },
        )

    def test_requests_of_filetracker_1(self) -> None:
        """Plain bytes, the version in a header, no word of gzip."""
        connection = http.client.HTTPConnection(self.host, timeout=10)
        self.addCleanup(connection.close)
        path = f"/files{self.prefix}/a"

        def ask(method: str, body: bytes | None = None, **headers: str) -> tuple[int, str | None, bytes]:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            self.assertIsNone(answer.headers["Content-Encoding"])
            return answer.status, answer.headers["Last-Modified"], answer.read()

        date, later = formatdate(100, usegmt=True), formatdate(200, usegmt=True)
        self.assertEqual(ask("PUT", b"one", Last_Modified=formatdate(100)), (200, date, b""))
        self.assertEqual(ask("PUT", b"two", Last_Modified=formatdate(100)), (200, date, b""))
        self.assertEqual(ask("GET"), (200, date, b"one"))
        self.assertEqual(ask("PUT", b"three", Last_Modified=formatdate(200)), (200, later, b""))
        self.assertEqual(ask("HEAD"), (200, later, b""))
        self.assertEqual(ask("GET"), (200, later, b"three"))
        self.assertEqual(ask("DELETE", Last_Modified=formatdate(200))[0], 200)
        self.assertEqual(ask("GET")[0], 404)


class WireTests(ServerCase):
    """What arrives in pieces, late, or not at all."""

    def exchange(self, *pieces: bytes, shut: bool = False) -> bytes:
        host, port = self.host.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            for piece in pieces:
                connection.sendall(piece)
            if shut:
                connection.shutdown(socket.SHUT_WR)
            found = b""
            try:
                while block := connection.recv(65536):
                    found += block
            except ConnectionResetError:
                pass
            return found

    def head(self, method: str, path: str, *fields: str) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *fields]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def get(self, name: str) -> tuple[int, bytes]:
        answer = urllib3.request("GET", f"{self.url}/files{self.prefix}{name}")
        return answer.status, answer.data

    def test_chunked(self) -> None:
        head = self.head("PUT", self.date_path("/a", 5), "Transfer-Encoding: chunked")
        answer = self.exchange(head, b"5\r\nhello\r\n", b"6\r\n world\r\n0\r\n\r\n")
        self.assertIn(b" 200 ", answer.split(b"\r\n")[0])
        self.assertEqual(self.get("/a"), (200, b"hello world"))

    def test_expect_continue(self) -> None:
        host, port = self.host.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            fields = ("Content-Length: 5", "Expect: 100-continue")
            connection.sendall(self.head("PUT", self.date_path("/a", 5), *fields))
            self.assertIn(b" 100 ", connection.recv(1000))
            connection.sendall(b"hello")
            self.assertIn(b" 200 ", connection.recv(1000))
        self.assertEqual(self.get("/a"), (200, b"hello"))

    def test_empty(self) -> None:
        answer = self.exchange(self.head("PUT", self.date_path("/a", 5), "Content-Length: 0"))
        self.assertIn(b" 200 ", answer.split(b"\r\n")[0])
        self.assertEqual(self.get("/a"), (200, b""))

    def test_a_client_that_leaves(self) -> None:
        packed = gzip.compress(random.Random(1).randbytes(5000))
        for fields, body in (
            (("Content-Length: 100",), b"only this"),
            (("Transfer-Encoding: chunked",), b"5\r\nhello\r\n"),
            ((f"Content-Length: {len(packed)}", "Content-Encoding: gzip"), packed[:-100]),
        ):
            with self.subTest(fields):
                self.exchange(self.head("PUT", self.date_path("/a", 5), *fields), body, shut=True)
                self.assertEqual(self.get("/a")[0], 404)

    def test_an_interrupted_download_resumes(self) -> None:
        data = random.Random(2).randbytes(3_000_000)
        store = RemoteDataStore(self.url)
        store.add_file(f"{self.prefix}/a@5", self.file(data))
        stream, _found = store.get_stream(f"{self.prefix}/a")
        with stream:
            begun = stream.read(1000)
            raw: Any = stream.raw  # type: ignore[attr-defined]  # a BufferedReader over a Download
            raw._response.close()  # as a broken line would
            store.add_file(f"{self.prefix}/a@6", self.file(b"overwritten meanwhile"))
            self.assertEqual(begun + stream.read(), data)


class ManyWritersTests(ServerCase):
    def test_twenty_writers_beside_readers(self) -> None:
        path = f"{self.prefix}/a"
        contest = Contest([f"{self.url}/files{path}"])
        contest.hold(writers=20, turns=8)
        self.assertEqual(contest.wrong, [])
        self.assertEqual(RemoteDataStore(self.url).file_version(path), max(contest.sent))

    def test_a_file_and_a_directory_race_for_a_name(self) -> None:
        """Whichever wins, the loser is told so, and the tree has not both."""
        for turn in range(10):
            statuses = race([self.url], f"{self.prefix}/{turn}")
            self.assertEqual(sorted(statuses.values()), [200, 409], statuses)


class PowerCutTests(unittest.TestCase):
    layer = Server

    ROUNDS = 6

    def test_kill_during_overwrites(self) -> None:
        """What was acknowledged is there and whole; an overwrite cut short leaves the old version."""
        server = ServerProcess()
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        acknowledged, version = 0, 0
        choose = random.Random(3)
        for _round in range(self.ROUNDS):
            server.start()
            url = server.urls["tracker"].rstrip("/")
            if acknowledged:
                answer = urllib3.request("GET", f"{url}/files/a")
                found = version_of(answer)
                self.assertGreaterEqual(found, acknowledged)
                self.assertEqual(answer.data, self.content(found))
            cut = threading.Timer(choose.uniform(0.05, 0.6), server.kill)
            cut.start()
            try:
                while True:
                    version += 1
                    target = f"{url}/files/a?last_modified={quote(formatdate(version))}"
                    body = self.content(version)
                    if urllib3.request("PUT", target, body=body, retries=False).status == 200:
                        acknowledged = version
            except urllib3.exceptions.HTTPError:
                pass  # the power went
            cut.join()
        self.assertGreater(acknowledged, self.ROUNDS)

    def content(self, version: int) -> bytes:
        return f"{version:07d}\n".encode() * 100_000


class OurClientTests(ServerCase):
    def test_the_whole_life_of_a_name(self) -> None:
        client = Client(cache_dir=str(self.base / "cache"), remote_url=self.url)
        name, out = f"{self.prefix}/żółć i inne", str(self.base / "out")
        data = b"text that packs " * 1000
        first = client.put_file(name, self.file(data))
        second = client.put_file(name, self.file(b"second"))
        self.assertLess(int(first.split("@")[1]), int(second.split("@")[1]))
        self.assertEqual([client.get_file(which, out) for which in (first, name)], [first, second])
        client.get_file(first, out)
        self.assertEqual(Path(out).read_bytes(), data)
        self.assertEqual(client.list_remote_files(subpath=self.prefix), ["żółć i inne"])
        store = client.remote_store
        assert isinstance(store, RemoteDataStore)
        self.assertEqual([one["version"] for one in store.history(name)], [
            int(second.split("@")[1]), int(first.split("@")[1])
        ])  # fmt: skip
        client.delete_file(name)
        with self.assertRaises(FileNotFound):
            client.get_file(name, out)

    def test_a_restart_in_between(self) -> None:
        server = ServerProcess()
        self.addCleanup(server.remove)
        server.start()
        store = RemoteDataStore(server.urls["tracker"])
        store.add_file("/a@5", self.file(b"kept"))
        server.stop()
        began = time.monotonic()
        with self.assertRaises(RemoteUnavailable):
            store.file_version("/a")
        self.assertLess(time.monotonic() - began, 30)
        server.start()
        self.addCleanup(server.stop)
        self.assertEqual(RemoteDataStore(server.urls["tracker"]).file_version("/a"), 5)

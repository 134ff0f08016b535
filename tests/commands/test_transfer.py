"""``librarian put``, ``get`` and ``info`` against a real server, and against one that answers oddly."""

import json
import unittest
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

from click.testing import CliRunner

from librarian.commands.http import Pool, pool
from librarian.commands.main import librarian
from librarian.testing.layers import Server
from librarian.testing.peers import Peer

DATA = bytes(range(256)) * 4096  # 1 MiB


class WithServer(unittest.TestCase):
    layer = Server

    def setUp(self) -> None:
        self.server = Server.server
        self.folder = Path(self.enterContext(TemporaryDirectory()))

    def run_it(self, *arguments: str, status: int = 0, **environ: str) -> str:
        """What the command says, on standard output if it succeeds, else on standard error."""
        urls = self.server.urls
        faces = {"LIBRARIAN_APP_URL": urls["app"], "LIBRARIAN_UPLOAD_URL": urls["upload"]}
        pool.cache_clear()  # a process runs one command, and its pool remembers whom to trust
        done = CliRunner().invoke(librarian, arguments, env={**faces, **environ})
        self.assertEqual(done.exit_code, status, done.stderr)
        return (done.stderr if status else done.stdout).strip()

    def put(self, name: str = "f.bin", data: bytes = DATA, face: str = "upload") -> int:
        """Add a file by the command; its id."""
        path = self.folder / f"source-{name}"
        path.write_bytes(data)
        said = self.run_it("put", str(path), "--name", name, "--json", "--upload-url", self.server.urls[face])
        alias_id: int = json.loads(said)["id"]
        return alias_id

    def get(self, alias_id: int, status: int = 0, **environ: str) -> str:
        return self.run_it("get", str(alias_id), "-o", str(self.folder / "f.bin"), status=status, **environ)


class PutGetInfo(WithServer):
    def test_there_and_back(self) -> None:
        said = self.get(self.put())
        self.assertEqual(said, str(self.folder / "f.bin"))
        self.assertEqual((self.folder / "f.bin").read_bytes(), DATA)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["f.bin", "source-f.bin"])

    def test_several_at_once_print_a_url_each(self) -> None:
        paths = [self.folder / name for name in ("a b.txt", "c%d.txt")]
        for path in paths:
            path.write_text(path.name)
        said = self.run_it("put", *map(str, paths), "--expires", "never").splitlines()
        self.assertEqual([url.rpartition("/")[2] for url in said], ["a%20b.txt", "c%25d.txt"])
        found = self.run_it("info", said[0], "--json")
        self.assertEqual(json.loads(found)["expires"], "never")

    def test_what_is_known_as_lines(self) -> None:
        lines = dict(line.split(None, 1) for line in self.run_it("info", str(self.put())).splitlines())
        self.assertEqual((lines["size"], lines["sha256"]), (str(len(DATA)), sha256(DATA).hexdigest()))
        self.assertEqual(lines["expires"], "-")

    def test_to_standard_output(self) -> None:
        alias_id = self.put("hello.txt", b"hello")
        self.assertEqual(self.run_it("get", str(alias_id), "-o", "-"), "hello")

    def test_statuses(self) -> None:
        self.assertIn("404 Not Found", self.run_it("get", "12345", status=1))
        self.assertIn("404 Not Found", self.run_it("info", "12345", status=1))
        self.assertIn("no file id", self.run_it("info", "http://127.0.0.1/", status=1))
        self.assertIn("does not exist", self.run_it("put", "no-such-file", status=2))
        self.assertIn(
            "single file",
            self.run_it("put", str(self.server.ini), str(self.server.ini), "--name", "x", status=2),
        )

    def test_a_refusal_has_the_servers_reason(self) -> None:
        (self.folder / "empty").touch()
        self.assertIn("Invalid length: 0", self.run_it("put", str(self.folder / "empty"), status=1))

    def test_nobody_is_there(self) -> None:
        said = self.run_it("info", "7", status=1, LIBRARIAN_APP_URL="http://127.0.0.1:1/")
        self.assertIn("refused", said)
        self.assertNotIn("Traceback", said)


class FilesThatChange(WithServer):
    """The file changes after it was measured and before it is sent."""

    def put_changing(self, change: bytes | None, status: int = 0) -> str:
        path = self.folder / "log"
        path.write_bytes(b"so far")

        def request(self: Pool, *arguments: Any, **options: Any) -> Any:
            path.write_bytes(b"so" if change is None else path.read_bytes() + change)
            return original(self, *arguments, **options)

        original = Pool.request
        with mock.patch.object(Pool, "request", request):
            return self.run_it("put", str(path), "--json", status=status)

    def test_of_a_log_that_grows_comes_what_it_was_at_the_start(self) -> None:
        self.assertEqual(json.loads(self.put_changing(b" and further"))["size"], 6)

    def test_what_became_shorter_is_told_at_once(self) -> None:
        self.assertIn("it changed meanwhile: size is 6, but 2 were read", self.put_changing(None, status=1))


class Resuming(WithServer):
    def setUp(self) -> None:
        super().setUp()
        self.part = self.folder / "f.bin.part"
        self.alias_id = self.put()

    def interrupted(self, data: bytes, etag: str = f'"{sha256(DATA).hexdigest()}"') -> None:
        """As a run leaves it that was cut off."""
        self.part.write_bytes(data)
        Path(f"{self.part}.etag").write_text(etag)

    def test_the_rest_is_fetched(self) -> None:
        self.interrupted(DATA[:300_000])
        self.get(self.alias_id)
        self.assertEqual((self.folder / "f.bin").read_bytes(), DATA)

    def test_what_is_there_is_not_fetched_again_and_the_whole_is_checked(self) -> None:
        self.interrupted(b"?" + DATA[1:300_000])
        self.assertIn("not the file; nothing was kept", self.get(self.alias_id, status=1))
        self.assertEqual([path.name for path in self.folder.iterdir()], ["source-f.bin"])
        self.get(self.alias_id)
        self.assertEqual((self.folder / "f.bin").read_bytes(), DATA)

    def test_another_file_is_begun_anew(self) -> None:
        self.interrupted(b"of something else", f'"{"0" * 64}"')
        self.get(self.alias_id)
        self.assertEqual((self.folder / "f.bin").read_bytes(), DATA)

    def test_all_of_it_or_too_much(self) -> None:
        for data in (DATA, DATA + b"more"):
            self.interrupted(data)
            self.get(self.alias_id)
            self.assertEqual((self.folder / "f.bin").read_bytes(), DATA)


class WhoAsks(WithServer):
    def test_a_token_opens_what_its_owner_may_read(self) -> None:
        alias_id = self.put(face="restricted-upload")
        self.assertIn("401", self.run_it("info", str(alias_id), status=1))
        self.assertIn("401", self.get(alias_id, status=1))
        made = self.server.command("person", "add-token", "admin", "--title", "t", "--scope", "all")
        found = self.run_it("info", str(alias_id), "--json", LIBRARIAN_TOKEN=made.stdout.strip())
        self.assertTrue(json.loads(found)["restricted"])

    def test_it_is_told_to_the_application_and_to_nobody_it_leads_to(self) -> None:
        body = b"tea"
        file = b'HTTP/1.1 200 OK\r\nETag: "%s"\r\nContent-Length: 3\r\nConnection: close\r\n\r\n'
        head = file % sha256(body).hexdigest().encode()
        elsewhere = Peer(head, head + body)
        self.addCleanup(elsewhere.close)
        # The name is one that many resolvers do not know, though every name below localhost is this machine.
        url = elsewhere.url.replace("127.0.0.1", "i5.restricted.localhost") + "5/f.bin"
        app = Peer(f"HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n".encode())
        self.addCleanup(app.close)
        self.get(5, LIBRARIAN_APP_URL=app.url, LIBRARIAN_TOKEN="the-secret")
        self.assertEqual((self.folder / "f.bin").read_bytes(), body)
        self.assertIn(b"Bearer the-secret", app.requests[0])
        self.assertEqual(len(elsewhere.requests), 2)
        self.assertNotIn(b"the-secret", b"".join(elsewhere.requests))

    def test_nor_to_a_url_that_was_given(self) -> None:
        peer = Peer(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", b"")
        self.addCleanup(peer.close)
        self.run_it("get", peer.url + "5/f.bin", status=1, LIBRARIAN_TOKEN="the-secret")
        self.assertNotIn(b"the-secret", b"".join(peer.requests))

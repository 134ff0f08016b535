"""``librarian put``, ``get`` and ``info`` against a real server, and against one that answers oddly."""

import json
import unittest
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

from click.testing import CliRunner

from librarian.commands.common.http import pool
from librarian.commands.main import librarian
from librarian.remote.connection import Pool
from librarian.remote.downloads import Part
from tests.support.layers import Server
from tests.support.servers.scripted import Peer

DATA = bytes(range(256)) * 4096  # 1 MiB


class WithServer(unittest.TestCase):
    layer = Server

    def setUp(self) -> None:
        self.server = Server.server
        self.folder = Path(self.enterContext(TemporaryDirectory()))

    def run_it(self, *arguments: str, status: int = 0, **environ: str) -> str:
        """What the command says, on standard output if it succeeds, else on standard error."""
        urls = self.server.urls
        endpoints = {"LIBRARIAN_APP_URL": urls["app"], "LIBRARIAN_UPLOAD_URL": urls["upload"]}
        pool.cache_clear()  # a process runs one command, and its pool remembers whom to trust
        done = CliRunner().invoke(librarian, arguments, env={**endpoints, **environ})
        self.assertEqual(done.exit_code, status, done.stderr)
        return (done.stderr if status else done.stdout).strip()

    def put(self, name: str = "f.bin", data: bytes = DATA, endpoint: str = "upload") -> int:
        """Add a file by the command; its id."""
        path = self.folder / f"source-{name}"
        path.write_bytes(data)
        said = self.run_it(
            "put", str(path), "--name", name, "--json", "--upload-url", self.server.urls[endpoint]
        )
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

    def test_no_server_answers(self) -> None:
        said = self.run_it("info", "7", status=1, LIBRARIAN_APP_URL="http://127.0.0.1:1/")
        self.assertIn("refused", said)
        self.assertNotIn("Traceback", said)


class WhatIsSaid(WithServer):
    def file(self, name: str, data: bytes = b"data") -> str:
        path = self.folder / name
        path.write_bytes(data)
        return str(path)

    def restricted_of(self, said: str) -> bool:
        found: bool = json.loads(said)["restricted"]
        return found

    def test_restricted_goes_to_the_restricted_space_without_a_path_too(self) -> None:
        path, urls = self.file("f.txt"), self.server.urls
        said = self.run_it(
            "put", path, "--restricted", "--json", LIBRARIAN_RESTRICTED_UPLOAD_URL=urls["restricted-upload"]
        )
        self.assertTrue(self.restricted_of(said))
        self.assertTrue(json.loads(said)["url"].startswith(urls["restricted"]))
        said = self.run_it(
            "put", path, "--restricted", "--restricted-upload-url", urls["restricted-upload"], "--json"
        )
        self.assertTrue(self.restricted_of(said))
        self.assertFalse(self.restricted_of(self.run_it("put", path, "--json")))

    def test_restricted_is_never_public_without_a_word(self) -> None:
        said = self.run_it(
            "put",
            self.file("f.txt"),
            "--restricted",
            "--restricted-upload-url",
            self.server.urls["upload"],
            status=1,
        )
        self.assertIn("keeps public files", said)

    def test_the_ini_file_says_where_the_server_is(self) -> None:
        ini = self.folder / "its.ini"
        endpoints = ("app", "public", "upload", "restricted", "restricted-upload")
        lines = [
            f"librarian.endpoint.{name}.listen = {urlsplit(self.server.urls[name]).netloc}"
            for name in endpoints
        ]
        ini.write_text("[app:main]\nuse = egg:librarian\n" + "\n".join(lines))
        path = self.file("f.txt")
        nowhere: dict[str, Any] = {"LIBRARIAN_APP_URL": "", "LIBRARIAN_UPLOAD_URL": ""}
        for more in ((), ("--restricted",)):
            said = json.loads(self.run_it("put", path, "-c", str(ini), "--json", *more, **nowhere))
            self.assertEqual(said["restricted"], bool(more))
        public = self.run_it("put", path, LIBRARIAN_INI=str(ini), **nowhere)
        self.assertTrue(public.startswith(self.server.urls["public"]))
        self.assertIn("f.txt", self.run_it("info", public, "-c", str(ini), **nowhere))
        wrong: dict[str, Any] = {
            "LIBRARIAN_APP_URL": "http://127.0.0.1:1/",
            "LIBRARIAN_UPLOAD_URL": "http://127.0.0.1:1/",
        }
        self.run_it("put", path, "-c", str(ini), **wrong)
        self.run_it("info", public, "-c", str(ini), **wrong)

    def test_a_time_that_is_past_is_refused_before_anything_is_sent(self) -> None:
        path = self.file("f.txt")
        for text, reason in (
            ("2020-01-01T00:00:00Z", "is past"),
            ("2999-01-01T00:00:00", "no time zone"),
            ("tomorrow", "no RFC 3339 time"),
            ("", "no RFC 3339 time"),
        ):
            with self.subTest(text):
                said = self.run_it(
                    "put", path, "--expires", text, status=2, LIBRARIAN_UPLOAD_URL="http://127.0.0.1:1/"
                )
                self.assertIn(reason, said)
        self.run_it("put", path, "--expires", "2999-01-01T00:00:00Z")

    def test_one_that_fails_does_not_stop_the_others(self) -> None:
        paths = [self.file("a"), self.file("empty", b""), self.file("c")]
        pool.cache_clear()
        env = {"LIBRARIAN_UPLOAD_URL": self.server.urls["upload"]}
        done = CliRunner().invoke(librarian, ["put", *paths], env=env)
        self.assertEqual(done.exit_code, 1)
        self.assertEqual([url.rpartition("/")[2] for url in done.stdout.split()], ["a", "c"])
        self.assertEqual(done.stderr.splitlines()[1:], [f"Error: {paths[1]}: 400 Invalid length: 0"])

    def test_what_is_there_is_replaced_only_if_that_is_said(self) -> None:
        alias_id, target = str(self.put("f.bin", b"new")), self.folder / "there" / "f.bin"
        target.parent.mkdir()
        target.write_bytes(b"old")
        said = self.run_it("get", alias_id, "-o", str(target.parent), status=1)
        self.assertIn("f.bin is there already; --force replaces it", said)
        self.assertEqual((target.read_bytes(), len(list(target.parent.iterdir()))), (b"old", 1))
        for how in (("-o", str(target.parent), "--force"), ("-o", str(target))):
            target.write_bytes(b"old")
            self.run_it("get", alias_id, *how)
            self.assertEqual(target.read_bytes(), b"new")

    def test_a_name_that_comes_meanwhile_is_not_replaced_either(self) -> None:
        alias_id, place = str(self.put("f.bin", b"new")), self.folder / "there"
        place.mkdir()
        original = Part.receive

        def receive(part: Part, answer: Any) -> None:
            original(part, answer)
            part.path.write_bytes(b"another's")

        with mock.patch.object(Part, "receive", receive):
            said = self.run_it("get", alias_id, "-o", str(place), status=1)
        self.assertIn("is there already", said)
        self.assertEqual((place / "f.bin").read_bytes(), b"another's")

    def test_names_are_not_hosts(self) -> None:
        for what in (
            "localhost:1/5/f",
            "ftp://localhost/5/f",
            "//localhost:1/5",
            "file:///etc/passwd",
            "",
        ):
            with self.subTest(what):
                for command in ("get", "info"):
                    said = self.run_it(command, what, status=2)
                    self.assertIn("is no id, no http URL, and no path", said)

    def as_admin(self, *words: str, status: int = 0) -> str:
        password = self.server.admin_password
        return self.run_it(*words, status=status, LIBRARIAN_USER="admin", LIBRARIAN_PASSWORD=password)

    def test_a_path_of_the_named_tree_may_do_without_its_slash(self) -> None:
        source = self.folder / "source"
        source.write_bytes(b"a poem")
        self.as_admin("put", str(source), "--to", "a/b/poem.txt", "-p")
        for path in ("a/b/poem.txt", "/a/b/poem.txt"):
            with self.subTest(path):
                self.as_admin("get", path, "-o", str(self.folder / "got"))
                self.assertEqual((self.folder / "got").read_bytes(), b"a poem")
                self.assertIn("poem.txt", self.as_admin("info", path))
                self.assertIn("poem.txt", self.as_admin("ls", path))
        self.assertIn("folder", self.as_admin("info", "a/b", status=1))
        self.assertIn("404", self.as_admin("get", "a/b/c", status=1))


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
        alias_id = self.put(endpoint="restricted-upload")
        self.assertIn("401", self.run_it("info", str(alias_id), status=1))
        self.assertIn("401", self.get(alias_id, status=1))
        made = self.server.command("person", "add-token", "admin", "--title", "t", "--scope", "all")
        found = self.run_it("info", str(alias_id), "--json", LIBRARIAN_TOKEN=made.stdout.strip())
        self.assertTrue(json.loads(found)["restricted"])

    def test_the_password_goes_to_the_application_and_not_along_redirects(self) -> None:
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
        self.assertIn(b"Connection: close", app.requests[0])  # nothing is left to break between two requests
        self.assertEqual(len(elsewhere.requests), 2)
        self.assertNotIn(b"the-secret", b"".join(elsewhere.requests))

    def test_nor_to_a_url_that_was_given(self) -> None:
        peer = Peer(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", b"")
        self.addCleanup(peer.close)
        self.run_it("get", peer.url + "5/f.bin", status=1, LIBRARIAN_TOKEN="the-secret")
        self.assertNotIn(b"the-secret", b"".join(peer.requests))

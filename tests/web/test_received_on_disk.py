"""Received bodies in a disk store: how often their bytes are written, and that refusals leave nothing."""

import gzip
import hashlib
import io
import threading
from email.utils import formatdate
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock
from urllib.parse import quote

from webob import Request
from ZODB.POSException import ConflictError

from librarian.library.operations import Library
from librarian.testing.application import ThreadedApplication
from tests.support.disk_world import bytes_on_disk, files_below
from tests.support.receiving import ReceivedBodies
from tests.support.small_disk import SmallDisk
from tests.web.support import PeopleInTheWorld
from tests.web.test_promises import member

MIB = 1 << 20
UPLOAD, TREE, TRACKER = (
    "http://localhost:9090/",
    "http://localhost:6543/tree/",
    "http://localhost:9999/files/",
)
HERE = {"REMOTE_ADDR": "127.0.0.1"}
LARGE = Random(7).randbytes(8 * MIB)
MEDIUM = b"%d\n" * 50_000


def bytes_written() -> int:
    """By this process so far, to whatever descriptors."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


def name_of(data: bytes) -> str:
    sha256 = hashlib.sha256(data).hexdigest()
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"


def form(data: bytes, part: str = "") -> tuple[bytes, str]:
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="f.txt"\r\n{part}\r\n'
    return head.encode() + data + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"


class Streams(PeopleInTheWorld):
    """Requests whose body the application reads; below, the same with bodies that are received."""

    def setUp(self) -> None:
        super().setUp()
        self.root = bytes_on_disk(self, self.world.store)
        self.no_temporary_folder = mock.patch("tempfile.gettempdir", side_effect=AssertionError)
        self.no_temporary_folder.start()
        self.addCleanup(self.no_temporary_folder.stop)
        self.amy = {"Authorization": self.basic("amy", "seven green bottles")}

    def ask(self, method: str, url: str, body: bytes, headers: dict[str, str] | None = None) -> Any:
        """Send a body that the application cannot rewind, as over a socket."""
        blank = Request.blank(url, method=method, headers=headers or {}, environ=HERE)
        blank.environ["SERVER_PORT"] = url.split(":")[2].split("/", maxsplit=1)[0]
        stream = mock.Mock(spec=["read", "readline"])
        source = io.BytesIO(body)
        stream.read, stream.readline = source.read, source.readline
        blank.environ |= {"wsgi.input": stream, "CONTENT_LENGTH": str(len(body))}
        return blank.get_response(ThreadedApplication())

    def track(self, name: str, body: bytes, **headers: str) -> Any:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return self.ask("PUT", f"{TRACKER}{name}?last_modified={quote(formatdate(5))}", body, named)

    def test_an_upload_is_written_once(self) -> None:
        before = bytes_written()
        self.assertEqual(self.ask("PUT", f"{UPLOAD}f.bin", LARGE).status_int, 201)
        self.assertLess((bytes_written() - before) / len(LARGE), 1.02)
        self.assertEqual([name_of(LARGE)], files_below(self.root))

    def test_also_into_the_tree_and_to_the_tracker(self) -> None:
        before = bytes_written()
        self.assertEqual(self.ask("PUT", f"{TREE}f.bin", LARGE, self.amy).status_int, 201)
        self.assertEqual(self.track("f.bin", LARGE).status_int, 200)
        self.assertLess((bytes_written() - before) / len(LARGE), 2.04)
        self.assertEqual([name_of(LARGE)], files_below(self.root))

    def test_the_file_of_a_form_is_written_once(self) -> None:
        for url in ("http://localhost:6543/+upload", TREE):
            body, kind = form(LARGE)
            before = bytes_written()
            answer = self.ask("POST", url, body, {**self.amy, "Content-Type": kind})
            self.assertEqual(answer.status_int, 201, answer.text)
            self.assertLess((bytes_written() - before) / len(LARGE), 1.02)
            self.assertEqual([name_of(LARGE)], files_below(self.root))

    def test_a_packed_upload_is_unpacked_on_the_way_and_kept_as_it_came(self) -> None:
        plain = b"".join(b"line %d\n" % number for number in range(400_000))
        packed = gzip.compress(plain, mtime=0)
        before = bytes_written()
        digest = hashlib.sha256(plain).hexdigest()
        answer = self.track(
            "f.txt", packed, Content_Encoding="gzip", SHA256_Checksum=digest, Logical_Size=str(len(plain))
        )
        self.assertEqual(answer.status_int, 200, answer.text)
        self.assertLess((bytes_written() - before) / (len(plain) + len(packed)), 1.02)
        self.assertEqual(sorted([name_of(plain), name_of(packed)]), files_below(self.root))

    def test_refusals_leave_nothing(self) -> None:
        wrong, long = member(b"x", "sha-256"), member(b"x", "sha-512")
        damaged = gzip.compress(MEDIUM)[:-9] + b"012345678"
        for body in (b"few", MEDIUM, LARGE[:MIB]):
            parts, kind = form(body, f"Content-Digest: {wrong}\r\n")
            for method, url, sent, headers, status in (
                ("PUT", f"{UPLOAD}a%2Fb/c", body, {}, 400),
                ("PUT", f"{UPLOAD}f", body, {"Repr-Digest": wrong}, 400),
                ("PUT", f"{UPLOAD}f", body, {"Repr-Digest": long}, 400),
                ("PUT", f"{UPLOAD}f", body, {"Content-Encoding": "gzip"}, 415),
                ("PUT", f"{UPLOAD}f", body, {"Librarian-Expires": "soon"}, 400),
                ("PATCH", f"{UPLOAD}f", body, {}, 405),
                ("PUT", f"{TREE}f", body, {}, 401),
                ("PUT", f"{TREE}f", body, {"Authorization": "Basic eDp5"}, 401),
                ("POST", "http://localhost:6543/nowhere", body, self.amy, 404),
                ("POST", TREE, parts, {**self.amy, "Content-Type": kind}, 400),
                ("POST", "http://localhost:6543/+upload", parts, {**self.amy, "Content-Type": kind}, 400),
                ("POST", "http://localhost:6543/+upload", form(body)[0], {"Content-Type": kind}, 401),
            ):
                with self.subTest(url=url, headers=headers, size=len(body)):
                    answer = self.ask(method, url, sent, headers)
                    self.assertEqual(answer.status_int, status, answer.text)
                    self.assertEqual([], files_below(self.root))
            for headers in (
                {"SHA256_Checksum": "0" * 64},
                {"Logical_Size": "5"},
                {"Content_Encoding": "gzip"},
                {"Content_Encoding": "br"},
            ):
                with self.subTest(headers=headers, size=len(body)):
                    self.assertIn(self.track("f", body, **headers).status_int, (400, 415))
                    self.assertEqual([], files_below(self.root))
        self.assertEqual(self.track("f", damaged, Content_Encoding="gzip").status_int, 400)
        self.assertEqual([], files_below(self.root))

    def test_the_same_bytes_twice_at_once(self) -> None:
        answers: list[int] = []

        def put(number: int) -> None:
            answers.append(self.ask("PUT", f"{UPLOAD}{number}", LARGE).status_int)

        threads = [threading.Thread(target=put, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([201] * 3, answers)
        self.assertEqual([name_of(LARGE)], files_below(self.root))

    def test_a_form_that_is_repeated_after_a_conflict_is_stored_all_the_same(self) -> None:
        add, tries = Library.add, []

        def conflicting(*arguments: Any, **options: Any) -> Any:
            tries.append(1)
            if len(tries) == 1:
                raise ConflictError
            return add(*arguments, **options)

        body, kind = form(MEDIUM)
        with mock.patch.object(Library, "add", conflicting):
            answer = self.ask("POST", TREE, body, {**self.amy, "Content-Type": kind})
        self.assertEqual((201, 2), (answer.status_int, len(tries)))
        self.assertEqual([name_of(MEDIUM)], files_below(self.root))


class Received(ReceivedBodies, Streams):
    """The same with bodies that the server has received."""

    def test_they_are_received(self) -> None:
        self.ask("PUT", f"{UPLOAD}f.bin", LARGE)
        self.assertEqual(1, self.server.received)

    def test_promised_digests_are_compared_without_reading_again(self) -> None:
        with mock.patch("librarian.store.disk.receiving.DiskReceivedFile.open", side_effect=AssertionError):
            for name in ("sha-256", "sha", "md5"):
                answer = self.ask("PUT", f"{UPLOAD}f", MEDIUM, {"Repr-Digest": member(MEDIUM, name)})
                self.assertEqual(answer.status_int, 201)
        answer = self.ask("PUT", f"{UPLOAD}f", MEDIUM, {"Repr-Digest": member(MEDIUM, "sha-512")})
        self.assertEqual(answer.status_int, 201)

    def test_a_client_that_goes_away_leaves_nothing(self) -> None:
        blank = Request.blank(f"{UPLOAD}f", method="PUT")
        stream = mock.Mock()
        stream.read.side_effect = [LARGE[:50_000], LARGE[:50_000], LARGE[:50_000], ConnectionResetError]
        blank.environ |= {"SERVER_PORT": "9090", "wsgi.input": stream, "CONTENT_LENGTH": str(len(LARGE))}
        with self.assertRaises(ConnectionResetError):
            blank.get_response(ThreadedApplication())
        self.assertEqual([], files_below(self.root))

    def test_a_full_disk(self) -> None:
        self.no_temporary_folder.stop()
        disk = SmallDisk(self, 4)
        self.no_temporary_folder.start()
        root = bytes_on_disk(self, self.world.store, disk.folder / "bytes")
        self.assertEqual(self.ask("PUT", f"{UPLOAD}f", LARGE).status_int, 507)
        disk.fill(leave=MIB)
        self.assertEqual(self.ask("PUT", f"{UPLOAD}f", LARGE[: 2 * MIB]).status_int, 507)
        body, kind = form(LARGE[: 1100 << 10])
        headers = {**self.amy, "Content-Type": kind}
        self.assertEqual(self.ask("POST", TREE, body, headers).status_int, 507)
        self.assertEqual([], files_below(root))
        once = LARGE[: 900 << 10]  # fits once and not twice
        self.assertEqual(self.ask("POST", TREE, form(once)[0], headers).status_int, 201)
        self.assertEqual([name_of(once)], files_below(root))
        (root / name_of(once)).unlink()
        disk.fill()
        self.assertEqual(self.ask("PUT", f"{UPLOAD}f", b"small").status_int, 507)
        self.assertEqual([], files_below(root))
        self.assertEqual(self.log_in("amy").status_int, 303)  # a form that stores nothing
        disk.relieve()
        self.assertEqual(self.ask("PUT", f"{UPLOAD}f", LARGE[:MIB]).status_int, 201)
        self.assertEqual([name_of(LARGE[:MIB])], files_below(root))

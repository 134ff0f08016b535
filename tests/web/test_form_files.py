"""The parser of forms: what it takes and refuses, in pieces of any length; refusals leave nothing."""

import unittest
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from librarian.clock import SystemClock
from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import DigestMismatch, StoreFull
from librarian.web.interfaces import FormTooLarge, FormUnreadable
from librarian.web.requests import form_files
from librarian.web.requests.form_files import FormFile, FormReceiving, ReceivedForm
from tests.support.disk_world import files_below

KIND = "multipart/form-data; boundary=B"
LARGE = bytes(range(256)) * 1024


def part(disposition: str, data: bytes, *fields: str) -> bytes:
    lines = [f"Content-Disposition: form-data; {disposition}", *fields, "", ""]
    return b"--B\r\n" + "\r\n".join(lines).encode() + data + b"\r\n"


FILE = part('name="file"; filename="f.bin"', LARGE, "Content-Type: image/x-Thing; a=b", "Content-Digest: x")
WHOLE = part('name="a"', b"1") + FILE + part('name="a"', "ä".encode()) + b"--B--\r\n"


class FormTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = self.enterContext(TemporaryDirectory())
        self.root = Path(folder)
        self.store = DiskStore(self.root, SystemClock())

    def receive(
        self, body: bytes, kind: str = KIND, step: int = 1 << 18, digests: Mapping[str, str] | None = None
    ) -> ReceivedForm:
        receiving = FormReceiving(self.store, kind, digests or {})
        try:
            for start in range(0, len(body), step):
                receiving.write(body[start : start + step])
            form = receiving.finish()
        except BaseException:
            receiving.abort()
            self.assertEqual([], files_below(self.root))
            raise
        self.addCleanup(form.discard)
        return form

    def test_fields_and_files_in_pieces_of_any_length(self) -> None:
        for step in (1, 7, 1000, 1 << 16, 1 << 20):
            with self.subTest(step=step):
                form = self.receive(WHOLE, step=step)
                self.assertEqual((len(WHOLE), ["1", "ä"]), (form.size, form.fields.getall("a")))
                file: Any = form.fields["file"]
                self.assertEqual(("f.bin", "image/x-thing"), (file.filename, file.type))
                self.assertEqual("x", file.headers["Content-Digest"])
                self.assertEqual(sha256(LARGE).hexdigest(), file.file.received.sha256)
                self.assertEqual(LARGE, file.file.read())
                form.discard()
                form.discard()
                self.assertEqual([], files_below(self.root))

    def test_line_ends_and_near_boundaries_belong_to_the_file(self) -> None:
        for data in (b"\r\n", b"\r\n--", b"\r\n--A\r\n", b"--B\r\n", b"\r\n-", b"\r", b"", b"\0" * 9):
            body = part('name="file"; filename="f"', data) + b"--B--"
            for step in (1, 3, 100):
                file: Any = self.receive(body, step=step).fields["file"]
                self.assertEqual(data, file.file.read(), (data, step))

    def test_a_field_left_empty_is_no_file(self) -> None:
        form = self.receive(part('name="file"; filename=""', b"") + b"--B--\r\n")
        self.assertEqual("", form.fields["file"])

    def test_names_as_browsers_send_them(self) -> None:
        for sent, name in (('a%22b%0D%0A"', 'a"b\r\n'), ('ä b;c.txt"', "ä b;c.txt"), ('50%.txt"', "50%.txt")):
            file: Any = self.receive(part(f'name="file"; filename="{sent}', b"x") + b"--B--").fields["file"]
            self.assertEqual(name, file.filename)

    def test_refusals(self) -> None:
        for body in (
            b"",
            b"nothing of the kind",
            b"--B",
            WHOLE[:-4],
            WHOLE[:-6],
            FILE,
            FILE[:3000],
            b"--B\r\n\r\nx\r\n--B--\r\n",
            b"--B\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--B--\r\n",
            b"--B\nContent-Disposition: form-data; name=a\n\nx\n--B--\n",
            FILE + part('name="a"', b"x", "no colon") + b"--B--\r\n",
            FILE + part('name="a"', b"x", "Content-Length: 5") + b"--B--\r\n",
            FILE + part('name="a"', b"\xff") + b"--B--\r\n",
            FILE + part('name="a"', b"x", "Content-Type: text/plain; charset=nonesuch") + b"--B--\r\n",
            FILE + part('name="a"', b"x", "Content-Type: multipart/mixed; boundary=C") + b"--B--\r\n",
            FILE
            + part('name="a"; filename="b"', b"eA==", "Content-Transfer-Encoding: base64")
            + b"--B--\r\n",
        ):
            for step in (1000, 1 << 20):
                with self.subTest(body=body[-80:], step=step), self.assertRaises(FormUnreadable) as caught:
                    self.receive(body, step=step)
                self.assertNotIsInstance(caught.exception, FormTooLarge)

    def test_charsets(self) -> None:
        """Only such as are quick to decode, and give text that can be stored."""
        for charset in ("utf-8", "US-ASCII", "UTF8"):
            kind = f"Content-Type: text/plain; charset={charset}"
            self.assertEqual("x", self.receive(part('name="a"', b"x", kind) + b"--B--").fields["a"])
        kind = "Content-Type: text/plain; charset=iso-8859-1"
        self.assertEqual("\xff", self.receive(part('name="a"', b"\xff", kind) + b"--B--").fields["a"])
        for charset, text in (
            ("utf-7", b"+2AA-"),  # one half of a surrogate pair
            ("unicode_escape", rb"\ud800"),
            ("raw_unicode_escape", rb"\ud800"),
            ("punycode", b"-a"),  # takes minutes for a megabyte
            ("idna", b"a"),
        ):
            kind = f"Content-Type: text/plain; charset={charset}"
            with self.subTest(charset), self.assertRaises(FormUnreadable):
                self.receive(part('name="a"', text, kind) + b"--B--")

    def test_boundaries(self) -> None:
        for kind in (
            "multipart/form-data",
            "multipart/form-data; boundary=",
            'multipart/form-data; boundary="B "',
            "multipart/form-data; boundary=\xff",
            f"multipart/form-data; boundary={'B' * 201}",
        ):
            self.assertRaises(FormUnreadable, self.receive, WHOLE, kind)
        self.assertEqual(
            3, len(self.receive(WHOLE, 'Multipart/Form-Data; charset=utf-8; boundary="B"').fields)
        )

    def test_limits(self) -> None:
        most = form_files.MOST_FIELD_BYTES
        self.assertEqual(1, len(self.receive(part('name="a"', b"x" * most) + b"--B--").fields))
        half = part('name="a"', b"x" * (most // 2 + 1))
        many = part('name="a"', b"") * form_files.MOST_PARTS
        self.assertEqual(form_files.MOST_PARTS, len(self.receive(many + b"--B--").fields))
        for body in (
            FILE + part('name="a"', b"x" * (most + 1)),
            FILE + half + half,
            FILE + many,
            FILE + part('name="a"', b"x", *["X-Y: z"] * form_files.MOST_HEADERS),
            FILE + part('name="a"', b"x", f"X: {'y' * form_files.LONGEST_HEADER}"),
            FILE + b"--B\r\nX: " + b"y" * (form_files.LONGEST_HEADER + 100),
        ):
            self.assertRaises(FormTooLarge, self.receive, body)

    def test_files_are_few(self) -> None:
        """Each holds a descriptor, and a form needs no log-in to be read."""
        few = b"".join(part(f'name="f"; filename="{n}"', b"x") for n in range(form_files.MOST_FILES))
        self.receive(few + b"--B--").discard()
        with self.assertRaisesRegex(FormTooLarge, "at most 20 files"):
            self.receive(few + FILE)
        self.assertEqual([], files_below(self.root))

    def test_promised_digests_are_those_of_the_whole_form(self) -> None:
        right = {"sha256": sha256(WHOLE).hexdigest()}
        form = self.receive(WHOLE, digests=right)
        self.assertIsInstance(form.fields["file"], FormFile)
        form.discard()
        self.assertRaises(DigestMismatch, self.receive, WHOLE, digests={"md5": "0" * 32})

    def test_room_is_looked_for_before_anything_comes(self) -> None:
        small = DiskStore(self.root / "small", SystemClock(), quota=1000)
        self.assertRaises(StoreFull, FormReceiving, small, KIND, {}, 1001)
        FormReceiving(small, KIND, {}, 1000).abort()

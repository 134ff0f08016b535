"""Chunked bodies without a server: whole whatever pieces they come in, refused where readers could differ."""

import random
import time
import unittest

from librarian.serving.http.chunks import LARGEST_CHUNK, LONGEST_LINE, LONGEST_TRAILER, ChunkedBody
from librarian.serving.interfaces import RequestRefused


def taken(*arrived: bytes) -> tuple[bytes, bytes, bool]:
    """The body, what follows it, and whether it is complete."""
    body = ChunkedBody()
    found = b"".join(piece for data in arrived for piece in body.feed(data))
    return found, bytes(body.rest), body.complete


class Understood(unittest.TestCase):
    def test_bodies(self) -> None:
        for text, data in (
            (b"0\r\n\r\n", b""),
            (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
            (b"1\r\na\r\n2\r\nbc\r\n000\r\n\r\n", b"abc"),
            (b"A\r\n0\r\n\r\n12345\r\n0\r\n\r\n", b"0\r\n\r\n12345"),
            (b'3;a;b=c;d="e;\\" \r"\r\nabc\r\n0;a=b\r\n\r\n'.replace(b'\r"', b'"'), b"abc"),
            (b"3 ; a = b\r\nabc\r\n0\r\nA: b\r\nC: d\r\n\r\n", b"abc"),
        ):
            with self.subTest(text):
                self.assertEqual(taken(text), (data, b"", True))
                self.assertEqual(taken(*[bytes([byte]) for byte in text]), (data, b"", True))
                self.assertEqual(taken(text + b"GET"), (data, b"GET", True))
                self.assertFalse(taken(text[:-1])[2])

    def test_pieces_of_any_size(self) -> None:
        chance = random.Random(7)
        data = chance.randbytes(100_000)
        text, position = b"", 0
        while position < len(data):
            piece = data[position : position + chance.randrange(1, 5000)]
            text += b"%x\r\n%s\r\n" % (len(piece), piece)
            position += len(piece)
        text += b"0\r\n\r\n"
        for _turn in range(20):
            cuts = sorted(chance.sample(range(len(text)), 30))
            pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
            self.assertEqual(taken(*pieces), (data, b"", True))


class Refused(unittest.TestCase):
    def refused(self, text: bytes, status: int = 400) -> None:
        with self.subTest(text[:60]), self.assertRaises(RequestRefused) as caught:
            taken(text)
        self.assertEqual(caught.exception.status, status)

    def test_sizes(self) -> None:
        for size in (
            b"",
            b"zz",
            b"0x3",
            b"+3",
            b"-3",
            b" 3",
            b"3 ",
            b"3 3",
            b"3,",
            b"3\n",
            b"%x" % (LARGEST_CHUNK + 1),
        ):
            self.refused(size + b"\r\nabc\r\n0\r\n\r\n")

    def test_extensions(self) -> None:
        for extension in (b";", b";=", b";a=", b';a="', b";a\x00", b";a=b c", b";a\nb"):
            self.refused(b"3" + extension + b"\r\nabc\r\n0\r\n\r\n")

    def test_ends(self) -> None:
        for end in (b"", b"\n", b"\r", b"x\r\n", b"\r\r\n"):
            self.refused(b"3\r\nabc" + end + b"0\r\n\r\n")
        self.refused(b"3\r\nabc\r\n\r\n0\r\n\r\n")

    def test_trailers(self) -> None:
        for trailer in (b"a", b"a : b", b" a: b", b"a: b\nc: d", b"a: \x00"):
            self.refused(b"0\r\n" + trailer + b"\r\n\r\n")
        self.refused(b"0\r\n" + b"a: b\r\n" * 501 + b"\r\n", 431)

    def test_lengths(self) -> None:
        self.refused(b"3;" + b"a" * LONGEST_LINE)
        self.refused(b"3;" + b"a" * LONGEST_LINE + b"\r\n")
        self.refused(b"0\r\na: " + b"b" * LONGEST_TRAILER)

    def test_none_takes_long(self) -> None:
        begun = time.process_time()
        body = ChunkedBody()
        for _turn in range(100_000):
            list(body.feed(b"1\r\na\r\n"))
        self.assertLess(time.process_time() - begun, 5)
        with self.assertRaises(RequestRefused):
            list(ChunkedBody().feed(b"3" + b";a" * 2000 + b"\x00\r\n"))

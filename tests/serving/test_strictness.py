"""What the application is told of a head that was understood."""

import unittest

from waitress.adjustments import Adjustments
from waitress.buffers import OverflowableBuffer

from librarian.serving.strictness import LONGEST_LINE, BoundedChunks, StrictRequest


def told(*lines: bytes) -> dict[str, str]:
    """The fields that a request with these lines passes on."""
    request = StrictRequest(Adjustments())
    request.received(b"\r\n".join([b"PUT /a HTTP/1.1", b"Host: here", *lines, b"", b""]))
    return request.headers


class ALength(unittest.TestCase):
    def test_zeros_in_front_are_not_passed_on(self) -> None:
        # int() takes 4,300 digits at most, so that WebOb would see no length at all.
        self.assertEqual(told(b"Content-Length: " + b"0" * 5000 + b"5")["CONTENT_LENGTH"], "5")
        self.assertEqual(told(b"Content-Length: " + b"0" * 5000)["CONTENT_LENGTH"], "0")

    def test_none_stays_none(self) -> None:
        self.assertNotIn("CONTENT_LENGTH", told())
        self.assertNotIn("CONTENT_LENGTH", told(b"Transfer-Encoding: chunked"))


class Chunks(unittest.TestCase):
    BODY = b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nTrailer: x\r\n\r\n"

    def test_a_body_in_pieces_of_any_size_is_the_same_body(self) -> None:
        for size in range(1, len(self.BODY) + 1):
            with self.subTest(size=size):
                chunks = BoundedChunks(OverflowableBuffer(1000))
                rest = self.BODY + b"GET / HTTP/1.1\r\n"
                while not chunks.completed:
                    piece = rest[:size]
                    rest = rest[chunks.received(piece) :]
                    self.assertIsNone(chunks.error)
                self.assertEqual(chunks.getfile().read(), b"hello world")
                self.assertEqual(rest, b"GET / HTTP/1.1\r\n")

    def test_what_is_said_of_a_chunk_has_one_limit_however_it_arrives(self) -> None:
        line = b"5;a=" + b"b" * LONGEST_LINE + b"\r\nhello"
        for size in (1, 1000, len(line)):
            with self.subTest(size=size):
                chunks, at = BoundedChunks(OverflowableBuffer(1000)), 0
                while not chunks.error and at < len(line):
                    at += chunks.received(line[at : at + size])
                self.assertIn("too long", str(chunks.error and chunks.error.body))

    def test_an_empty_line_is_no_size_however_it_arrives(self) -> None:
        for pieces in (
            (b"\r\n5\r\n",),
            (b"\r", b"\n"),
            (b"5\r\nhello\r\n", b"\r\n"),
            (b"5\r\nhello\r\n\r\n",),
        ):
            with self.subTest(pieces=pieces):
                chunks = BoundedChunks(OverflowableBuffer(1000))
                for piece in pieces:
                    chunks.received(piece)
                self.assertIn("empty line", str(chunks.error and chunks.error.body))

"""What the application is told of a head that was understood."""

import unittest

from waitress.adjustments import Adjustments

from librarian.serving.strictness import StrictRequest


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

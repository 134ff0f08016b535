"""Hostile names and types."""

import unittest
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from librarian.web.files.disposition import content_disposition, presentation

NAMES = [
    ("hello.txt", 'attachment; filename="hello.txt"'),
    ("a b;c,d=e.tar.gz", 'attachment; filename="a b;c,d=e.tar.gz"'),
    ("naïve.txt", "attachment; filename=\"naive.txt\"; filename*=UTF-8''na%C3%AFve.txt"),
    ("日本.txt", "attachment; filename=\"__.txt\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.txt"),
    ('say "hi".txt', "attachment; filename=\"say _hi_.txt\"; filename*=UTF-8''say%20%22hi%22.txt"),
    ("100%41.txt", "attachment; filename=\"100_41.txt\"; filename*=UTF-8''100%2541.txt"),
    ("back\\slash", "attachment; filename=\"back_slash\"; filename*=UTF-8''back%5Cslash"),
    (
        "../../etc/passwd",
        "attachment; filename=\".._.._etc_passwd\"; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd",
    ),
    (
        "a\r\nSet-Cookie: b=c",
        "attachment; filename=\"a__Set-Cookie_ b=c\"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20b%3Dc",
    ),
    ("trailing\n", "attachment; filename=\"trailing_\"; filename*=UTF-8''trailing%0A"),
    ("nul\0", "attachment; filename=\"nul_\"; filename*=UTF-8''nul%00"),
    ("\u202etxt.exe", "attachment; filename=\"_txt.exe\"; filename*=UTF-8''%E2%80%AEtxt.exe"),
    ("\udcff.bin", "attachment; filename=\"_.bin\"; filename*=UTF-8''%3F.bin"),
]

# (stored mimetype, what is sent, shown in place anywhere, shown on a host of its own)
TYPES = [
    ("text/plain", "text/plain; charset=utf-8", True, True),
    ("Text/Plain", "Text/Plain; charset=utf-8", True, True),
    ("text/plain; charset=latin-1", "text/plain; charset=latin-1", True, True),
    ('text/plain;Charset="koi8-r"', 'text/plain;Charset="koi8-r"', True, True),
    ("text/csv", "text/csv; charset=utf-8", True, True),
    ("image/png", "image/png", True, True),
    ("video/mp4", "video/mp4", True, True),
    ("text/html", "text/html", False, True),
    ("TEXT/HTML", "TEXT/HTML", False, True),
    ("text/html;charset=utf-7", "text/html;charset=utf-7", False, True),
    ("application/xhtml+xml", "application/xhtml+xml", False, True),
    ("image/svg+xml", "image/svg+xml", False, True),
    ("application/xml", "application/xml", False, True),
    ("text/xml", "text/xml", False, True),
    ("text/xsl", "text/xsl; charset=utf-8", False, True),
    ("application/rss+xml", "application/rss+xml", False, True),
    ("text/javascript", "text/javascript; charset=utf-8", False, True),
    ("application/javascript", "application/javascript", False, True),
    ("multipart/x-mixed-replace", "multipart/x-mixed-replace", False, True),
    ("application/octet-stream", "application/octet-stream", False, True),
    ("application/pdf", "application/pdf", False, True),
    # No media type, or one that would spoil the response.
    ("", "application/octet-stream", False, False),
    ("text", "application/octet-stream", False, False),
    ("text/", "application/octet-stream", False, False),
    ("text/plain;", "application/octet-stream", False, False),
    ("text/plain\r\nX-Evil: 1", "application/octet-stream", False, False),
    ("text/plain\n", "application/octet-stream", False, False),
    ("text/plain, text/html", "application/octet-stream", False, False),
    ('text/plain; a="\r\n"', "application/octet-stream", False, False),
    ("text/plän", "application/octet-stream", False, False),
    ("text/" + "x" * 300, "application/octet-stream", False, False),
    ("multipart/byteranges; boundary=x", "application/octet-stream", False, False),
]


class ContentDisposition(unittest.TestCase):
    def test_table(self) -> None:
        for name, expected in NAMES:
            with self.subTest(name=name):
                self.assertEqual(content_disposition(name, inline=False), expected)

    @given(st.text(min_size=1))
    def test_any_name_is_one_line_and_comes_back(self, name: str) -> None:
        value = content_disposition(name, inline=True)
        self.assertTrue(value.isascii() and value.isprintable())
        plain, encoded, extended = value.partition("; filename*=UTF-8''")
        self.assertEqual(plain.count('"'), 2)
        found = unquote(extended) if encoded else plain.removeprefix('inline; filename="')[:-1]
        self.assertEqual(found, name)


class Presentation(unittest.TestCase):
    def test_table(self) -> None:
        for mimetype, *expected in TYPES:
            with self.subTest(mimetype=mimetype[:60]):
                self.assertEqual(list(presentation(mimetype)), expected)

    @given(st.text() | st.from_regex(r"text/[a-z]{1,9}(; [a-z]+=.{0,9})*"))
    def test_any_type_is_one_line(self, mimetype: str) -> None:
        sent = presentation(mimetype).content_type
        self.assertTrue(sent.isascii() and "\r" not in sent and "\n" not in sent)

"""Names that a spool and an FTP server refuse."""

import unittest

from hypothesis import given
from hypothesis import strategies as st

from librarian.spool.interfaces import BadName
from librarian.spool.model.names import check_name, check_remote_name

BAD_ANYWHERE: list[object] = [
    "",
    ".",
    "..",
    "a/b",
    "/etc/passwd",
    "../x",
    "a\0b",
    "a\nb",
    "a\r\nDELE x",
    "\x7f",
    "\x9b",
    "a\u2028b",
]
BAD_ANYWHERE += ["\udcff", "x" * 256, "ü" * 128, ".librarian-0.part", None, b"bytes", 7]
BAD_REMOTELY = ["write", "read", "WRITE", "Read", " a", "a ", "~", "\u00a0a", "a\\b"]
GOOD = [
    "a",
    "a b",
    ".hidden",
    "-rf",
    "ü€😀",
    "write.xml",
    "readme",
    "x" * 255,
    "100%",
    "a~2~",
    "*?[]",
    "'\"`$(ls)",
]


class TestNames(unittest.TestCase):
    def test_good_names(self) -> None:
        self.assertEqual([check_remote_name(name) for name in GOOD], GOOD)

    def test_names_that_no_spool_takes(self) -> None:
        for name in BAD_ANYWHERE:
            with self.subTest(name=name):
                self.assertRaises(BadName, check_name, name)
                self.assertRaises(BadName, check_remote_name, name)

    def test_names_that_no_server_is_given(self) -> None:
        for name in BAD_REMOTELY:
            with self.subTest(name=name):
                self.assertEqual(check_name(name), name)
                self.assertRaises(BadName, check_remote_name, name)

    @given(st.text(max_size=300))
    def test_what_is_let_through_is_one_line_and_one_path_segment(self, name: str) -> None:
        try:
            check_remote_name(name)
        except BadName:
            return
        self.assertEqual(name.splitlines(), [name])
        self.assertNotIn("/", name)
        self.assertLessEqual(len(name.encode()), 255)

"""The rules of names, and the messages about invalid ones."""

import unittest

from hypothesis import given
from hypothesis import strategies as st

from librarian.tracker.client.interfaces import InvalidName
from librarian.tracker.client.versioned_names import MAX_VERSION, check_name, split_name, versioned_name


class SplitTests(unittest.TestCase):
    def test_forms(self) -> None:
        for name, parts in {
            "/a": ("/a", None),
            "/a@0": ("/a", 0),
            "/a/b.txt@1273000000": ("/a/b.txt", 1273000000),
            "/a@-3": ("/a", -3),
            "/a@b@3": ("/a@b", 3),
        }.items():
            with self.subTest(name):
                self.assertEqual(split_name(name), parts)

    def test_a_version_is_an_int(self) -> None:
        for version in ("", "x", "1.5", " 1", "1 ", "1_0", "+1", "٣", "1" * 21, "0x1"):
            with self.subTest(version), self.assertRaises(ValueError) as caught:
                split_name(f"/a@{version}")
            self.assertEqual(
                str(caught.exception), f"Invalid Filetracker filename: version must be int, not {version!r}"
            )

    @given(st.text(st.characters(exclude_characters="@")), st.integers(0, MAX_VERSION))
    def test_joined_and_split(self, name: str, version: int) -> None:
        self.assertEqual(split_name(versioned_name(name, version)), (name, version))


class CheckTests(unittest.TestCase):
    def test_valid_names(self) -> None:
        for name in (
            "/a",
            "/a/b/c",
            "/a@5",
            "/zażółć/gęślą jaźń.txt",
            "/...",
            "/.hidden",
            "/a..b",
            "/" + "x" * 254,
        ):
            with self.subTest(name):
                check_name(name)

    def test_invalid_names(self) -> None:
        for name, reason in {
            None: "not string: None",
            b"/a": "not string: b'/a'",
            "": "empty name",
            "a": "does not start with /",
            "a/b": "does not start with /",
            "/..": ".. in path",
            "/a/../b": ".. in path",
            "/a@1/b": "@ in path",
            "/a@1@2": "multiple versions",
            "/a@x": "version must be int, not 'x'",
            "/": "empty component in path",
            "/a/": "empty component in path",
            "/a//b": "empty component in path",
            "/@3": "empty component in path",
            "/./a": ". in path",
            "/..@3": ".. in path",
            "/a\0": "control character in path",
            "/a\nb": "control character in path",
            "/a\x85": "control character in path",
            "/\udc80": "not encodable as UTF-8",
            "/" + "x" * 255: "component longer than 254 bytes",
            "/" + "ż" * 128: "component longer than 254 bytes",
            "/xxx" * 600: "longer than 2048 bytes",
            "/a@-1": f"version must be between 0 and {MAX_VERSION}, not -1",
            "/a@253402300800": f"version must be between 0 and {MAX_VERSION}, not 253402300800",
        }.items():
            with self.subTest(name), self.assertRaises(InvalidName) as caught:
                check_name(name)
            self.assertEqual(str(caught.exception), f"Invalid Filetracker filename: {reason}")
            self.assertEqual((caught.exception.name, caught.exception.reason), (name, reason))

    def test_version_not_allowed(self) -> None:
        with self.assertRaisesRegex(InvalidName, "version not allowed in this API call"):
            check_name("/a@5", allow_version=False)

    @given(st.text())
    def test_any_text_is_accepted_or_refused(self, text: str) -> None:
        try:
            check_name(text)
        except InvalidName:
            return
        unversioned, version = split_name(text)
        self.assertTrue(unversioned.startswith("/"))
        self.assertNotIn("..", unversioned.split("/"))
        self.assertNotIn("", unversioned.split("/")[1:])
        self.assertIn(text, (unversioned, versioned_name(unversioned, version or 0), text))

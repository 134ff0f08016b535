"""Parsing requests of the protocol, without a server."""

import unittest
from email.utils import formatdate

from hypothesis import given
from hypothesis import strategies as st

from librarian.tracker.interfaces import (
    BadName,
    BadRequest,
    Declared,
    LengthRequired,
    Overwrite,
    TooLarge,
    TrackerRefusal,
    UnknownCoding,
)
from librarian.tracker.protocol import (
    UNDECLARED_SIZE,
    Endpoint,
    Target,
    date_of,
    declared_upload,
    delete_version,
    most_unpacked,
    parse_path,
    put_version,
    wanted_version,
)

SHA = "ab" * 32


class PathTests(unittest.TestCase):
    def test_valid_names(self) -> None:
        for path, target in {
            "/": Target(Endpoint.TOP, "/"),
            "/version": Target(Endpoint.VERSION, "/"),
            "/version/": Target(Endpoint.VERSION, "/"),
            "/files/a/b": Target(Endpoint.FILES, "/a/b"),
            "//files/a/b/": Target(Endpoint.FILES, "/a/b"),
            "/files/a@5": Target(Endpoint.FILES, "/a", 5),
            "/list": Target(Endpoint.LIST, "/"),
            "/list/": Target(Endpoint.LIST, "/"),
            "/list/a/b/": Target(Endpoint.LIST, "/a/b"),
            "/history/a": Target(Endpoint.HISTORY, "/a"),
            "/files/" + "ż ó".encode().decode("latin-1"): Target(Endpoint.FILES, "/ż ó"),
        }.items():
            with self.subTest(path):
                self.assertEqual(parse_path(path), target)

    def test_invalid_names(self) -> None:
        for path, refusal in {
            "/files/..": BadName,
            "/files/a/../../etc/passwd": BadName,
            "/files/a/..@5": BadName,
            "/files//etc/passwd": BadName,
            "/files/a//b": BadName,
            "/files/./a": BadName,
            "/files/a\0b": BadName,
            "/files/a\nb": BadName,
            "/files/" + "\u2028".encode().decode("latin-1"): BadName,
            "/files/" + "x" * 255: BadName,
            "/files/a@b": BadName,
            "/files/a@1@2": BadName,
            "/files/a@5/b": BadName,
            "/files/\xff": BadRequest,
            "/../files/a": BadRequest,
            "/bogus/a": BadRequest,
            "/version/x": BadRequest,
        }.items():
            with self.subTest(path), self.assertRaises(refusal):
                parse_path(path)

    @given(st.text(st.characters(max_codepoint=255)))
    def test_any_path_is_parsed_or_refused(self, path: str) -> None:
        try:
            target = parse_path(path)
        except TrackerRefusal as refusal:
            self.assertEqual(refusal.status, 400)
            return
        self.assertTrue(target.name.startswith("/"))
        self.assertNotIn("..", target.name.split("/"))


class VersionTests(unittest.TestCase):
    def test_wanted(self) -> None:
        plain, with_version = Target(Endpoint.FILES, "/a"), Target(Endpoint.FILES, "/a", 5)
        self.assertEqual(wanted_version(plain, {}), None)
        self.assertEqual(wanted_version(plain, {"version": "7"}), 7)
        self.assertEqual(wanted_version(with_version, {}), 5)
        self.assertEqual(wanted_version(with_version, {"version": "5"}), 5)
        for text in ("", "x", "-1", "1.5", "9" * 30, "٣"):
            with self.subTest(text), self.assertRaises(BadRequest):
                wanted_version(plain, {"version": text})
        with self.assertRaises(BadRequest):
            wanted_version(with_version, {"version": "6"})

    def test_put(self) -> None:
        date = formatdate(5)
        for query, header, marks, meaning in (
            ({"last_modified": date}, None, True, (5, Overwrite.UNLESS_OLDER)),
            ({"last_modified": date}, formatdate(6), False, (5, Overwrite.UNLESS_OLDER)),
            ({}, date, False, (5, Overwrite.IF_NEWER)),
            ({}, None, False, (None, Overwrite.ALWAYS)),
        ):
            with self.subTest(query=query, header=header):
                self.assertEqual(put_version(query, header, is_version_2=marks), meaning)
        for query, header in (({}, None), ({"last_modified": ""}, None), ({"last_modified": "x"}, date)):
            with self.subTest(query=query), self.assertRaises(BadRequest):
                put_version(query, header, is_version_2=True)
        with self.assertRaises(BadRequest):
            put_version({}, "not a date", is_version_2=False)

    def test_delete_and_list(self) -> None:
        self.assertEqual(delete_version({"last_modified": formatdate(5)}, None), 5)
        self.assertEqual(delete_version({}, formatdate(5)), 5)
        self.assertEqual(date_of({}), None)
        for query in ({}, {"last_modified": "0"}):
            with self.subTest(query), self.assertRaises(BadRequest):
                delete_version(query, None)


class UploadTests(unittest.TestCase):
    def test_declared(self) -> None:
        both = {"content-encoding": "GZIP", "logical-size": "10", "sha256-checksum": SHA.upper()}
        self.assertEqual(declared_upload(both, 7, 0), Declared(10, SHA, True, 7))
        self.assertEqual(declared_upload({}, 7, 0), Declared(7, None, False, None))
        self.assertEqual(declared_upload({"sha256-checksum": SHA}, None, 0), Declared(None, SHA, False, None))

    def test_refused(self) -> None:
        for headers, length, largest, refusal in (
            ({"content-encoding": "br"}, 7, 0, UnknownCoding),
            ({"content-encoding": "gzip, gzip"}, 7, 0, UnknownCoding),
            ({"sha256-checksum": "../../PWNED"}, 7, 0, BadRequest),
            ({"sha256-checksum": SHA + "0"}, 7, 0, BadRequest),
            ({"logical-size": "-1"}, 7, 0, BadRequest),
            ({"logical-size": "1e3"}, 7, 0, BadRequest),
            ({"logical-size": "9" * 100}, 7, 0, BadRequest),
            ({"logical-size": "8"}, 7, 0, BadRequest),
            ({}, None, 0, LengthRequired),
            ({"content-encoding": "gzip"}, None, 0, LengthRequired),
            ({}, 7, 6, TooLarge),
            ({"content-encoding": "gzip", "logical-size": "7"}, 1, 6, TooLarge),
        ):
            with self.subTest(headers=headers), self.assertRaises(refusal):
                declared_upload(headers, length, largest)

    def test_limit_of_unpacked_size(self) -> None:
        self.assertEqual(most_unpacked(Declared(10, None, True, 7), 0), 10)
        self.assertEqual(most_unpacked(Declared(None, None, True, 7), 0), UNDECLARED_SIZE)
        self.assertEqual(most_unpacked(Declared(None, None, True, 1 << 30), 0), 100 << 30)
        self.assertEqual(most_unpacked(Declared(None, None, True, 1 << 30), 5000), 5000)

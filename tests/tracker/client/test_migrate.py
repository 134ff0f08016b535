"""Migrations that are interrupted, and sources and targets that change or fail."""

import os
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from librarian.tracker.client.interfaces import NotASource, RemoteUnavailable
from librarian.tracker.client.migration.migrate import LISTINGS, Tally, migrate
from librarian.tracker.client.migration.mover import Outcome
from librarian.tracker.client.migration.sources import DirectorySource, ServerSource
from librarian.tracker.client.stores.base import Fact
from librarian.tracker.client.stores.remote import RemoteDataStore
from librarian.tracker.client.wire.transport import Transport
from tests.tracker.client.server import Tracker, tracker


def store(server: Tracker) -> RemoteDataStore:
    transport = Transport(server.url, read_seconds=5, sleep=lambda seconds: None)
    return RemoteDataStore(server.url, transport=transport)


def counts(tally: Tally) -> dict[Outcome, int]:
    return {outcome: count for outcome, count in tally.counts.items() if count}


class MigrateCase(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.base = Path(directory.name)
        serving = tracker()
        self.server = serving.__enter__()
        self.addCleanup(serving.__exit__, None, None, None)
        self.target = store(self.server)

    def add(self, name: str, version: int, data: bytes) -> None:
        path = self.base / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (version, version))


class DirectoryTests(MigrateCase):
    def test_a_whole_directory(self) -> None:
        self.add("a/ż ó", 5, b"text " * 1000)
        self.add("b", 7, b"")
        seen: list[tuple[str, Outcome]] = []
        tally = migrate(DirectorySource(str(self.base)), self.target, lambda *what: seen.append(what))
        self.assertEqual(seen, [("/a/ż ó", Outcome.COPIED), ("/b", Outcome.COPIED)])
        self.assertEqual((counts(tally), tally.bytes_copied), ({Outcome.COPIED: 2}, 5000))
        self.assertEqual(self.server.files, {"/a/ż ó": {5: b"text " * 1000}, "/b": {7: b""}})

    def test_the_directory_files_itself(self) -> None:
        self.add("b", 7, b"x")
        migrate(DirectorySource(str(self.base / "files")), self.target)
        self.assertEqual(self.server.files, {"/b": {7: b"x"}})

    def test_greater_versions_at_the_target_stay(self) -> None:
        for name, version in (("same", 5), ("older-there", 5), ("newer-there", 5), ("other-size", 5)):
            self.add(name, version, b"data")
        self.server.files = {
            "/same": {5: b"data"},
            "/older-there": {4: b"data"},
            "/newer-there": {6: b"data"},
            "/other-size": {5: b"cut"},
        }
        tally = migrate(DirectorySource(str(self.base)), self.target)
        self.assertEqual(counts(tally), {Outcome.COPIED: 2, Outcome.THERE: 1, Outcome.NEWER: 1})
        self.assertEqual(self.server.files["/other-size"], {5: b"data"})
        self.assertEqual(self.server.files["/newer-there"], {6: b"data"})

    def test_verify_finds_what_size_and_time_do_not_tell(self) -> None:
        self.add("a", 5, b"data")
        self.server.files = {"/a": {5: b"DATA"}}
        source = DirectorySource(str(self.base))
        self.assertEqual(counts(migrate(source, self.target)), {Outcome.THERE: 1})
        self.assertEqual(counts(migrate(source, self.target, verify=True)), {Outcome.COPIED: 1})
        self.assertEqual(counts(migrate(source, self.target, verify=True)), {Outcome.THERE: 1})
        self.assertEqual(self.server.files, {"/a": {5: b"data"}})

    def test_invalid_names_are_reported(self) -> None:
        for name in ("good", "with@sign", "with\nline"):
            self.add(name, 5, b"x")
        tally = migrate(DirectorySource(str(self.base)), self.target)
        self.assertEqual(counts(tally), {Outcome.COPIED: 1, Outcome.FAILED: 2})
        self.assertEqual([name for name, _reason in tally.failures], ["/with\nline", "/with@sign"])
        self.assertIn("control character", tally.failures[0][1])

    def test_below(self) -> None:
        for name in ("a/b", "ab", "c"):
            self.add(name, 5, b"x")
        migrate(DirectorySource(str(self.base)), self.target, below="a")
        self.assertEqual(list(self.server.files), ["/a/b"])

    def test_interrupted_and_repeated(self) -> None:
        for number in range(20):
            self.add(f"{number:02d}", 5, b"%d" % number)
        source = DirectorySource(str(self.base))
        self.server.faults = [*[None] * 15, *[(403, "not now")] * 1000]
        first = migrate(source, self.target, jobs=1)
        self.assertGreater(first.counts[Outcome.COPIED], 2)
        self.assertGreater(first.counts[Outcome.FAILED], 5)
        self.server.faults = []
        second = migrate(source, self.target)
        self.assertEqual(second.counts[Outcome.COPIED], first.counts[Outcome.FAILED])
        self.assertEqual(len(self.server.files), 20)

    def test_other_things_than_files_are_reported(self) -> None:
        self.add("a/file", 5, b"x")
        elsewhere = self.base / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "b").write_bytes(b"served through the link")
        files = self.base / "files"
        (files / "linked").symlink_to(elsewhere)
        (files / "dangling").symlink_to("/does/not/exist")
        os.mkfifo(files / "pipe")
        tally = migrate(DirectorySource(str(self.base)), self.target)
        self.assertEqual(counts(tally), {Outcome.COPIED: 1, Outcome.FAILED: 3})
        self.assertEqual(sorted(name for name, _reason in tally.failures), ["/dangling", "/linked", "/pipe"])

    def test_a_directory_that_cannot_be_read(self) -> None:
        self.add("a/file", 5, b"x")

        def scandir(path: str) -> Any:
            if str(path).endswith("/a"):
                raise PermissionError(13, "Permission denied", path)
            return real(path)

        real = os.scandir
        with mock.patch("os.scandir", scandir), self.assertRaises(PermissionError):
            migrate(DirectorySource(str(self.base)), self.target)

    def test_no_source(self) -> None:
        with self.assertRaises(NotASource):
            DirectorySource(str(self.base / "nothing"))
        (self.base / "links").mkdir()
        with self.assertRaisesRegex(NotASource, "2.x server"):
            DirectorySource(str(self.base))


class ServerTests(MigrateCase):
    def test_from_the_original(self) -> None:
        with tracker(modern=False) as old:
            old.files = {"/a/b": {5: b"text " * 1000}, "/ż": {6: b"x"}, "/kept": {7: b"y"}}
            self.server.files = {"/kept": {7: b"y"}}
            source = ServerSource(store(old))
            tally = migrate(source, self.target)
            self.assertEqual(counts(tally), {Outcome.COPIED: 2, Outcome.THERE: 1})
            self.assertEqual(self.server.files, old.files)
            self.assertEqual(counts(migrate(source, self.target, verify=True)), {Outcome.THERE: 3})

    def test_names_that_the_original_lists_encoded_twice(self) -> None:
        """Also where both readings of a line are names that are there."""
        names = ("/ü", "/Ã¼", "/¡", "/Â¡", "/€/日本", "/caf\u00e9 \U0001f600")
        with tracker(modern=False) as old:
            old.files = {name: {5: name.encode()} for name in names}
            self.assertEqual(counts(migrate(ServerSource(store(old)), self.target)), {Outcome.COPIED: 6})
            self.assertEqual(self.server.files, old.files)

    def test_names_that_look_encoded_twice_and_are_not(self) -> None:
        names = ("/ü", "/Ã¼", "/Å¼", "/日本")
        with tracker() as old:
            old.files = {name: {5: name.encode()} for name in names}
            self.assertEqual(counts(migrate(ServerSource(store(old)), self.target)), {Outcome.COPIED: 4})
            self.assertEqual(self.server.files, old.files)

    def test_a_name_that_is_not_utf8_is_reported(self) -> None:
        with tracker(modern=False) as old:
            old.files = {"/ü": {5: b"x"}, "/lat\udce9": {5: b"y"}}
            tally = migrate(ServerSource(store(old)), self.target)
            self.assertEqual(counts(tally), {Outcome.COPIED: 1, Outcome.FAILED: 1})
            self.assertEqual([name for name, _reason in tally.failures], ["/lat\udce9"])

    def test_deleted_meanwhile(self) -> None:
        with tracker(modern=False) as old:
            old.files = {"/a": {5: b"x"}, "/b": {5: b"y"}}
            source = ServerSource(store(old))
            describe = source.describe

            def late(name: str) -> Fact:
                old.files.pop("/a", None)
                return describe(name)

            source.describe = late  # type: ignore[method-assign]  # deletes it after it was listed
            self.assertEqual(counts(migrate(source, self.target)), {Outcome.GONE: 1, Outcome.COPIED: 1})

    def test_a_listed_name_that_is_not_found_is_a_failure(self) -> None:
        with tracker(modern=False) as old:
            old.files = {"/a": {5: b"x"}, "/b": {5: b"y"}}
            old.hidden = {"/a"}
            tally = migrate(ServerSource(store(old)), self.target)
            self.assertEqual(counts(tally), {Outcome.FAILED: 1, Outcome.COPIED: 1})
            self.assertEqual([name for name, _reason in tally.failures], ["/a"])

    def test_a_source_that_goes_on_changing(self) -> None:
        """What comes while others are copied is copied too; a source that never rests is said to be one."""
        with tracker(modern=False) as old:
            old.files = {"/a0": {5: b"x"}}
            source = ServerSource(store(old))
            fetch, left = source.fetch, 2

            def busy(name: str, directory: str) -> tuple[str, int]:
                nonlocal left
                if left:
                    left -= 1
                    old.files[f"/new{left}"] = {5: b"new"}
                return fetch(name, directory)

            source.fetch = busy  # type: ignore[method-assign]
            expected: list[int] = []
            tally = migrate(source, self.target, expect=expected.append, jobs=1)
            self.assertEqual((counts(tally), expected), ({Outcome.COPIED: 3}, [1, 2, 3]))
            self.assertEqual(self.server.files, old.files)
            left = 1000
            old.files["/again"] = {5: b"x"}
            tally = migrate(source, self.target, jobs=1)
            self.assertEqual(tally.counts[Outcome.COPIED], LISTINGS)
            self.assertEqual([reason[-14:] for _name, reason in tally.failures], ["run this again"])

    def test_files_of_the_fallback_do_not_count(self) -> None:
        """The target redirects to the very server that the files come from, as the guide has it."""
        with tracker(modern=False) as old:
            old.files = {"/a": {5: b"x"}, "/ü": {6: b"y"}}
            self.server.redirect = old.url
            tally = migrate(ServerSource(store(old)), self.target)
            self.assertEqual(counts(tally), {Outcome.COPIED: 2})
            self.assertEqual(self.server.files, old.files)

    def test_verify_compares_both_ways(self) -> None:
        with tracker(modern=False) as old:
            old.files = {"/both": {5: b"x"}, "/ü": {6: b"y"}}
            self.server.files = {"/both": {5: b"x"}, "/ours ż": {7: b"z"}}
            tally = migrate(ServerSource(store(old)), self.target, verify=True)
            self.assertEqual(counts(tally), {Outcome.COPIED: 1, Outcome.THERE: 1})
            self.assertEqual((tally.only_there, tally.failures), (["/ours ż"], []))

    def test_verify_finds_names_that_the_target_does_not_list(self) -> None:
        with tracker(modern=False) as old:
            old.files = {"/a": {5: b"x"}, "/b": {6: b"y"}}
            self.server.unlisted = {"/b"}
            tally = migrate(ServerSource(store(old)), self.target, verify=True)
            self.assertEqual(tally.failures, [("/b", "the target does not list it")])

    def test_a_listing_that_breaks_off(self) -> None:
        with tracker(modern=False) as old:
            old.files = {"/a": {5: b"x"}, "/b": {6: b"y"}}
            old.faults = [None, 2]  # octets of the second answer, the listing
            with self.assertRaises(RemoteUnavailable):
                migrate(ServerSource(store(old)), self.target)

    def test_a_source_with_wrong_sizes(self) -> None:
        with tracker() as old:
            old.files = {"/a": {5: b"x" * 100}, "/b": {5: b"y"}}
            old.lie = {"SHA256-Checksum": "0" * 64}
            tally = migrate(ServerSource(store(old)), self.target)
            self.assertEqual(counts(tally), {Outcome.FAILED: 2})
            self.assertEqual(self.server.files, {})

    def test_no_server_listens(self) -> None:
        with tracker() as old:
            source = ServerSource(store(old))
        with self.assertRaises(RemoteUnavailable):
            migrate(source, self.target)

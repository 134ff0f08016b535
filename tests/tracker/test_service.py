"""The utility ITracker: retention, errors, permissions."""

import gzip
import unittest
from datetime import timedelta
from io import BytesIO

import transaction
from zope.component import getUtility
from zope.security.interfaces import ForbiddenAttribute, Unauthorized

from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.operations import Library
from librarian.library.upkeep.garbage.collector import GarbageCollector
from librarian.people.credentials.person_principal import GrantedScope, PersonPrincipal
from librarian.security.interaction import acting_as
from librarian.security.interfaces import IPrincipal
from librarian.security.principals import ANONYMOUS
from librarian.tracker.interfaces import (
    BadName,
    BadUpload,
    Declared,
    FileVersion,
    ITracker,
    NameConflict,
    NoSuchDirectory,
    NoSuchFile,
    NoSuchVersion,
    NotYours,
    Overwrite,
    TooLarge,
)
from librarian.tracker.protocol import SMALLEST_PACKED
from tests.support.documents.people import person
from tests.support.layers import Functional
from tests.support.world import overlay

TEXT = b"text that packs well " * 500


class ServiceCase(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.tracker = getUtility(ITracker)

    def put(
        self, name: str, version: int | None, data: bytes, declared: Declared | None = None
    ) -> FileVersion:
        stream = BytesIO(data)
        file, _ours = self.tracker.put(name, stream, version, Overwrite.UNLESS_OLDER, declared or Declared())
        transaction.begin()
        found: FileVersion = file
        return found

    def versions(self, name: str) -> list[int]:
        return [file.version for file in self.tracker.history(name)]


class KeepingTests(ServiceCase):
    def collect(self) -> int:
        """Everything the collector would take in the next weeks, taken; bytes left in the store."""
        for _week in range(4):
            Functional.world.clock.move(days=8)
            GarbageCollector(Library()).run()
        transaction.begin()
        return len(list(Functional.world.store))

    def test_the_collector_deletes_released_versions_only(self) -> None:
        with overlay("[librarian.tracker]\nkeep_for = 365d"):
            self.put("/a", 5, b"five")
            self.put("/a", 6, b"six")
            self.put("/p", 5, gzip.compress(TEXT), Declared(packed=True))
            self.assertEqual(self.collect(), 4)
            file = self.tracker.get("/p")
            self.assertEqual(self.tracker.open(file).read(), TEXT)
            self.assertEqual(self.tracker.open(self.tracker.get("/a", 5)).read(), b"five")
            self.tracker.delete("/p", 5)
            self.assertEqual(self.collect(), 4)
        self.assertEqual(self.tracker.prune(), self.tracker.prune(dry_run=True).__class__(2, 4 + len(TEXT)))
        self.assertEqual(self.collect(), 1)
        self.assertEqual(self.versions("/a"), [6])

    def test_an_ignored_upload_leaves_bytes_to_the_sweep_only(self) -> None:
        """Two race, and the loser's bytes are durable before it is known that they lose."""
        self.put("/a", 6, b"six")
        present = self.tracker.get("/a")
        file, is_ours = self.tracker.put("/a", BytesIO(b"five"), 5, Overwrite.UNLESS_OLDER, Declared())
        self.assertEqual((file, is_ours), (present, False))
        self.assertEqual(self.collect(), 1)

    def test_rule_by_number(self) -> None:
        with overlay("[librarian.tracker]\nkeep_versions = 3"):
            for version in range(10, 20):
                self.put("/a", version, b"%d" % version)
        self.assertEqual(self.versions("/a"), [19, 18, 17, 16])
        with overlay("[librarian.tracker]\nkeep_versions = 0"):
            self.put("/a", 20, b"20")
        self.assertEqual(self.versions("/a"), [20])

    def test_rule_by_age(self) -> None:
        for version in range(10, 13):
            self.put("/a", version, b"%d" % version)
            Functional.world.clock.move(days=10)
        # 10 was replaced twenty days ago, 11 ten days ago
        with overlay("[librarian.tracker]\nkeep_for = 20d"):
            self.assertEqual(self.tracker.prune().versions, 1)
        transaction.begin()
        self.assertEqual(self.versions("/a"), [12, 11])

    def test_pruning_many_names(self) -> None:
        with overlay("[librarian.tracker]\nkeep_versions = 5"):
            for name in range(150):
                for version in range(1, 6):
                    self.put(f"/d/{name}", version, b"x")
        Functional.world.clock.move(days=31)
        self.assertEqual(self.tracker.prune(dry_run=True).versions, 600)
        self.assertEqual(self.tracker.prune().versions, 600)
        self.assertEqual(self.tracker.prune().versions, 0)

    def test_the_gzip_form_is_kept_only_if_set_and_smaller(self) -> None:
        packed = gzip.compress(TEXT)
        self.assertIsNotNone(self.put("/a", 5, packed, Declared(packed=True)).packed_sha256)
        self.assertIsNone(
            self.put("/b", 5, gzip.compress(bytes(range(256))), Declared(packed=True)).packed_sha256
        )
        small = TEXT[: SMALLEST_PACKED - 1]
        self.assertIsNone(self.put("/s", 5, gzip.compress(small), Declared(packed=True)).packed_sha256)
        with overlay("[librarian.tracker]\nkeep_packed = no"):
            self.assertIsNone(self.put("/c", 5, packed, Declared(packed=True)).packed_sha256)

    def test_a_failing_stream(self) -> None:
        class Failing(BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                raise OSError("the line is dead")

        self.put("/a", 5, b"five")
        with self.assertRaisesRegex(OSError, "the line is dead"):
            self.put_stream("/a", Failing())
        self.assertEqual(self.versions("/a"), [5])
        self.assertEqual(len(list(Functional.world.store)), 1)

    def put_stream(self, name: str, stream: BytesIO) -> None:
        self.tracker.put(name, stream, 6, Overwrite.UNLESS_OLDER, Declared())

    def test_the_callers_transaction_is_untouched(self) -> None:
        """A put is durable although its caller aborts, and the caller's work is not committed with it."""
        aliases = getUtility(ILibraryFileAliasSet)
        alias = aliases.create("mine.txt", 4, BytesIO(b"mine"), "text/plain")
        self.tracker.put("/a", BytesIO(b"five"), 5, Overwrite.UNLESS_OLDER, Declared())
        transaction.abort()
        self.assertEqual(self.versions("/a"), [5])
        with self.assertRaises(LookupError):
            aliases[alias.id]


class NameTests(ServiceCase):
    def test_directories_and_files(self) -> None:
        self.put("/d/e/f", 5, b"x")
        for name in ("/d", "/d/e", "/d/e/f/g"):
            with self.subTest(name), self.assertRaises(NameConflict):
                self.put(name, 6, b"x")
        self.tracker.delete("/d/e/f", 5)
        transaction.begin()
        self.put("/d", 6, b"now a file")
        self.assertEqual(self.tracker.listing("/"), b"d\n")
        self.assertEqual(self.versions("/d/e/f"), [5])

    def test_invalid_names(self) -> None:
        for name in ("", "a", "/", "/a/", "/../a", "/a@5", "/a\0", "//a", "/" + "x" * 300):
            with self.subTest(name):
                for call in (self.tracker.get, self.tracker.history):
                    with self.assertRaises(BadName):
                        call(name)
                with self.assertRaises(BadName):
                    self.put(name, 5, b"x")
                with self.assertRaises(BadName):
                    self.tracker.delete(name, 5)

    def test_not_found(self) -> None:
        self.put("/d/a", 5, b"x")
        for name in ("/b", "/d", "/d/a/b"):
            with self.subTest(name), self.assertRaises(NoSuchFile):
                self.tracker.get(name)
        with self.assertRaises(NoSuchVersion):
            self.tracker.get("/d/a", 4)
        for directory in ("/b", "/d/a"):
            with self.subTest(directory), self.assertRaises(NoSuchDirectory):
                self.tracker.listing(directory)
        self.assertEqual([entry.name for entry in self.tracker.entries("/")], ["d"])

    def test_too_large(self) -> None:
        with overlay("[librarian.tracker]\nlargest_file = 10"):
            self.put("/a", 5, b"0123456789")
            for declared in (Declared(), Declared(size=11)):
                with self.subTest(declared), self.assertRaises(TooLarge):
                    self.put("/b", 5, b"0123456789a", declared)
            with self.assertRaises(BadUpload):
                self.put("/b", 5, gzip.compress(b"0123456789a"), Declared(packed=True))


class AccessTests(ServiceCase):
    def test_anonymous_principals_have_no_permission(self) -> None:
        self.put("/a", 5, b"x")
        with acting_as(ANONYMOUS):
            for verb in ("get", "open", "history", "listing", "entries", "put", "delete", "prune"):
                with self.subTest(verb), self.assertRaises(Unauthorized):
                    getattr(self.tracker, verb)

    def test_a_reader_may_only_read(self) -> None:
        self.put("/a", 5, b"x")
        with acting_as(getUtility(IPrincipal, "tracker-reader")):
            self.assertEqual(self.tracker.get("/a").version, 5)
            with self.assertRaises(Unauthorized):
                self.put("/a", 6, b"y")

    def test_people_read_and_write_and_only_admins_prune(self) -> None:
        with acting_as(person("mary")):
            self.assertEqual(self.put("/a", 5, b"x").owner, "person:mary")
            with self.assertRaises(Unauthorized):
                self.tracker.prune()
        with acting_as(person("root", "admins")):
            self.assertEqual(self.tracker.prune().versions, 0)

    def test_prefixes(self) -> None:
        for name in ("/problems/a", "/problems-of-others/a", "/other"):
            self.put(name, 5, b"x")
        read = frozenset({"librarian.TrackerRead"})
        mary = person("mary").person
        for prefix in ("/problems", "problems", "/problems/"):
            scope = GrantedScope("tracker:read", prefix, read)
            with self.subTest(prefix), acting_as(PersonPrincipal(mary, [scope])):
                self.assertEqual(self.tracker.get("/problems/a").version, 5)
                self.assertEqual(self.tracker.listing("/problems"), b"a\n")
                for name in ("/problems-of-others/a", "/other", "/problems-of-others"):
                    with self.assertRaises(NotYours):
                        self.tracker.get(name)
                with self.assertRaises(NotYours):
                    self.tracker.listing("/")
                with self.assertRaises(Unauthorized):
                    self.put("/problems/a", 6, b"y")

    def test_only_the_interface_is_accessible(self) -> None:
        for name in ("subtree", "settings", "open_bytes", "_library"):
            with self.subTest(name), self.assertRaises(ForbiddenAttribute):
                getattr(self.tracker, name)

    def test_times(self) -> None:
        file = self.put("/a", None, b"x")
        self.assertEqual(file.stored, Functional.world.clock.now())
        Functional.world.clock.move(seconds=-100)
        self.assertEqual(self.put("/a", None, b"y").version, file.version + 1)
        superseded = self.tracker.history("/a")[1].superseded
        assert superseded is not None
        self.assertEqual(superseded, file.stored - timedelta(seconds=100))

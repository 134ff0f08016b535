"""Contents and aliases are stored as tuples, and were as dictionaries; keys of SHA-1s were longer."""

import pickle
import unittest
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from persistent import Persistent

from librarian.library.model.files import LibraryFileAlias, LibraryFileContent
from librarian.library.model.subtree import LibrarySubtree, sha1_keys
from librarian.store.interfaces import StoredBytes
from tests.library.test_many_writers import stored

NOON = datetime(2026, 3, 1, 12, 0, 0, 7, tzinfo=UTC)
ABROAD = timezone(timedelta(hours=2))


def alias(**facts: Any) -> LibraryFileAlias:
    given = {"expires": None, "restricted": True, "date_created": NOON, "owner": None, **facts}
    return LibraryFileAlias(7, "a.txt", "text/plain", None, **given)


def copy(thing: Any, state: Any = None) -> Any:
    """What is read again of a thing, or of the state that an older database has of it."""
    kind: Any = type(thing)
    new = kind.__new__(kind)
    new.__setstate__(pickle.loads(pickle.dumps(thing.__getstate__() if state is None else state)))  # noqa: S301
    return new


class Forms(unittest.TestCase):
    def test_alias(self) -> None:
        one = alias()
        self.assertEqual(vars(copy(one)), vars(one))
        self.assertEqual(vars(copy(one, vars(one))), vars(one))

    def test_alias_with_everything(self) -> None:
        one = alias(owner="person:ada", expires=NOON + timedelta(days=7))
        one.unreferenced_since, one.content_deleted = NOON, NOON
        one.former_content = None
        self.assertEqual(vars(copy(one)), vars(one))

    def test_times(self) -> None:
        """In UTC to the microsecond, from the first to the last; others with their zone."""
        for moment in (
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
            datetime(2038, 1, 1, tzinfo=ABROAD),
        ):
            found = copy(alias(expires=moment)).expires
            self.assertEqual(found.isoformat(), moment.isoformat())

    def test_content(self) -> None:
        one = LibraryFileContent(stored(b"data"), NOON)
        self.assertEqual(vars(copy(one)), vars(one))
        self.assertEqual(vars(copy(one, vars(one))), vars(one))
        for name, value in (("unclaimed_since", NOON), ("damage", "missing"), ("unclaimed_since", None)):
            setattr(one, name, value)
            self.assertEqual(self.facts(one), self.facts(copy(one)))
        one.damage = None
        self.assertEqual(len(one.__getstate__()), 4)  # nearly all contents: no room for what is not

    def facts(self, content: LibraryFileContent) -> tuple[Any, ...]:
        return content.sha256, content.datecreated, content.unclaimed_since, content.damage

    def test_they_are_small(self) -> None:
        both = alias(), LibraryFileContent(stored(b""), NOON)
        size = sum(len(pickle.dumps(one.__getstate__(), 3)) for one in both)
        self.assertLess(size, 170)

    def test_they_are_persistent(self) -> None:
        self.assertTrue(issubclass(LibraryFileAlias, Persistent))


class ShaOne(unittest.TestCase):
    def setUp(self) -> None:
        self.subtree = LibrarySubtree()

    def add(self, sha256: str, sha1: str) -> LibraryFileContent:
        return self.subtree.content_for(StoredBytes(sha256 * 8, sha1 * 5, "0" * 32, 4), NOON)

    def found(self, sha1: str) -> list[str]:
        return [key.hex()[:8] for key in self.subtree.sha256s_of(bytes.fromhex(sha1 * 5))]

    def test_two_contents_may_share_one(self) -> None:
        self.add("aaaaaaaa", "11111111")
        self.add("bbbbbbbb", "11111111")
        self.add("cccccccc", "22222222")
        self.assertEqual(self.found("11111111"), ["aaaaaaaa", "bbbbbbbb"])
        self.assertEqual(self.found("33333333"), [])

    def test_a_prefix_that_two_share(self) -> None:
        first = "aaaaaaaa"
        for last, sha1 in (("b", "11111111"), ("c", "22222222")):
            self.subtree.content_for(StoredBytes(first * 7 + last * 8, sha1 * 5, "0" * 32, 4), NOON)
        [found] = self.subtree.sha256s_of(bytes.fromhex("22222222" * 5))
        self.assertEqual(found.hex()[-1], "c")

    def test_keys_of_older_databases(self) -> None:
        content = self.add("aaaaaaaa", "11111111")
        short, long = sha1_keys(content)
        self.assertEqual((list(self.subtree.by_sha1), len(short)), ([short], 24))
        self.subtree.by_sha1.remove(short)
        self.subtree.by_sha1.add(long)
        self.assertEqual(self.found("11111111"), ["aaaaaaaa"])
        self.subtree.drop_content(content)
        self.assertEqual(list(self.subtree.by_sha1), [])

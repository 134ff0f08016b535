"""The cache of a ZEO client: what is superseded is never stored as current, in any order of the stream."""

import unittest

from ZEO.cache import ClientCache
from ZODB.utils import maxtid, p64

from librarian.tree.engines.zeo_cache import REMEMBERED, refuse_superseded

OID, OTHER = p64(7), p64(8)
FIRST, SECOND, THIRD = p64(11), p64(12), p64(13)


class Orders(unittest.TestCase):
    def setUp(self) -> None:
        self.cache = ClientCache(None, 1 << 22)
        self.addCleanup(self.cache.close)
        refuse_superseded(self.cache)

    def current(self, oid: bytes) -> bytes | None:
        found = self.cache.loadBefore(oid, maxtid)
        return found and found[0]

    def test_word_of_a_commit_before_the_answer_is_stored(self) -> None:
        """The order in which ZEO's client does the two when they come in one piece."""
        self.cache.invalidate(OID, SECOND)
        self.cache.store(OID, FIRST, None, b"old")
        self.assertIsNone(self.current(OID))
        self.cache.store(OID, SECOND, None, b"new")
        self.assertEqual(self.current(OID), b"new")

    def test_the_usual_order(self) -> None:
        self.cache.store(OID, FIRST, None, b"old")
        self.cache.invalidate(OID, SECOND)
        self.assertIsNone(self.current(OID))
        self.assertEqual(self.cache.loadBefore(OID, SECOND), (b"old", FIRST, SECOND))

    def test_an_own_commit_stores_what_it_has_written(self) -> None:
        self.cache.store(OID, FIRST, None, b"old")
        self.cache.invalidate(OID, SECOND)
        self.cache.store(OID, SECOND, None, b"mine")
        self.assertEqual(self.current(OID), b"mine")

    def test_states_of_the_past_are_stored_as_such(self) -> None:
        self.cache.invalidate(OID, THIRD)
        self.cache.store(OID, FIRST, SECOND, b"past")
        self.assertEqual(self.cache.loadBefore(OID, SECOND), (b"past", FIRST, SECOND))

    def test_only_the_object_itself_is_refused(self) -> None:
        self.cache.invalidate(OID, SECOND)
        self.cache.store(OTHER, FIRST, None, b"other")
        self.assertEqual(self.current(OTHER), b"other")

    def test_what_is_dropped_without_a_transaction_may_come_back(self) -> None:
        self.cache.store(OID, FIRST, None, b"old")
        self.cache.invalidate(OID, None)  # as ZEO does when it verifies its cache
        self.cache.store(OID, FIRST, None, b"old")
        self.assertEqual(self.current(OID), b"old")

    def test_memory_is_bounded(self) -> None:
        for number in range(REMEMBERED + 1):
            self.cache.invalidate(p64(100 + number), SECOND)
        self.cache.store(p64(100), FIRST, None, b"forgotten")
        self.assertEqual(self.current(p64(100)), b"forgotten")
        self.cache.store(p64(101), FIRST, None, b"remembered")
        self.assertIsNone(self.current(p64(101)))

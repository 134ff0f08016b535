"""A node whose clock is wrong goes by the database's."""

import unittest
from datetime import datetime, timedelta
from typing import Any

from zope.interface import implementer
from zope.interface.verify import verifyObject

from librarian.clock import LEFT_ALONE, NodeClock, own_time
from librarian.interfaces import IFollowingClock
from librarian.operations.clocks import compare_clocks
from tests.security.zcml import HandMovedClock


@implementer(IFollowingClock)
class Node(HandMovedClock):
    """A node whose clock is moved by hand."""

    ahead = timedelta(0)

    def now(self) -> datetime:
        return self.time + self.ahead

    def own(self) -> datetime:
        return self.time

    def follow(self, ahead: timedelta) -> None:
        self.ahead = ahead


class Database:
    """Its clock is `ahead` of the node's; a commit takes seconds before it is numbered, and after."""

    def __init__(self, node: Any, ahead: float, *, before: float = 0.001, after: float = 0.001) -> None:
        self._node, self.ahead = node, timedelta(seconds=ahead)
        self._before, self._after = before, after
        self.latest = node.own() + self.ahead

    def host_time(self) -> datetime:
        self._node.move(seconds=self._before)
        self.latest = max(self._node.own() + self.ahead, self.latest + timedelta(microseconds=1))
        self._node.move(seconds=self._after)
        return self.latest


class Comparing(unittest.TestCase):
    def setUp(self) -> None:
        self.node = Node()

    def compare(self, ahead: float, **times: float) -> str:
        database: Any = Database(self.node, ahead, **times)
        return compare_clocks(database, self.node)

    def test_five_minutes_either_way_are_followed(self) -> None:
        for ahead, said in ((300, "300 s behind"), (-300, "300 s ahead of")):
            with self.assertLogs("librarian.operations.clocks", "WARNING"):
                found = self.compare(ahead)
            self.assertEqual(
                found, f"{said} the database's, which this node follows; see to NTP on this node"
            )
            self.assertAlmostEqual(self.node.ahead.total_seconds(), ahead, delta=0.01)
            self.assertEqual(own_time(self.node), self.node.time)

    def test_it_returns_to_its_own_clock_when_that_is_right(self) -> None:
        self.node.follow(timedelta(minutes=5))
        self.assertEqual(self.compare(2), "")
        self.assertEqual(self.node.now(), self.node.own())

    def test_a_slow_commit_is_no_difference(self) -> None:
        for before, after in ((30, 0.001), (0.001, 30), (30, 30)):
            self.assertEqual(self.compare(0, before=before, after=after), "")
        with self.assertLogs("librarian.operations.clocks", "WARNING"):
            self.compare(300, before=0, after=30)
        self.assertLessEqual(abs(self.node.ahead - timedelta(minutes=5)), timedelta(seconds=30))

    def test_numbers_that_stand_still_are_no_clock(self) -> None:
        """The clock of the database was once a day ahead: until then it numbers transactions one by one."""
        database: Any = Database(self.node, 86400)
        database.ahead = timedelta(0)
        with self.assertLogs("librarian.operations.clocks", "WARNING"):
            found = compare_clocks(database, self.node)
        self.assertEqual(found, "86400 s behind the database's; see to NTP on this node")
        self.assertEqual(self.node.now(), self.node.own())

    def test_the_clock_of_a_site(self) -> None:
        clock = NodeClock()
        self.assertTrue(verifyObject(IFollowingClock, clock))
        clock.follow(timedelta(hours=1))
        ahead = clock.now() - own_time(clock)
        self.assertLess(abs(ahead - timedelta(hours=1)), LEFT_ALONE)
        self.assertIs(clock.now().tzinfo, clock.own().tzinfo)

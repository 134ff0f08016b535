"""Streams of events: what is told, in which order, to whom, and what an idle stream costs."""

import unittest
from io import BytesIO
from typing import Any

import transaction
from zope.component import getUtility

from librarian.events.model import OutboxEntry, Position
from librarian.events.streams.interfaces import (
    IEventStreams,
    MalformedEventId,
    TooManyStreams,
    UnknownKind,
)
from librarian.events.streams.service import HEARTBEAT, EventStreams, read_id, written_id
from librarian.interfaces import ISettings
from librarian.library.operations import Library
from tests.support.documents.library import keep
from tests.support.layers import Functional

ADA = "person:ada"


class Client:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.backlog = 0
        self.is_gone = self.ended = False

    def put(self, data: bytes) -> bool:
        if not self.is_gone:
            self.got.append(data)
        return not self.is_gone

    def end(self) -> None:
        self.ended = True

    @property
    def names(self) -> list[str]:
        parts = b"".join(self.got).decode().split('"filename": "')[1:]
        return [part.partition('"')[0] for part in parts]


class Streams(EventStreams):
    """The same without the thread: tests call tick()."""

    def _run(self) -> None:
        """Nothing; so the thread ends at once, and no second one is begun."""


class StreamTests(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.clock = self.layer.world.clock
        self.library = Library()
        self.streams = Streams()

    def connect(self, owner: str = ADA, everything: bool = False, **options: Any) -> Client:
        client = Client()
        self.streams.open(owner, everything, **options).begin(client)
        return client

    def add(self, name: str, owner: str = ADA) -> int:
        return keep(self.library, name.encode(), name, owner=owner)

    def test_each_hears_of_their_own_and_in_order(self) -> None:
        ada, all_of_it = self.connect(), self.connect("person:root", True)
        for number in range(20):
            self.add(f"{number}", ADA if number % 2 else "person:bob")
        self.streams.tick()
        self.assertEqual(ada.names, [str(number) for number in range(1, 20, 2)])
        self.assertEqual(all_of_it.names, [str(number) for number in range(20)])
        self.streams.tick()
        self.assertEqual(len(all_of_it.names), 20)

    def test_nothing_is_recorded_without_a_client(self) -> None:
        self.add("before")
        transaction.begin()
        subtree = self.library.tree.subtree("events")
        self.assertIsNone(subtree.recording)
        self.connect()
        self.clock.move(hours=2)
        self.add("after")
        transaction.begin()
        self.assertEqual(list(subtree.recording.entries()), [])

    def test_what_is_aborted_is_not_told(self) -> None:
        client = self.connect()
        stored = self.library.store.put(BytesIO(b"x"))

        def fail() -> None:
            self.library.add(stored, "aborted", "text/plain", owner=ADA)
            raise ZeroDivisionError

        with self.assertRaises(ZeroDivisionError):
            self.library.tree.run(fail)
        self.add("committed")
        self.streams.tick()
        self.assertEqual(client.names, ["committed"])

    def test_one_that_comes_back_to_another_process(self) -> None:
        client = self.connect()
        self.add("first")
        self.streams.tick()
        self.add("second")
        last = client.got[-1].decode().partition("id: ")[2].partition("\n")[0]
        elsewhere = Streams()
        again = Client()
        elsewhere.open(ADA, False, last_id=last).begin(again)
        elsewhere.tick()
        self.assertEqual(again.names, ["second"])
        self.assertNotIn(b"missed", b"".join(again.got))

    def test_a_transaction_that_is_committed_late(self) -> None:
        """Its event has a lower number than one that was told already; the order is that of the commits."""
        client = self.connect()
        self.add("quick")
        self.streams.tick()

        def late() -> None:
            recording = self.library.tree.subtree("events").recording
            shard, number = max(enumerate(recording.last_numbers()), key=lambda each: each[1])
            quick = recording.shards[shard][number]
            facts = {**quick.facts, "data": quick.facts["data"].replace("quick", "late")}
            recording.shards[shard][number - 1] = OutboxEntry("late", facts, (), ADA)

        self.library.tree.run(late)
        self.streams.tick()
        self.assertEqual(client.names, ["quick", "late"])

    def test_signs_of_life_the_end_and_clients_that_are_gone(self) -> None:
        client, gone, slow = self.connect(), self.connect(), self.connect()
        self.streams.tick()
        self.assertEqual(len(client.got), 1)
        self.clock.move(seconds=20)
        gone.is_gone, slow.backlog = True, 1 << 20
        self.streams.tick()
        self.assertEqual(client.got[1:], [HEARTBEAT])
        self.assertEqual((gone.ended, slow.ended, client.ended), (True, True, False))
        self.clock.move(minutes=10)
        self.streams.tick()
        self.assertTrue(client.ended)
        self.assertFalse(self.streams.tick())

    def test_old_events_are_dropped_and_that_is_told(self) -> None:
        client = self.connect()
        begun = client.got[0].decode().partition("id: ")[2].partition("\n")[0]
        self.add("old")
        self.streams.tick()
        self.clock.move(minutes=40)
        self.streams.tick()  # still listening
        self.connect()
        self.clock.move(minutes=25)
        self.streams.tick()
        transaction.begin()
        self.assertEqual(list(self.library.tree.subtree("events").recording.entries()), [])
        late = self.connect(last_id=begun)
        self.assertIn(b"event: missed", late.got[0])

    def test_an_id_that_lies_ahead_makes_no_stream_deaf(self) -> None:
        client = self.connect(last_id="ffffffffffffffff-0")
        self.add("new")
        self.streams.tick()
        self.assertIn(b"new", b"".join(client.got))

    def test_only_so_many(self) -> None:
        settings = getUtility(ISettings)
        settings.push("few", "[librarian.events]\nstreams_at_most = 2")
        self.addCleanup(settings.pop, "few")
        self.connect()
        self.connect()
        with self.assertRaises(TooManyStreams):
            self.connect()

    def test_a_kind_that_there_is_not(self) -> None:
        with self.assertRaises(UnknownKind):
            self.connect(kinds=["file.added", "file.add"])

    def test_ids(self) -> None:
        position = Position(bytes(range(8)), 12345)
        self.assertEqual(read_id(written_id(position)), position)
        for text in ("", "1", "x" * 16 + "-1", "0" * 16 + "-", "0" * 16 + "-1\n2", "0" * 16 + "--1"):
            with self.subTest(text), self.assertRaises(MalformedEventId):
                read_id(text)

    def test_the_utility(self) -> None:
        self.assertIsInstance(getUtility(IEventStreams), EventStreams)

"""A database that is away: who notices, who is told, and what is never asked for twice."""

import logging
import threading
import unittest
from typing import Any

import transaction
from persistent.mapping import PersistentMapping
from ZEO.Exceptions import ClientDisconnected
from ZODB.DB import DB

from librarian.tree.engines.interfaces import NoAnswer
from librarian.tree.engines.waiting import patiently
from librarian.tree.engines.watch import NOISY, Watch, hush_drivers
from librarian.tree.interfaces import TreeAway
from librarian.tree.opening import open_database
from librarian.tree.retrying import retrying
from librarian.tree.service import Tree
from tests.support.servers.engines import ZeoServer


class Lost(Exception):
    """What the driver of a test says."""


class Scripted:
    """An engine that does what it is told."""

    lost = (Lost,)

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.broken_off = 0

    def limit_connecting(self, seconds: float) -> None:
        """Nothing to prepare."""

    def ask(self, seconds: float) -> None:
        if self.trouble is not None:
            raise self.trouble

    def break_off(self) -> None:
        self.broken_off += 1

    def renew(self) -> None:
        """Nothing is kept."""

    def is_gone(self) -> bool:
        return False


class Watching(unittest.TestCase):
    def setUp(self) -> None:
        self.engine = Scripted()
        self.watch = Watch(self.engine, 1.0)

    def test_one_line_when_it_goes_and_one_when_it_is_back(self) -> None:
        with self.assertLogs("librarian.tree.engines.watch") as logged:
            for trouble in (None, Lost("gone"), NoAnswer("silent"), OSError("odd"), Lost("gone"), None, None):
                self.engine.trouble = trouble
                self.watch._turn()
        self.assertEqual([line.partition(":")[0] for line in logged.output], ["ERROR", "WARNING"])
        self.assertIn("database away error=gone", logged.output[0])

    def test_waiting_requests_are_broken_off_and_the_next_is_refused(self) -> None:
        self.watch.require()
        self.engine.trouble = NoAnswer("silent")
        with self.assertLogs("librarian.tree.engines.watch"):
            self.watch._turn()
        self.assertEqual(self.engine.broken_off, 1)
        self.assertRaises(TreeAway, self.watch.require)
        self.engine.trouble = None
        with self.assertLogs("librarian.tree.engines.watch"):
            self.watch._turn()
        self.watch.require()

    def test_what_is_a_loss(self) -> None:
        self.assertTrue(self.watch.is_loss(Lost()))
        self.assertFalse(self.watch.is_loss(ValueError()))

    def test_an_object_that_could_not_be_loaded_is_news_unless_the_engine_went_away(self) -> None:
        loads, before = logging.getLogger("ZODB.Connection"), {}
        for logger in map(logging.getLogger, (*NOISY, "ZODB.Connection")):
            before[logger] = (logger.level, list(logger.filters))
        hush_drivers(self.engine.lost)
        try:
            with self.assertLogs(loads) as logged:
                for error in (Lost("gone"), ValueError("damaged")):
                    try:
                        raise error
                    except (Lost, ValueError):
                        loads.exception("Couldn't load state")
        finally:
            for logger, (level, filters) in before.items():
                logger.setLevel(level)
                logger.filters = filters
        self.assertEqual(["damaged" in line for line in logged.output], [True])

    def test_patience_is_limited(self) -> None:
        with self.assertRaises(NoAnswer):
            patiently(0.05, threading.Event().wait)
        patiently(0.05, lambda seconds: True)


class Numbers(unittest.TestCase):
    """New objects after a restart of the ZEO server, which gives out numbers anew."""

    def setUp(self) -> None:
        self.server = ZeoServer()
        self.addCleanup(self.server.remove)
        self.addCleanup(self.server.stop)
        self.server.start()

    def opened(self) -> DB:
        database = open_database(self.server.uri)
        self.addCleanup(database.close)
        return database

    def test_object_ids_reserved_before_a_restart_are_not_used(self) -> None:
        first, second = self.opened(), self.opened()
        first.storage.new_oid()  # takes a hundred
        self.server.stop()
        self.server.start()
        for database in (first, second):
            database.storage._server.wait(30)
        connection = second.open()
        connection.root()["others"] = [PersistentMapping() for _number in range(150)]
        transaction.commit()
        connection.close()
        self.assertEqual(self.added(first), 20)

    def added(self, database: DB) -> int:
        """Load what others have made, then make something."""
        connection = database.open()
        try:
            connection.newTransaction(None)
            for other in connection.root()["others"]:
                other.keys()
            connection.root()["own"] = [PersistentMapping() for _number in range(20)]
            transaction.commit()
            return len(connection.root()["own"])
        finally:
            transaction.abort()
            connection.close()

    def test_an_object_id_in_use_is_skipped(self) -> None:
        """Another client may still be given one."""
        tries: list[int] = []

        def attempt() -> int:
            tries.append(1)
            if len(tries) < 3:
                raise ValueError("A different object already has the same oid")
            return len(tries)

        self.assertEqual(retrying(attempt), 3)
        self.assertRaises(ValueError, retrying, _wrong)


def _wrong() -> Any:
    raise ValueError("another")


class Lasting(unittest.TestCase):
    def test_a_disconnection_is_raised_again_without_a_watch(self) -> None:
        tries: list[int] = []

        def attempt() -> int:
            tries.append(1)
            if len(tries) == 1:
                raise ClientDisconnected
            return len(tries)

        self.assertEqual(retrying(attempt), 2)


class AClosedTree(unittest.TestCase):
    def test_what_fails_in_it_is_a_loss(self) -> None:
        tree = Tree.from_uri("memory://")
        self.assertFalse(tree.is_loss(ValueError()))
        tree.close()
        self.assertTrue(tree.is_loss(ValueError()))

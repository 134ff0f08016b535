"""The tree moved from engine to engine: whole, compared, and never while it is in use."""

import shutil
import tempfile
import unittest
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import psycopg2
import zodburi
from BTrees.OOBTree import OOBTree
from transaction import TransactionManager
from ZODB.DB import DB

from librarian.tree.engines.postgresql import WATCH
from librarian.tree.interfaces import CannotCopy
from librarian.tree.moving.move import move_tree
from librarian.tree.moving.records import Record, records
from tests.support.servers.engines import ZeoServer, postgres_uri
from tests.support.servers.postgresql import PostgresServer, postgresql_missing


class Postgres:
    """A PostgreSQL server, and a ZEO server."""

    postgres: ClassVar[PostgresServer]
    zeo: ClassVar[ZeoServer]

    @classmethod
    def missing(cls) -> str | None:
        return postgresql_missing()

    @classmethod
    def setUp(cls) -> None:
        cls.postgres, cls.zeo = PostgresServer(), ZeoServer()
        for server in (cls.postgres, cls.zeo):
            server.start()

    @classmethod
    def tearDown(cls) -> None:
        for server in (cls.postgres, cls.zeo):
            server.stop()
            server.remove()

    @classmethod
    def uri(cls) -> str:
        return postgres_uri(cls.postgres.place)


class Interrupted(Exception):
    """The end of a move before its time."""


class Moves(unittest.TestCase):
    layer = Postgres

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="librarian-moving-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.source = self.file("Data.fs")
        self.postgres = Postgres.uri()
        self.addCleanup(zap, self.postgres)
        self.change(self.source, *range(300))

    def file(self, name: str) -> str:
        return f"file://{self.folder / name}"

    def change(self, uri: str, *numbers: int) -> None:
        """Add objects to a tree, in three transactions and an object that nothing refers to."""
        factory, options = zodburi.resolve_uri(uri)
        database, manager = DB(factory(), **options), TransactionManager()
        root = database.open(manager).root()
        for part in (numbers[::2], numbers[1::2]):
            for number in part:
                root.setdefault("all", OOBTree())[number] = OOBTree({"number": number})
            manager.commit()
        del root["all"][numbers[0]]
        manager.commit()
        manager.abort()
        database.close()

    def numbers(self, uri: str) -> list[int]:
        factory, options = zodburi.resolve_uri(uri)
        database, manager = DB(factory(), **options), TransactionManager()
        found = [entry["number"] for entry in database.open(manager).root()["all"].values()]
        manager.abort()
        database.close()
        return found

    def test_there_and_back(self) -> None:
        there = move_tree(self.source, self.postgres)
        self.assertEqual(self.numbers(self.postgres), list(range(1, 300)))
        back = move_tree(self.postgres, self.file("back.fs"))
        self.assertEqual(there, back)
        self.assertEqual(self.numbers(self.file("back.fs")), list(range(1, 300)))
        self.assertEqual(sorted(self.folder.glob("back*.moving*")), [])
        self.change(self.postgres, 5000, 5001)  # with new ids, in the place of none
        self.assertEqual(self.numbers(self.postgres), [*range(1, 300), 5001])

    def test_by_way_of_zeo(self) -> None:
        there = move_tree(self.source, Postgres.zeo.uri)
        self.assertEqual(move_tree(Postgres.zeo.uri, self.postgres), there)
        self.assertEqual(self.numbers(self.postgres), list(range(1, 300)))
        factory, options = zodburi.resolve_uri(Postgres.zeo.uri)
        database = DB(factory(), **options)
        self.addCleanup(database.close)
        with self.assertRaisesRegex(CannotCopy, "a server works with the tree"):
            move_tree(Postgres.zeo.uri, self.file("back.fs"))

    def test_into_what_holds_something_else(self) -> None:
        self.change(self.postgres, 1, 2)
        self.change(self.file("other.fs"), 1, 2)
        for target, why in (
            (self.postgres, "what it holds is not of this tree"),
            (self.file("other.fs"), "holds a tree already: other.fs"),
        ):
            with self.subTest(target), self.assertRaisesRegex(CannotCopy, why):
                move_tree(self.source, target)
            self.assertEqual(self.numbers(target), [2])

    def test_cut_off_and_done_again(self) -> None:
        before = (self.folder / "Data.fs").read_bytes()
        for target in (self.postgres, self.file("new.fs")):
            with self.subTest(target):
                self.cut_off(target)
                self.assertFalse((self.folder / "new.fs").exists())
                self.assertEqual((self.folder / "Data.fs").read_bytes(), before)
                move_tree(self.source, target)
                self.assertEqual(self.numbers(target), list(range(1, 300)))

    def cut_off(self, target: str) -> None:
        """End a move after a part was committed: the copier commits each of its intervals."""
        left = 200 if target == self.postgres else 2

        def progress() -> None:
            nonlocal left
            left -= 1
            if not left:
                raise Interrupted

        logger = "relstorage.storage.copy._ProgressLogger.log_interval"
        with mock.patch(logger, 0), self.assertRaises(Interrupted):
            move_tree(self.source, target, progress)

    def test_a_difference(self) -> None:
        def changed(found: Any) -> Any:
            for number, record in enumerate(found):
                yield Record(record.oid, record.tid, b"!") if number == 7 else record

        real = records
        seen = "librarian.tree.moving.move.records"
        for target in (self.postgres, self.file("new.fs")):
            turns = iter((real, lambda storage: changed(real(storage))))
            with (
                self.subTest(target),
                mock.patch(seen, lambda s, t=turns: next(t)(s)),
            ):
                self.assertRaisesRegex(CannotCopy, "is not what the tree is", move_tree, self.source, target)
        self.assertFalse((self.folder / "new.fs").exists())

    def test_what_cannot_be_opened(self) -> None:
        for source, target, why in (
            (self.file("none.fs"), self.postgres, "there is no tree at"),
            (self.source, "postgres://user:secret@127.0.0.1:1/db?driver=psycopg2", r"cannot open .*:\*\*\*@"),
            (self.source, "nothing://x", "cannot open"),
        ):
            with self.subTest(why), self.assertRaisesRegex(CannotCopy, why) as caught:
                move_tree(source, target)
            self.assertNotIn("secret", str(caught.exception))

    def test_while_a_server_watches_postgresql(self) -> None:
        self.change(self.postgres, 1, 2)
        with (
            closing(psycopg2.connect(Postgres.uri().partition("?")[0], application_name=WATCH)),
            self.assertRaisesRegex(CannotCopy, "a server works with the tree"),
        ):
            move_tree(self.postgres, self.file("new.fs"))
        self.assertEqual(move_tree(self.postgres, self.file("new.fs")).records, 4)


def zap(uri: str) -> None:
    storage = zodburi.resolve_uri(uri)[0]()
    storage.zap_all(reset_oid=True, slow=True)
    storage.close()

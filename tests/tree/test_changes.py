"""Notices of commits: each, of any process, before it is acknowledged."""

import threading
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

import transaction
from persistent.mapping import PersistentMapping

from librarian.tree.service import Tree


class Changes(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(TemporaryDirectory()))
        self.tree = Tree.from_uri(f"file://{self.folder}/Data.fs")
        self.addCleanup(self.tree.close)
        self.changed: list[set[bytes] | None] = []
        self.tree.on_change(lambda oids: self.changed.append(None if oids is None else set(oids)))

    def write(self, tree: Tree, number: int) -> bytes:
        def work() -> bytes:
            thing = tree.root().setdefault("thing", PersistentMapping())
            thing["number"] = number
            transaction.savepoint(optimistic=True)
            oid: bytes = thing._p_oid
            return oid

        return tree.run(work)

    def test_own_commits_are_told_and_aborts_are_not(self) -> None:
        oid = self.write(self.tree, 1)
        self.changed.clear()
        with self.tree.session() as root:
            root["thing"]["number"] = 2
            transaction.abort()
        self.assertEqual(self.changed, [])
        self.write(self.tree, 3)
        self.assertEqual(self.changed, [{oid}])

    def test_commits_of_guests_are_told_before_they_return(self) -> None:
        oid = self.write(self.tree, 1)
        self.tree.share()
        guest = Tree.from_uri(f"file://{self.folder}/Data.fs")
        self.addCleanup(guest.close)
        for number in range(20):
            self.changed.clear()
            self.write(guest, number + 10)
            self.assertEqual(self.changed, [{oid}])

    def test_who_opens_a_connection_afterwards_sees_what_was_told(self) -> None:
        """A reader that notes how much it has heard, and then reads, never reads older than that."""
        self.write(self.tree, 0)
        stop = threading.Event()
        stale: list[tuple[int, int]] = []

        def read() -> None:
            while not stop.is_set():
                heard = len(self.changed)
                with self.tree.session() as root:
                    number = root["thing"]["number"]
                if number < heard - 1:
                    stale.append((heard, number))

        self.changed.clear()
        self.changed.append(None)  # so that the n-th word is of the number n - 1
        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for number in range(1, 200):
            self.write(self.tree, number)
        stop.set()
        for reader in readers:
            reader.join()
        self.assertEqual(stale, [])

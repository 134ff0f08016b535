"""kill -9 in the midst of everything at once, a hundred times; then fsck has nothing to say."""

import os
import random
import resource
import signal
import tempfile
import time
import unittest
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from threading import Thread

from librarian.library.interfaces import AliasNotFound
from librarian.library.operations import Library
from librarian.library.upkeep.checking import Check
from librarian.library.upkeep.garbage.collector import GarbageCollector
from tests.support.documents.library import keep, library_in
from tests.support.layers import Functional

ROUNDS = 100
LONGEST_LIFE_SECONDS = 0.2  # under load, before the kill


class Life:
    """What one process does until it is killed.  What it acknowledges is written down, after the commit."""

    def __init__(self, library: Library, acknowledged: Path, seed: int) -> None:
        self.library = library
        self.acknowledged = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.seed = seed

    def run(self) -> None:
        Functional.world.clock.move(hours=4 * self.seed)  # so that there is something to collect
        for work in (self.add, self.add, self.delete, self.collect, self.link):
            Thread(target=work, args=(random.Random(self.seed),), daemon=True).start()

    def say(self, word: str, alias_id: int, sha256: str = "-") -> None:
        os.write(self.acknowledged, f"{word} {alias_id} {sha256}\n".encode())

    def add(self, chance: random.Random) -> None:
        library = self.library
        while True:
            stored = library.store.put(BytesIO(chance.randbytes(chance.choice((10, 5000, 3 << 20)))))

            def name_it() -> int:
                record = library.add(stored, "f.bin", "application/octet-stream", restricted=True)  # noqa: B023
                library.subtree.holds.hold(record, "the test")
                return record.id

            self.say("added", library.tree.run_together(name_it), stored.sha256)

    def delete(self, chance: random.Random) -> None:
        library = self.library
        while True:
            time.sleep(chance.uniform(0, 0.2))  # fewer than are added
            alias_id = self.some(chance)

            def work() -> None:
                record = library.alias(alias_id)  # noqa: B023
                library.subtree.holds.release(record.id, "the test")
                library.delete(record)

            if alias_id:
                self.say("deleting", alias_id)
                library.tree.run(work)

    def link(self, chance: random.Random) -> None:
        while True:
            if alias_id := self.some(chance):
                with self.library.tree.session():
                    self.library.tokens.allocate(f"http://localhost/{alias_id}/f.bin")

    def collect(self, chance: random.Random) -> None:
        while True:
            GarbageCollector(self.library).run()

    def some(self, chance: random.Random) -> int:
        """A file that is there; 0 if there is none."""
        with self.library.tree.session():
            aliases = self.library.subtree.aliases
            if not aliases:
                return 0
            at = chance.randrange(1, 2**53)
            found: int = next(iter(aliases.keys(min=at)), aliases.minKey())
            return found if aliases[found].content is not None else 0


class Killed(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        Functional.world.end()  # this thread's tree is the one in the folder
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.acknowledged = self.folder / "acknowledged"

    def one_life(self, seed: int) -> None:
        child = os.fork()
        if child == 0:
            try:
                with library_in(self.folder / "site") as library:
                    Life(library, self.acknowledged, seed).run()
                    os.write(self.ready[1], b"!")
                    time.sleep(60)
            finally:
                os._exit(1)  # no test goes on in here
        os.read(self.ready[0], 1)
        time.sleep(random.Random(seed).uniform(0.02, LONGEST_LIFE_SECONDS))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    def test_a_hundred_times(self) -> None:
        self.ready = os.pipe()
        with library_in(self.folder / "site") as library:
            keep(library, b"a first one")  # a collector refuses a tree that names nothing
        for seed in range(ROUNDS):
            self.one_life(seed)
        lines = [line.split() for line in self.acknowledged.read_text().splitlines()]
        # A file can be found, and be on its way out, before its adding is written down.
        leaving = {alias_id for word, alias_id, _sha256 in lines if word == "deleting"}
        added = {
            int(alias_id): sha256
            for word, alias_id, sha256 in lines
            if word == "added" and alias_id not in leaving
        }
        self.assertGreater(len(added), ROUNDS // 2)
        with library_in(self.folder / "site") as library:
            errors = [str(found) for found in Check(library) if found.severity == "error"]
            self.assertEqual(errors, [])
            self.assertEqual([alias_id for alias_id in added if not self.whole(library, alias_id, added)], [])

    def whole(self, library: Library, alias_id: int, added: dict[int, str]) -> bool:
        with library.tree.session():
            try:
                content = library.alias(alias_id).content
            except AliasNotFound:
                return False
            return (
                content is not None
                and content.sha256 == added[alias_id]
                and bool(library.store.verify(content.sha256))
            )


class NoRoom(unittest.TestCase):
    """A disk that is full, for what upkeep has to write."""

    layer = Functional

    def setUp(self) -> None:
        Functional.world.end()  # this thread's tree is the one in the folder
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        with library_in(self.folder) as library:
            for number in range(30):
                keep(library, b"%d" % number)

    def fails(self, work: Callable[[Library], object]) -> None:
        """`work` raises an OSError in a process that may not make any file longer than 4 KiB."""
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with library_in(self.folder) as library:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
                    try:
                        work(library)
                    except OSError:
                        status = 0
            finally:
                os._exit(status)  # no test goes on in here
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        with library_in(self.folder) as library:
            self.assertEqual(list(Check(library)), [])
            with library.tree.session():
                self.assertEqual(len(library.subtree.aliases), 30)

    def test_pack(self) -> None:
        self.fails(lambda library: library.tree.pack(0))
        with library_in(self.folder) as library:
            library.tree.pack(0)
            self.assertEqual(list(Check(library)), [])

    def test_collection(self) -> None:
        Functional.world.clock.move(days=8)
        self.fails(lambda library: GarbageCollector(library).run())
        with library_in(self.folder) as library:
            report = GarbageCollector(library).run()
            self.assertEqual(report.done["aliases"], {"marked": 30})

"""The collector beside everything else: eight who add, eight who read, and time that flies."""

import os
import random
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from threading import Event, Lock
from typing import NamedTuple

from librarian.library.interfaces import CollectorRefuses
from librarian.library.operations import Library
from librarian.library.upkeep.checking import Check
from librarian.library.upkeep.garbage.collector import GarbageCollector
from tests.support.documents.library import keep, library_in
from tests.support.layers import Functional

SECONDS = float(os.environ.get("LIBRARIAN_LOAD_SECONDS", "6"))  # longer by hand
LONGEST_SECONDS = 120.0
WRITERS = READERS = 8
BLOBS = [b"%d " % number * 300 for number in range(40)]  # few, so that what is swept is soon claimed again


class Live(NamedTuple):
    """A file that the collector must keep: it is held, or too young."""

    alias_id: int
    digest: str
    until: datetime | None  # None: held


class Load:
    """Threads that add, read and collect, and one that moves the clock while no file is being added."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.clock = Functional.world.clock
        self.stop = Event()
        self.adding = [Lock() for _ in range(WRITERS)]
        self.live: list[Live] = []
        self.lost: list[object] = []
        self.reads = self.swept = 0

    def add(self, number: int) -> None:
        chance = random.Random(number)
        while not self.stop.wait(0.002):  # and the clock's turn comes
            # Half of what is added never comes again, so there is always something to sweep.
            data = chance.choice(BLOBS) if chance.random() < 0.5 else chance.randbytes(1000)
            held = chance.random() < 0.1
            with self.adding[number]:
                # A day between put() and commit is more than any upload takes; so it is here.
                alias_id = self._commit(data, held)
                until = None if held else self.clock.now() + timedelta(days=6)
            self.live.append(Live(alias_id, sha256(data).hexdigest(), until))

    def _commit(self, data: bytes, held: bool) -> int:
        library = self.library
        stored = library.store.put(BytesIO(data))

        def name_it() -> int:
            record = library.add(stored, "f.bin", "application/octet-stream")
            if held:
                library.subtree.holds.hold(record, "the test")
            return record.id

        return library.tree.run(name_it)

    def read(self, number: int) -> None:
        chance = random.Random(-number)
        while not self.stop.wait(0.005):  # so that the others come to run at all
            if not self.live:
                continue
            entry = chance.choice(self.live)
            try:
                digest = self._digest(entry.alias_id)
            except Exception as error:  # noqa: BLE001  # any is a loss, unless the file was due
                digest = repr(error)
            if digest != entry.digest and (entry.until is None or self.clock.now() < entry.until):
                self.lost.append((entry, digest))
            self.reads += 1

    def _digest(self, alias_id: int) -> str:
        with self.library.tree.session():
            content = self.library.alias(alias_id).content
            assert content is not None
            with self.library.store.open(content.sha256) as file:
                return sha256(file.read()).hexdigest()

    def collect(self) -> None:
        while not self.stop.is_set():
            try:
                report = GarbageCollector(self.library).run()
            except CollectorRefuses as refusal:
                assert "clocks" in refusal.why, refusal  # the clock was moved while it was compared
                continue
            self.swept += report.done.get("bytes", {}).get("swept", 0)

    def move(self) -> None:
        while not self.stop.wait(0.1):
            with ExitStack() as nobody_adds:
                for lock in self.adding:
                    nobody_adds.enter_context(lock)
                self.clock.move(hours=36)


class LiveLoad(unittest.TestCase):
    layer = Functional

    def test_nothing_live_is_lost(self) -> None:
        Functional.world.end()  # this thread's tree is the one in the folder
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        load = Load(self.enterContext(library_in(folder)))
        keep(load.library, b"a first one")  # a collector refuses a tree that names nothing
        with ThreadPoolExecutor(WRITERS + READERS + 2) as threads:
            work = [threads.submit(load.add, number) for number in range(WRITERS)]
            work += [threads.submit(load.read, number) for number in range(READERS)]
            work += [threads.submit(load.collect), threads.submit(load.move)]
            began = time.monotonic()
            # On a slow machine it takes longer until there is something to lose.
            while time.monotonic() - began < (SECONDS if load.swept else LONGEST_SECONDS):
                time.sleep(0.1)
                if any(done.done() for done in work):
                    break
            load.stop.set()
            for done in work:
                done.result()
        self.assertEqual(load.lost[:3], [])
        held = [entry for entry in load.live if entry.until is None]
        for entry in held:
            self.assertEqual(load._digest(entry.alias_id), entry.digest)
        self.assertEqual([str(found) for found in Check(load.library) if found.severity == "error"], [])
        reached = {"held": len(held), "reads": load.reads, "swept": load.swept}
        self.assertGreater(min(reached.values()), 0, reached)

"""The disk store shared by processes, some of which are killed."""

import io
import os
import random
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from librarian import durable
from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import BytesNotFound
from tests.store.support import MIB, NOON, DiskStoreTestCase, HandClock, pattern, sha256_of
from tests.support.locks import Beside

FORK = get_context("fork")
OLD, LIMIT, NEW = NOON - timedelta(days=7), NOON - timedelta(days=1), NOON


class ProcessesTestCase(DiskStoreTestCase):
    def start(self, work: Callable[..., None], *arguments: object) -> BaseProcess:
        """Do `work` in a process of its own, which does not outlive the test."""
        process = FORK.Process(target=work, args=arguments, daemon=True)
        process.start()
        self.addCleanup(process.join)
        self.addCleanup(process.kill)
        return process


class Waiting(DiskStoreTestCase):
    """What changes a directory of the store waits until another has changed it."""

    def test_a_leaf(self) -> None:
        sha256 = self.put(b"data")
        leaf, other = str(self.path(sha256).parent), DiskStore(self.root, self.clock)
        for work in (
            lambda: other.put(io.BytesIO(b"data")),
            lambda: other.quarantine(sha256),
            lambda: other.remove(sha256),
        ):
            self.damage(sha256)
            with Beside() as beside, durable.locked_directory(leaf):
                self.assertEqual(beside.begin(work), "waits")
            self.put(b"data")

    def test_the_root(self) -> None:
        with Beside() as beside, durable.locked_directory(str(self.root)):
            self.assertEqual(beside.begin(lambda: self.store.join("one")), "waits")
        self.assertEqual(self.store.join("two"), "one")


class PutAgainstRemove(ProcessesTestCase):
    """Bytes long unclaimed are swept in the very moment in which two processes claim them."""

    ROUNDS = 200

    def test_acknowledged_bytes_are_found(self) -> None:
        start, end = FORK.Barrier(4, timeout=60), FORK.Barrier(4, timeout=60)
        losses, removals = FORK.SimpleQueue(), FORK.Value("i", 0)
        for work, extra in ((self.claim, losses), (self.claim, losses), (self.sweep, removals)):
            self.start(work, start, end, extra)
        old_store = DiskStore(self.root, HandClock(OLD))
        for number in range(self.ROUNDS):
            sha256 = old_store.put(io.BytesIO(self.data(number))).sha256
            start.wait()
            end.wait()
            self.assertEqual(self.data(number), self.read(sha256))
        self.assertTrue(losses.empty())
        # The race took place: in some rounds the sweep came first, in others it was too late.
        self.assertGreater(removals.value, 0)
        self.assertLess(removals.value, self.ROUNDS)

    @staticmethod
    def data(number: int) -> bytes:
        return b"bytes of round %d" % (number // 3)  # some fan-out folders are new, some are not

    def claim(self, start: Any, end: Any, losses: Any) -> None:
        store = DiskStore(self.root, HandClock(NEW))
        for number in range(self.ROUNDS):
            start.wait()
            sha256 = store.put(io.BytesIO(self.data(number))).sha256
            try:
                with store.open(sha256) as file:
                    intact = file.read() == self.data(number) and store.stored_at(sha256) == NEW
            except BytesNotFound:
                intact = False
            if not intact:
                losses.put(number)
            end.wait()

    def sweep(self, start: Any, end: Any, removals: Any) -> None:
        store = DiskStore(self.root, HandClock(NEW))
        for number in range(self.ROUNDS):
            sha256 = sha256_of(self.data(number))
            start.wait()
            # The claims take most of a millisecond; strike anywhere in it.
            until = time.monotonic() + random.random() * 0.002
            while time.monotonic() < until:
                pass
            for _ in range(3):
                removals.value += store.remove(sha256, stored_before=LIMIT)
            end.wait()


class Killed(ProcessesTestCase):
    """A writer killed with SIGKILL at a random moment, a hundred times over one folder."""

    ROUNDS = 100

    def test_what_was_acknowledged_is_whole_and_nothing_else_shows(self) -> None:
        acknowledged: set[str] = set()
        chance = random.Random(20050917)
        for seed in range(self.ROUNDS):
            acknowledged |= self.kill_a_writer(seed, chance.random() * 0.02)
        self.assertGreater(len(acknowledged), self.ROUNDS)
        held = set(self.store)
        self.assertLessEqual(acknowledged, held)
        for sha256 in held:
            self.store.verify(sha256)
        self.assertEqual([], list(self.store.strays()))

        # The sum that the quota goes by may have become too high, but not too low.
        usage = self.root / "usage"
        self.assertGreaterEqual(int(usage.read_bytes()), self.store.recount())
        self.assertEqual(int(usage.read_bytes()), sum(self.store.size(sha256) for sha256 in held))
        usage.unlink()

        leftovers = len(self.files()) - len(held)
        self.assertGreater(leftovers, 0)
        self.assertEqual(leftovers, self.store.clear_incoming(timedelta(0)))
        self.assertEqual(len(held), len(self.files()))

    def kill_a_writer(self, seed: int, after_seconds: float) -> set[str]:
        """The digests that a writer had acknowledged when it was killed."""
        reading, writing = os.pipe()
        process = self.start(self.write, seed, writing)
        os.close(writing)
        with os.fdopen(reading) as acknowledgements:
            first = acknowledgements.readline()  # it is up and running
            time.sleep(after_seconds)
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            rest = acknowledgements.read().splitlines(keepends=True)
        process.join()
        self.assertEqual(-signal.SIGKILL, process.exitcode)
        return {line.strip() for line in [first, *rest] if line.endswith("\n")}

    def write(self, seed: int, acknowledgements: int) -> None:
        store = DiskStore(self.root, self.clock, quota=1 << 40)
        chance = random.Random(seed)
        while True:
            data = b"%d " % chance.getrandbits(64) + pattern(chance.choice((10, 1000, 100_000, 5 * MIB // 2)))
            os.write(acknowledgements, store.put(io.BytesIO(data)).sha256.encode() + b"\n")


class KilledAtEachStep(ProcessesTestCase):
    """A process that dies at its first call of the file system, its second, and so on to its last."""

    CALLS = ("open", "fchmod", "write", "utime", "fsync", "mkdir", "rename", "unlink", "close")

    def test_what_was_kept_is_whole_and_the_rest_can_be_cleared(self) -> None:
        data = pattern(3 * MIB)
        for discards in (False, True):
            for step in range(1, 1000):
                with self.subTest(discards=discards, step=step):
                    root = self.root.with_name(f"{discards} {step}")
                    DiskStore(root, self.clock)
                    acknowledged, ended = self.run_until(root, step, data, discards)
                    store = DiskStore(root, self.clock)
                    held = set(store)
                    self.assertLessEqual(acknowledged, held)
                    self.assertLessEqual(held, set() if discards else {sha256_of(data)})
                    for sha256 in held:
                        self.assertEqual(3 * MIB, store.verify(sha256))
                    store.clear_incoming(timedelta(0))
                    self.assertEqual([], list((root / "incoming").iterdir()))
                    self.assertEqual(3 * MIB, store.size(store.put(io.BytesIO(data)).sha256))
                if ended:
                    break
            self.assertGreater(step, 5)

    def run_until(self, root: Path, step: int, data: bytes, discards: bool) -> tuple[set[str], bool]:
        """What was acknowledged, and whether the work came to its end before so many calls."""
        reading, writing = os.pipe()
        process = self.start(self.work, root, step, data, discards, writing)
        os.close(writing)
        with os.fdopen(reading) as acknowledgements:
            lines = acknowledgements.read().split()
        process.join()
        return set(lines), process.exitcode == 0

    def work(self, root: Path, step: int, data: bytes, discards: bool, acknowledgements: int) -> None:
        store = DiskStore(root, self.clock)
        left = step
        real = {name: getattr(os, name) for name in self.CALLS}

        def dying(name: str) -> Callable[..., Any]:
            def call(*arguments: Any, **options: Any) -> Any:
                nonlocal left
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real[name](*arguments, **options)

            return call

        for name in self.CALLS:
            setattr(os, name, dying(name))
        receiving = store.receive(len(data))
        for start in range(0, len(data), MIB):
            receiving.write(data[start : start + MIB])
        received = receiving.finish()
        if discards:
            received.discard()
        else:
            sha256 = store.keep(received).sha256
            real["write"](acknowledgements, sha256.encode())

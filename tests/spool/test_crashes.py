"""kill -9 at every step of an exchange; then the next run."""

import logging
import shutil
import unittest
from collections import Counter
from collections.abc import Callable
from typing import Any

from librarian.clock import SystemClock
from librarian.spool.exchange.exporter import Exporter
from librarian.spool.exchange.importer import Importer
from librarian.spool.model.ledger import OUR_FOLDER
from librarian.spool.model.report import Outcome
from tests.spool.crash import dies_at
from tests.support.servers.ftp import Scene

FILES = {"a-file": b"This is A", "b-file": b"B" * 70_000}
MANY = 2000  # more steps than any run has


class CrashCase(unittest.TestCase):
    facts: dict[str, Any] = {}  # noqa: RUF012  # constant

    def setUp(self) -> None:
        self.scene = Scene(**self.facts)
        self.addCleanup(self.scene.close)
        logging.getLogger("librarian.spool").setLevel(logging.CRITICAL)
        self.clock = SystemClock()

    def forget(self) -> None:
        """Begin with an empty ledger: reading what hundreds of runs have noted takes its time."""
        shutil.rmtree(self.scene.store.path / OUR_FOLDER, ignore_errors=True)

    def step_through(
        self,
        prepare: Callable[[], None],
        work: Callable[[], None],
        verify: Callable[[], None],
        stride: int = 1,
    ) -> int:
        """Kill `work` at its first step, its second (or every so many), ...: how many there were."""
        for step in range(1, MANY, stride):
            self.forget()
            prepare()
            died = dies_at(step, work)
            self.scene.partner.wait_until_idle()
            try:
                verify()
            except AssertionError as error:
                raise AssertionError(f"killed at step {step}: {error}") from error
            if not died:
                return step
        raise AssertionError("the run never came to its end")


class TestKilledExports(CrashCase):
    def work(self) -> None:
        Exporter(self.scene.target(), self.clock).run()

    def prepare(self) -> None:
        self.arrived: Counter[tuple[str, bytes]] = Counter()
        for name in self.scene.waiting("cur"):
            self.scene.store.remove(name, "cur")
        for name, data in FILES.items():
            (self.scene.store.path / "new" / name).write_bytes(data)

    def consume(self) -> None:
        self.arrived.update(self.scene.partner.take_files().items())

    def verify_rest(self) -> None:
        report = Exporter(self.scene.target(), self.clock).run()
        self.assertIn(report.outcome, {Outcome.DONE, Outcome.NOTHING}, report)
        self.consume()
        self.assertEqual(self.arrived, Counter(FILES.items()))
        self.assertEqual(self.scene.waiting("new"), [])
        self.assertEqual(self.scene.waiting("cur"), sorted(FILES))
        self.assertEqual(self.scene.partner.files(), {}, "a lock or a temporary file was left")

    def test_every_file_arrives_once(self) -> None:
        """Whether the partner takes the files at once, lock or no lock, or waits until the end."""
        for at_once in (True, False):

            def verify(at_once: bool = at_once) -> None:
                if at_once:
                    self.consume()
                self.verify_rest()

            steps = self.step_through(self.prepare, self.work, verify, stride=1 if at_once else 2)
            self.assertGreater(steps, 50)


class TestKilledExportsWithoutSizes(TestKilledExports):
    """A server that cannot tell sizes gives less to go by, and enough if the partner waits."""

    facts = {"without": ("SIZE",)}  # noqa: RUF012  # constant

    def test_every_file_arrives_once(self) -> None:
        self.step_through(self.prepare, self.work, self.verify_rest, stride=3)


class TestKilledImports(CrashCase):
    def work(self) -> None:
        Importer(self.scene.target(), self.clock).run()

    def prepare(self) -> None:
        self.arrived: Counter[tuple[str, bytes]] = Counter()
        for name, data in FILES.items():
            (self.scene.partner.root / name).write_bytes(data)

    def consume(self) -> None:
        for name in self.scene.waiting("new"):
            path = self.scene.store.path / "new" / name
            self.arrived[name, path.read_bytes()] += 1
            path.unlink()

    def test_every_file_is_delivered_once(self) -> None:
        def verify() -> None:
            self.consume()
            report = Importer(self.scene.target(), self.clock).run()
            self.assertIn(report.outcome, {Outcome.DONE, Outcome.NOTHING}, report)
            self.consume()
            self.assertEqual(self.arrived, Counter(FILES.items()))
            self.assertEqual(self.scene.partner.files(), {})
            self.assertEqual(list((self.scene.store.path / "tmp").iterdir()), [])

        steps = self.step_through(self.prepare, self.work, verify)
        self.assertGreater(steps, 50)

"""Several at once: exporters that want one server, a consumer that looks all the time."""

import logging
import os
import threading
import time
import unittest
from collections import Counter
from pathlib import Path

from librarian.clock import SystemClock
from librarian.spool import FileStore
from librarian.spool.exchange.exporter import Exporter
from librarian.spool.interfaces import TEMP_PREFIX
from librarian.spool.model.report import Outcome, Report
from tests.support.servers.ftp import Scene

ROUNDS = 50


class RaceCase(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()
        self.addCleanup(self.scene.close)
        logging.getLogger("librarian.spool").setLevel(logging.CRITICAL)


class Holders(logging.Handler):
    """Counts the exporters that believe they hold the lock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        logger = logging.getLogger("librarian.spool.ftp.lock")
        logger.setLevel(logging.INFO)
        logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == "Lock file successfully created: %s":
            self.now += 1
            self.most = max(self.most, self.now)
        elif record.msg == "Removing lock file: %s":
            self.now -= 1

    def detach(self) -> None:
        logger = logging.getLogger("librarian.spool.ftp.lock")
        logger.removeHandler(self)
        logger.setLevel(logging.NOTSET)


class TestTwoExporters(RaceCase):
    def test_two_machines_never_hold_the_lock_together(self) -> None:
        """Each has a spool of its own, so only the lock on the server keeps them apart."""
        stores = [self.scene.store, FileStore(self.scene.folder / "other", SystemClock())]
        stores[1].prepare()
        outcomes: Counter[Outcome] = Counter()
        holders = Holders()
        self.addCleanup(holders.detach)
        for number in range(ROUNDS):
            for store, side in zip(stores, "ab", strict=True):
                with store.writer(f"{number}-{side}") as file:
                    file.write(side * 50_000)
            reports = self.run_together([store.path for store in stores])
            outcomes.update(report.outcome for report in reports)
            self.assertNotIn(Outcome.FAILED, outcomes, [report.error for report in reports])
            self.assertNotIn("write", self.scene.partner.files())
        for store in stores:
            Exporter(self.scene.target(store_dir=store.path), SystemClock()).run()
        expected = {f"{number}-{side}": side.encode() * 50_000 for number in range(ROUNDS) for side in "ab"}
        self.assertEqual(self.scene.partner.files(), expected)
        self.assertEqual((holders.most, holders.now), (1, 0))

    def run_together(self, paths: list[Path]) -> list[Report]:
        barrier = threading.Barrier(len(paths))
        reports: list[Report] = []

        def run(path: Path) -> None:
            barrier.wait()
            reports.append(Exporter(self.scene.target(store_dir=path), SystemClock()).run())

        threads = [threading.Thread(target=run, args=(path,)) for path in paths]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return reports

    def test_two_runs_on_one_machine(self) -> None:
        for number in range(ROUNDS):
            self.scene.spool(f"f{number}", "x" * 1000)
            reports = self.run_together([self.scene.store.path] * 2)
            self.assertNotIn(Outcome.FAILED, [report.outcome for report in reports])
            self.assertEqual([name for report in reports for name in report.files], [f"f{number}"])


class TestConsumer(RaceCase):
    def test_it_never_sees_part_of_a_file_under_its_final_name(self) -> None:
        data = os.urandom(1_000_000)
        names = [f"f{number:02}" for number in range(20)]
        for name in names:
            self.scene.spool(name, data)
        self.stop = threading.Event()
        self.looks = 0
        self.partial: list[tuple[str, int]] = []
        self.temporary: set[str] = set()
        consumer = threading.Thread(target=self.consume, args=(len(data),))
        consumer.start()
        try:
            self.scene.partner.cut_after = 1_500_000  # a smooth run would prove little
            report = Exporter(self.scene.target(), SystemClock(), sleep=lambda seconds: None).run()
        finally:
            self.stop.set()
            consumer.join()
        self.assertEqual(report.files, names)
        self.assertEqual(self.partial, [])
        self.assertGreater(self.looks, 5)
        self.assertTrue(self.temporary, "the consumer was never there during an upload")

    def consume(self, size: int) -> None:
        while not self.stop.is_set():
            for path in self.scene.partner.root.iterdir():
                if path.name.startswith(TEMP_PREFIX):
                    self.temporary.add(path.name)
                elif path.name != "write" and path.stat().st_size != size:
                    self.partial.append((path.name, path.stat().st_size))
            self.looks += 1
            time.sleep(0.01)

"""A power failure on a disk that promises no more than POSIX: a name lasts once its folder is synced."""

import logging
import os
import shutil
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from librarian.clock import SystemClock
from librarian.spool import FileStore
from librarian.spool.exchange.exporter import Exporter
from librarian.spool.exchange.importer import Importer
from librarian.spool.model.report import Outcome
from tests.support.servers.ftp import PowerFailure, Scene, die_holding_the_lock


class StrictDisk:
    """Notes which names each folder had when it was last synced, and can take all others away."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: dict[Path, set[str]] = {}
        self._fsync = os.fsync

    def fsync(self, fd: int) -> None:
        self._fsync(fd)
        path = Path(f"/proc/self/fd/{fd}").readlink()
        if path.is_dir():
            self._names[path] = {entry.name for entry in path.iterdir()}

    def lose_power(self) -> None:
        """Remove what was made since its folder was synced."""
        for folder, folders, files in os.walk(self._root):
            for name in {*folders, *files} - self._names.get(Path(folder), set()):
                path = Path(folder, name)
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            folders[:] = [name for name in folders if Path(folder, name).exists()]


class PowerCase(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()
        self.addCleanup(self.scene.close)
        logging.getLogger("librarian.spool").setLevel(logging.CRITICAL)
        self.disk = StrictDisk(self.scene.store.path)
        patch = mock.patch("os.fsync", self.disk.fsync)
        patch.start()
        self.addCleanup(patch.stop)
        self.scene.store.prepare()  # noted


class TestPower(PowerCase):
    def test_a_fetched_file_is_not_lost(self) -> None:
        """The ledger says that it is about to be delivered; then it must be in `tmp`, or delivered."""
        (self.scene.partner.root / "a").write_text("news")

        class Dying(Importer):
            def locked(self) -> Any:
                self._release = lambda: None  # type: ignore[method-assign]  # the dead release nothing
                return super().locked()

            def _deliver(self, entry: Any) -> Any:
                raise PowerFailure

        with self.assertRaises(PowerFailure):
            Dying(self.scene.target(), SystemClock()).run()
        self.disk.lose_power()
        report = Importer(self.scene.target(), SystemClock()).run()
        self.assertEqual((report.outcome, report.files), (Outcome.DONE, ["a"]))
        self.assertEqual((self.scene.store.path / "new" / "a").read_text(), "news")
        self.assertEqual(self.scene.partner.files(), {})

    def test_our_own_lock_does_not_become_a_foreign_one(self) -> None:
        self.scene.spool("a", "x")
        die_holding_the_lock(self.scene)
        self.disk.lose_power()
        report = Exporter(self.scene.target(), SystemClock()).run()
        self.assertEqual((report.outcome, list(self.scene.partner.files())), (Outcome.DONE, ["a"]))

    def test_a_new_spool_lasts(self) -> None:
        parent = self.scene.folder / "parent"
        parent.mkdir()
        disk = StrictDisk(parent)
        with mock.patch("os.fsync", disk.fsync):
            store = FileStore(parent / "spool", SystemClock())
            store.prepare()
            with store.writer("a") as file:
                file.write("x")
        disk.lose_power()
        self.assertEqual([Path(path).name for path in store.list("new")], ["a"])

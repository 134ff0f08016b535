"""Locks of files that two processes meet at."""

import unittest
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from unittest import mock

from zc.lockfile import LockError, LockFile

from librarian.spool.exchange.base import Exchange
from librarian.spool.interfaces import SpoolBusy
from librarian.spool.model.ledger import local_lock_path
from librarian.tree.filestorage import datafile


class Locks(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(TemporaryDirectory()))

    def test_one_run_at_a_time_is_at_work_on_a_spool(self) -> None:
        run: Any = SimpleNamespace(
            kind="export",
            target=SimpleNamespace(store_dir=self.folder),
            store=SimpleNamespace(path=self.folder),
        )
        local_lock_path(run.kind, run.target).parent.mkdir()
        with Exchange._alone(run), self.assertRaises(SpoolBusy), Exchange._alone(run):
            """Not reached."""
        with Exchange._alone(run):
            """It is free again."""

    def test_one_process_puts_the_files_of_a_tree_right(self) -> None:
        path, met = self.folder / "Data.fs", []

        def settle(found: Path) -> None:
            try:
                LockFile(f"{found}.lock").close()
            except LockError as error:
                met.append(type(error))

        with mock.patch.object(datafile, "settle", settle):
            datafile.DataFile(path).close()
        self.assertEqual(met, [LockError])

"""The drop folder: what it refuses, and what it survives."""

import os
import shutil
import tempfile
import threading
import time
import unittest
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from zope.interface import implementer
from zope.interface.verify import verifyObject

from librarian import durable
from librarian.clock import SystemClock
from librarian.interfaces import IClock
from librarian.spool import FileStore
from librarian.spool.interfaces import BadName, IFileStore, NameTaken, NotPrepared, NotSpooled, UnknownSpace


@implementer(IClock)
class Later:
    """So much later than it is."""

    def __init__(self, offset: timedelta) -> None:
        self._offset = offset

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def monotonic(self) -> float:
        return time.monotonic()


class StoreCase(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.store = FileStore(self.folder / "spool", SystemClock())
        self.store.prepare()

    def take(self, name: str, data: str) -> None:
        """Put a file into `new` as a program does that knows nothing of ours."""
        (self.store.path / "new" / name).write_text(data)

    def write(self, name: str, data: str = "data", space: str = "new") -> None:
        with self.store.create(name) as file:
            file.write(data)
        self.store.move(name, "tmp", space)

    def read(self, space: str, name: str) -> str:
        return (self.store.path / space / name).read_text()

    def names(self, space: str) -> list[str]:
        return [Path(path).name for path in self.store.list(space)]

    def all_in_tmp(self) -> list[str]:
        return [path.name for path in (self.store.path / "tmp").iterdir()]

    def later(self, **offset: float) -> FileStore:
        return FileStore(self.store.path, Later(timedelta(**offset)))


class TestFileStore(StoreCase):
    def test_interface(self) -> None:
        verifyObject(IFileStore, self.store)

    def test_prepare_again_keeps_the_files(self) -> None:
        self.write("a")
        self.store.prepare()
        self.assertEqual(self.names("new"), ["a"])

    def test_prepare_without_a_parent(self) -> None:
        self.assertRaises(FileNotFoundError, FileStore(self.folder / "no" / "spool", SystemClock()).prepare)

    def test_not_prepared(self) -> None:
        bare = FileStore(self.folder, SystemClock())
        for call in (lambda: bare.list("new"), lambda: bare.create("a"), bare.check_prepared):
            self.assertRaises(NotPrepared, call)

    def test_modes(self) -> None:
        for mode in ("w", "wb", "x", "xb"):
            with self.store.create(mode, mode) as file:
                self.assertEqual(file.write("ü"), 2)
                self.assertEqual(file.write(b"\xff"), 1)
            self.assertEqual((self.store.path / "tmp" / mode).read_bytes(), b"\xc3\xbc\xff")
        for mode in ("r", "a", "w+", ""):
            self.assertRaises(BadName, self.store.create, "other", mode)

    def test_nothing_leaves_the_spool(self) -> None:
        outside = self.folder / "outside"
        outside.write_text("precious")
        calls: list[Callable[[str], object]] = [
            self.store.create,
            self.store.writer,
            self.store.archive,
            lambda name: self.store.move(name, "tmp", "new"),
            lambda name: self.store.copy(name, "tmp", "new"),
            lambda name: self.store.remove(name, "tmp"),
        ]
        for call in calls:
            for name in ("../../outside", str(outside), "..", "a\nb"):
                self.assertRaises(BadName, call, name)
        self.assertEqual(outside.read_text(), "precious")

    def test_spaces(self) -> None:
        self.write("a")
        for space in ("old", "", "../x", "tmp/", None):
            self.assertRaises(UnknownSpace, self.store.list, space)
            self.assertRaises(UnknownSpace, self.store.move, "a", "new", space)
            self.assertRaises(UnknownSpace, self.store.remove, "a", space)

    def test_full_paths_of_the_space_serve_as_names(self) -> None:
        self.write("a")
        (path,) = self.store.list("new")
        self.store.copy(path, "new", "tmp")
        self.store.move(path, "new", "cur")
        self.store.remove(str(self.store.path / "cur" / "a"), "cur")
        self.assertRaises(BadName, self.store.remove, str(self.store.path / "tmp" / "a"), "cur")
        self.assertEqual([self.names(space) for space in ("tmp", "new", "cur")], [["a"], [], []])

    def test_missing_files(self) -> None:
        self.assertRaises(NotSpooled, self.store.move, "a", "tmp", "new")
        self.assertRaises(NotSpooled, self.store.copy, "a", "tmp", "new")
        self.assertRaises(NotSpooled, self.store.remove, "a", "tmp")
        self.assertRaises(NotSpooled, self.store.archive, "a")

    def test_no_silent_overwrite(self) -> None:
        self.write("a", "first")
        with self.store.create("a") as file:
            file.write("second")
        self.assertRaises(NameTaken, self.store.move, "a", "tmp", "new")
        self.assertRaises(NameTaken, self.store.copy, "a", "tmp", "new")
        self.assertRaises(NameTaken, self.store.create, "a")
        self.assertEqual((self.read("new", "a"), self.read("tmp", "a")), ("first", "second"))
        self.store.move("a", "tmp", "new", replace=True)
        self.assertEqual((self.read("new", "a"), self.names("tmp")), ("second", []))

    def test_archive_numbers_what_is_there(self) -> None:
        kept = []
        for data in ("one", "two", "three"):
            self.write("a", data)
            kept.append(self.store.archive("a"))
        self.assertEqual(kept, ["a", "a.~2~", "a.~3~"])
        self.assertEqual([self.read("cur", name) for name in kept], ["one", "two", "three"])

    def test_archive_numbers_long_names(self) -> None:
        name = "ü" * 127
        for _ in range(2):
            self.write(name)
            self.store.archive(name)
        self.assertEqual(sorted(len(name.encode()) for name in self.names("cur")), [254, 254])

    def test_a_copy_that_fails_leaves_nothing(self) -> None:
        self.write("a")
        with mock.patch("shutil.copyfileobj", side_effect=OSError(28, "No space left on device")):
            self.assertRaises(OSError, self.store.copy, "a", "new", "cur")
        self.assertEqual((self.names("cur"), self.all_in_tmp()), ([], []))

    def test_without_the_kernels_help(self) -> None:
        with mock.patch.object(durable, "_renameat2", lambda: None):
            self.write("a", "first")
            self.write("a", "second", space="tmp")
            self.assertRaises(NameTaken, self.store.move, "a", "tmp", "new")
            self.assertEqual(self.store.archive("a"), "a")
        self.assertEqual(self.names("new"), [])

    def test_a_crash_between_link_and_unlink(self) -> None:
        self.write("a")
        os.link(self.store.path / "new" / "a", self.store.path / "cur" / "a")
        self.assertEqual(self.store.archive("a"), "a")
        self.assertEqual((self.names("new"), self.names("cur")), ([], ["a"]))

    def test_the_file_is_durable_before_it_appears(self) -> None:
        order: list[str] = []
        fsync, rename = os.fsync, durable.rename_new

        def noted(name: str, call: Any) -> Any:
            def noting(*arguments: Any) -> Any:
                order.append(name)
                return call(*arguments)

            return noting

        with self.store.create("a") as file:
            file.write("x")
        with (
            mock.patch("os.fsync", noted("fsync", fsync)),
            mock.patch("librarian.spool.model.filestore.rename_new", noted("rename", rename)),
        ):
            self.store.move("a", "tmp", "new")
        self.assertEqual(order, ["fsync", "rename", "fsync", "fsync"])

    def test_reaper(self) -> None:
        self.store.create("forgotten").close()
        self.addCleanup(self.store.writer("abandoned").abort)
        self.write("waiting")
        self.assertEqual(self.later(hours=35).reap(), [])
        self.later(hours=37).reap()
        self.assertEqual((self.all_in_tmp(), self.names("new")), ([], ["waiting"]))

    def test_a_name_forgotten_in_tmp_is_free_again(self) -> None:
        with self.store.create("a") as file:
            file.write("half")
        with self.later(hours=37).create("a") as file:
            file.write("whole")
        self.assertEqual(self.read("tmp", "a"), "whole")

    def test_retention(self) -> None:
        self.write("old-news", space="cur")
        os.utime(self.store.path / "cur" / "old-news", (0, 0))  # written long ago, put there today
        self.assertEqual(self.later(days=6).expire(timedelta(days=7)), [])
        self.assertEqual(self.later(days=8).expire(timedelta(days=7)), ["old-news"])

    def test_many_writers_one_name(self) -> None:
        outcomes: list[str] = []

        def deliver(text: str) -> None:
            try:
                with self.store.writer("a") as file:
                    file.write(text * 1000)
                outcomes.append(text)
            except NameTaken:
                outcomes.append("")

        threads = [threading.Thread(target=deliver, args=(str(number),)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (winner,) = filter(None, outcomes)
        self.assertEqual(self.read("new", "a"), winner * 1000)
        self.assertEqual(self.all_in_tmp(), [])

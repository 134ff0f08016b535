"""The file of the tree: killed at every step of a pack, found in every state that a crash leaves."""

import errno
import os
import stat
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

from persistent.mapping import PersistentMapping
from ZODB.FileStorage import FileStorage
from ZODB.serialize import referencesf

from librarian.tree.filestorage.crash_recovery import MAGIC, beside
from librarian.tree.filestorage.datafile import DataFile
from librarian.tree.interfaces import TreeMissing
from librarian.tree.service import Tree
from tests.support.servers.forked import with_path

# Another process: packs, and dies right before its n-th step on the names or the durability of files.
# What it commits in between is acknowledged on standard output.
DIES = """
import os, signal, sys
from librarian.tree.service import Tree
tree, left = Tree.from_uri(sys.argv[1]), int(sys.argv[2])
def dying(name):
    real = getattr(os, name)
    def step(*arguments, **options):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)
    setattr(os, name, step)
for name in ("rename", "replace", "link", "unlink", "remove", "fsync"):
    dying(name)
tree.pack(0)
def add():
    tree.root()["n"] += 1
    return tree.root()["n"]
print(tree.run(add), flush=True)
tree.close()
print("closed", flush=True)
"""


class InAFolder(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="librarian-datafile-")
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "tree" / "Data.fs"
        self.uri = f"file://{self.path}"

    def add(self, times: int = 1) -> int:
        """Open the tree, count on, close it; how far it has come."""

        def work() -> int:
            tree.root()["n"] = tree.root().get("n", 0) + 1
            n: int = tree.root()["n"]
            return n

        tree = Tree.from_uri(self.uri)
        try:
            return [tree.run(work) for _turn in range(times)][-1]
        finally:
            tree.close()

    def is_missing(self) -> str:
        """That opening is refused as there was a tree; what is said.  Nothing is changed."""
        before = self.files()
        with self.assertRaises(TreeMissing) as caught:
            self.add()
        self.assertEqual(self.files(), before)
        return str(caught.exception)

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.path.parent.iterdir() if path.suffix != ".lock"}


class Packs(InAFolder):
    def test_killed_before_every_step(self) -> None:
        reached, number = self.add(30), 0
        said: list[str] = []
        while "closed" not in said:
            number += 1
            done = subprocess.run(
                [sys.executable, "-c", DIES, self.uri, str(number)],
                capture_output=True,
                text=True,
                env=with_path(os.environ),
                check=False,
            )
            said = done.stdout.split()
            reached = max([reached, *(int(word) for word in said if word.isdigit())])
            self.assertTrue(self.path.exists(), f"no file after a kill before step {number}")
            found = self.add(3)  # what was committed and not told of may be there
            self.assertIn(found - 3, (reached, reached + 1), f"killed before step {number}")
            self.assertFalse(beside(self.path, ".pack").exists())
            reached = found
        self.assertGreater(number, 8)

    def test_a_commit_waits_until_the_packed_file_has_its_name_for_good(self) -> None:
        steps: list[str] = []
        self.add(30)
        storage = DataFile(self.path)
        self.addCleanup(storage.close)
        real = os.fsync

        def fsync(file: int) -> None:
            kind = (
                "folder"
                if stat.S_ISDIR(os.fstat(file).st_mode)
                else Path(f"/proc/self/fd/{file}").readlink().name
            )
            steps.append(f"{kind} {'free' if storage._commit_lock.acquire(blocking=False) else 'locked'}")
            real(file)

        with mock.patch("os.fsync", fsync):
            storage.pack(time.time(), referencesf)
        self.assertEqual(steps[:3], ["Data.fs.pack locked", "folder locked", "folder locked"])

    def test_without_hard_links(self) -> None:
        self.add(30)
        before = self.path.stat().st_size
        with mock.patch("os.link", side_effect=PermissionError), self.assertLogs("librarian.tree"):
            tree = Tree.from_uri(self.uri)
            tree.pack(0)
            tree.close()
        self.assertLess(self.path.stat().st_size, before)
        self.assertEqual(self.add(), 31)


class Found(InAFolder):
    """States of the folder, each as a crash or a careless hand leaves it."""

    def setUp(self) -> None:
        super().setUp()
        self.add(5)
        self.data = self.path.read_bytes()

    def left(self, *suffixes: str) -> None:
        """Only these are left of the files."""
        for path in self.path.parent.iterdir():
            if path.name.removeprefix("Data.fs") not in suffixes:
                path.unlink()

    def test_nothing(self) -> None:
        self.left()
        self.assertEqual(self.add(), 1)
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)

    def test_what_a_first_start_leaves_that_was_killed(self) -> None:
        for data in (None, b"", MAGIC[:2], MAGIC):
            self.left(".lock")
            if data is not None:
                self.path.write_bytes(data)
            self.assertEqual(self.add(), 1, data)

    def test_killed_between_two_renames(self) -> None:
        self.path.rename(beside(self.path, ".old"))
        beside(self.path, ".pack").write_bytes(self.data[: len(self.data) // 2])
        with self.assertLogs("librarian.tree", "WARNING"):
            self.assertEqual(self.add(), 6)

    def test_an_unfinished_pack_beside_the_tree(self) -> None:
        beside(self.path, ".pack").write_bytes(b"FS30 and no more")
        with self.assertLogs("librarian.tree", "WARNING"):
            self.assertEqual(self.add(), 6)

    def test_each_file_that_belongs_to_a_tree(self) -> None:
        for suffix in (".old", ".pack", ".index", ".tmp"):
            with self.subTest(suffix=suffix):
                beside(self.path, suffix).write_bytes(self.data)
                self.left(suffix)
                self.assertIn(f"Data.fs{suffix} beside it tells of a tree", self.is_missing())
                beside(self.path, suffix).unlink()

    def test_empty_beside_the_one_before_the_pack(self) -> None:
        for data in (b"", MAGIC, bytes(len(self.data)), b"FS21" + self.data[4:]):
            self.left("")
            self.path.write_bytes(data)
            beside(self.path, ".old").write_bytes(self.data)
            self.assertIn("librarian fsck --tree --repair", self.is_missing())

    def test_another_kind_of_file(self) -> None:
        self.left("")
        self.path.write_bytes(b"SQLite format 3")
        self.assertIn("is no database", self.is_missing())

    def test_the_name_of_a_new_one_is_synced(self) -> None:
        self.left()
        synced: list[Path] = []
        real = os.fsync

        def fsync(file: int) -> None:
            synced.append(Path(f"/proc/self/fd/{file}").readlink())
            real(file)

        with mock.patch("os.fsync", fsync):
            DataFile(self.path).close()
        self.assertIn(self.path.parent, synced)
        self.assertIn(self.path.parent.parent, synced)


class Indexes(InAFolder):
    """An index is a cache: whatever is wrong with it, it is made anew, and that is said."""

    def setUp(self) -> None:
        super().setUp()
        tree = Tree.from_uri(self.uri)
        tree.run(lambda: tree.root().update({f"k{n}": PersistentMapping(n=n) for n in range(1000)}))
        tree.close()
        self.index = beside(self.path, ".index")
        self.saved = self.index.read_bytes()

    def sum(self) -> int:
        tree = Tree.from_uri(self.uri)
        try:
            with tree.session() as root:
                return sum(root[f"k{n}"]["n"] for n in range(1000))
        finally:
            tree.close()

    def is_rebuilt(self, reason: str) -> None:
        with self.assertLogs("librarian.tree", "WARNING") as said:
            self.assertEqual(self.sum(), sum(range(1000)))
        self.assertRegex("".join(said.output), f"index rebuilt.*{reason}")
        self.assertEqual(self.index.read_bytes(), self.saved)

    def test_a_sound_one_is_used(self) -> None:
        with self.assertNoLogs("librarian.tree", "WARNING"):
            storage = DataFile(self.path)
            self.assertEqual(storage._used_index, 1)
            storage.close()

    def test_a_zeroed_page_anywhere(self) -> None:
        for start in range(0, len(self.saved), 1024):
            self.index.write_bytes(self.saved[:start] + bytes(1024) + self.saved[start + 1024 :])
            self.is_rebuilt("")

    def test_cut_short_or_empty(self) -> None:
        for length in (0, 10, len(self.saved) // 2, len(self.saved) - 1):
            self.index.write_bytes(self.saved[:length])
            self.is_rebuilt("cut short")

    def test_of_an_older_version(self) -> None:
        storage = FileStorage(str(self.path))  # whose own index has no seal
        storage.close()
        self.is_rebuilt("older version")

    def test_of_another_file(self) -> None:
        other = self.path.with_name("Other.fs")
        tree = Tree.from_uri(f"file://{other}")
        tree.run(lambda: tree.root().update({f"k{n}": PersistentMapping(n=0) for n in range(1000)}))
        tree.close()
        beside(other, ".index").replace(self.index)
        self.is_rebuilt("another state")

    def test_private(self) -> None:
        """FileStorage makes files as the umask says, and a pack makes the tree's anew."""
        storage = DataFile(self.path)
        storage.pack(time.time(), referencesf)
        storage.close()
        for suffix in ("", ".index", ".old", ".tmp"):
            self.assertEqual(stat.S_IMODE(beside(self.path, suffix).stat().st_mode), 0o600, suffix)

    def test_files_of_older_versions_become_private(self) -> None:
        for path in (self.path, self.index, beside(self.path, ".tmp")):
            path.chmod(0o644)
        DataFile(self.path).close()
        for path in (self.path, self.index, beside(self.path, ".tmp")):
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600, path)

    def test_a_full_disk_costs_only_the_next_start(self) -> None:
        full = OSError(errno.ENOSPC, "full")
        with (
            mock.patch("librarian.tree.filestorage.index_file.sync_file", side_effect=full),
            self.assertLogs("librarian.tree", "WARNING"),
        ):
            self.sum()
        self.assertEqual(self.sum(), sum(range(1000)))

    def test_synced_before_it_has_its_name(self) -> None:
        steps: list[str] = []
        fsync, replace = os.fsync, Path.replace

        def synced(file: int) -> None:
            steps.append(f"fsync {Path(f'/proc/self/fd/{file}').readlink().name}")
            fsync(file)

        def replaced(path: Path, target: Path) -> Path:
            steps.append(f"rename {path.name}")
            return replace(path, target)

        storage = DataFile(self.path)
        with mock.patch("os.fsync", synced), mock.patch.object(Path, "replace", replaced):
            storage.close()
        self.assertEqual(
            steps, ["fsync Data.fs.index.index_tmp", "rename Data.fs.index.index_tmp", "fsync tree"]
        )

"""In which order the disk store syncs; `tests.crash` pulls the plug."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import IByteStore
from tests.store.support import DiskStoreTestCase


class Durability(DiskStoreTestCase):
    def steps(self, work: Callable[[], object]) -> list[str]:
        """What `work` asked of the file system."""
        steps: list[str] = []
        fsync, rename, mkdir = os.fsync, os.rename, os.mkdir

        def name(path: str) -> str:
            relative = os.path.relpath(path, self.root)
            return "incoming/*" if relative.startswith("incoming/") else relative

        def note_fsync(file: int) -> None:
            fsync(file)
            steps.append("fsync " + name(str(Path(f"/proc/self/fd/{file}").readlink())))

        def note_rename(old: str, new: str, **directories: int) -> None:
            rename(old, new, **directories)
            steps.append("rename")

        def note_mkdir(path: str, mode: int) -> None:
            mkdir(path, mode)
            steps.append("mkdir " + name(path))

        with mock.patch.multiple("os", fsync=note_fsync, rename=note_rename, mkdir=note_mkdir):
            work()
        return steps

    def steps_of_a_put(self, store: IByteStore | None = None) -> list[str]:
        return self.steps(lambda: (store or self.store).put(io.BytesIO(b"hello")))

    def test_new_folders_are_durable_before_the_name_and_the_name_before_the_answer(self) -> None:
        made = ["mkdir 2c", "fsync .", "mkdir 2c/f2", "fsync 2c"]
        self.assertEqual(["fsync incoming/*", *made, "rename", "fsync 2c/f2"], self.steps_of_a_put())

    def test_known_folders_are_not_synced_again(self) -> None:
        self.put(b"hello")
        self.assertEqual(["fsync incoming/*", "rename", "fsync 2c/f2"], self.steps_of_a_put())

    def test_folders_that_another_process_made_are_not_trusted(self) -> None:
        # It may not have come to syncing them, or have died before.
        (self.root / "2c" / "f2").mkdir(parents=True)
        (self.root / "2c" / "f2" / "lost").touch()  # no file of ours
        other = DiskStore(self.root, self.clock)
        self.assertEqual(
            ["fsync incoming/*", "fsync .", "fsync 2c", "rename", "fsync 2c/f2"],
            self.steps_of_a_put(other),
        )

    def test_a_folder_in_which_something_is_held_is_durable(self) -> None:
        """Its process made it durable before it gave anything a name there; so a new process need not."""
        self.put(b"hello")
        other = DiskStore(self.root, self.clock)
        self.assertEqual(["fsync incoming/*", "rename", "fsync 2c/f2"], self.steps_of_a_put(other))

    def test_what_is_removed_stays_removed(self) -> None:
        sha256 = self.put(b"hello")
        self.assertEqual(self.steps(lambda: self.store.remove(sha256)), ["fsync 2c/f2"])
        self.assertEqual(self.steps(lambda: self.store.remove(sha256)), [])

    def test_what_is_quarantined_stays_there(self) -> None:
        sha256 = self.put(b"hello")
        self.damage(sha256)
        steps = self.steps(lambda: self.store.quarantine(sha256))
        self.assertEqual(steps[steps.index("rename") :], ["rename", "fsync quarantine", "fsync 2c/f2"])

"""What strace sees is what the disk has: each call that a trace may hold, and each scene."""

import os
import tempfile
import unittest
from pathlib import Path

from tests.crash import recording
from tests.crash.operations import Disk, Names, Said, Sync
from tests.crash.recording import Recording, Words, record
from tests.crash.trace import NotModelled
from tools.runner.left_out import left_out


def every_call(site: Path, words: Words) -> None:
    """Each call that changes files or makes them durable."""
    folder = os.open(site, os.O_RDONLY | os.O_DIRECTORY)
    os.mkdir("sub", dir_fd=folder)
    with (site / "sub" / "a").open("w+b", buffering=0) as file:
        file.write(b"0123456789")
        file.seek(3)
        os.writev(file.fileno(), [b"ab", b"cd"])
        os.pwrite(file.fileno(), b"far", 20)
        file.read(1)
        file.write(b"!")
        file.truncate(22)
        os.fsync(file.fileno())
        with (site / "sent").open("wb", buffering=0) as target:
            os.sendfile(target.fileno(), file.fileno(), 2, 5)
        file.seek(1)
        with (site / "ranged").open("wb", buffering=0) as target:
            os.copy_file_range(file.fileno(), target.fileno(), 6)
            os.fdatasync(target.fileno())
    words.say(alias=7)
    unnamed = os.open(site, os.O_TMPFILE | os.O_RDWR)
    os.write(unnamed, b"named later")
    os.link(f"/proc/self/fd/{unnamed}", site / "linked", src_dir_fd=folder, follow_symlinks=True)
    os.rename("linked", "renamed", src_dir_fd=folder, dst_dir_fd=folder)
    os.link(site / "renamed", site / "second")
    with (site / "renamed").open("ab", buffering=0) as file:
        other = os.dup(file.fileno())
        os.write(other, b", appended")
        os.truncate(site / "sent", 3)
    (site / "sub").rename(site / "sub2")
    os.unlink("ranged", dir_fd=folder)
    (site / "gone").mkdir()
    (site / "gone").rmdir()
    os.fsync(folder)
    os.sync()


def second_process(site: Path, words: Words) -> None:
    """Not modelled."""
    if os.fork() == 0:
        os._exit(0)


class Tracing(unittest.TestCase):
    def setUp(self) -> None:
        if why := recording.missing():
            self.skipTest(left_out("power cuts", why))
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def recorded(self) -> Recording:
        (self.folder / "site").mkdir()
        (self.folder / "site" / "before").write_bytes(b"there already")
        return record(self.folder, every_call)

    def test_a_disk_made_of_the_operations_is_the_real_one(self) -> None:
        found = self.recorded()
        real = Disk.read(self.folder / "site")
        paths = [path for path, _inode in real.walk()]
        self.assertEqual(paths, ["before", "renamed", "second", "sent", "sub2", "sub2/a"])
        self.assertEqual(real.digest(), found.after.digest())
        self.assertEqual(bytes(found.after.files[found.after.find("second") or 0]), b"named later, appended")

    def test_the_words_and_the_syncs_stand_between_them(self) -> None:
        found = self.recorded().operations
        rest = [operation for operation in found if isinstance(operation, (Said, Sync))]
        told = [each.facts if isinstance(each, Said) else each.path for each in rest]
        self.assertEqual(told, ["sub/a", "ranged", {"alias": 7}, ".", "sync"])

    def test_a_rename_is_one_step(self) -> None:
        steps = [each for each in self.recorded().operations if isinstance(each, Names)]
        self.assertEqual(sorted({len(step.changes) for step in steps}), [1, 2])

    def test_a_disk_is_written_with_its_links(self) -> None:
        disk = self.recorded().after
        disk.write_to(self.folder / "copy")
        copy = self.folder / "copy"
        self.assertEqual(Disk.read(copy).digest(), disk.digest())
        self.assertTrue((copy / "renamed").samefile(copy / "second"))

    def test_what_is_not_understood_is_not_passed_over(self) -> None:
        with self.assertRaises(NotModelled):
            record(self.folder, second_process)

    def test_a_scene_that_fails_says_so(self) -> None:
        def failing(site: Path, words: Words) -> None:
            raise LookupError("of a scene")

        with self.assertRaisesRegex(AssertionError, "LookupError: of a scene"):
            record(self.folder, failing)

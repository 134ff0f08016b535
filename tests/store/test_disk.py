"""The disk store on a disk that is full, read-only, gone, failing or littered."""

import errno
import fcntl
import hashlib
import io
import os
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import BytesDamaged, BytesNotFound, StoreFull, StoreUnavailable
from tests.store.support import MIB, DiskStoreTestCase, pattern, sha256_of

HELLO = sha256_of(b"hello")


def failing(number: int) -> mock.Mock:
    """A system call that fails."""
    return mock.Mock(side_effect=OSError(number, os.strerror(number), "/secret/path"))


class Layout(DiskStoreTestCase):
    def test_names_and_modes_whatever_the_umask(self) -> None:
        for umask in (0, 0o077, 0o777):
            before = os.umask(umask)
            try:
                store = DiskStore(self.folder / f"umask {umask}" / "deep" / "store", self.clock, quota=MIB)
                store.put(io.BytesIO(b"hello"))
            finally:
                os.umask(before)
            found = {
                str(path.relative_to(self.folder / f"umask {umask}")): f"{path.stat().st_mode & 0o7777:o}"
                for path in (self.folder / f"umask {umask}").rglob("*")
            }
            self.assertEqual(
                {
                    "deep": "700",
                    "deep/store": "700",
                    "deep/store/2c": "700",
                    "deep/store/2c/f2": "700",
                    f"deep/store/2c/f2/{HELLO}": "600",
                    "deep/store/incoming": "700",
                    "deep/store/quarantine": "700",
                    "deep/store/usage": "600",
                },
                found,
            )

    def test_a_relative_root_stays_where_it_was(self) -> None:
        before = Path.cwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.folder)
        store = DiskStore(Path("store"), self.clock)
        os.chdir("/")
        store.put(io.BytesIO(b"hello"))
        self.assertIn(HELLO, self.store)

    def test_a_folder_removed_by_hand_comes_back(self) -> None:
        self.store.remove(self.put(b"hello"))
        (self.root / "2c" / "f2").rmdir()
        self.assertNotIn(HELLO, self.store)
        self.assertFalse(self.store.remove(HELLO))
        (self.root / "2c").rmdir()
        self.assertEqual(b"hello", self.read(self.put(b"hello")))

    def test_what_does_not_belong_is_reported_and_neither_listed_nor_removed(self) -> None:
        sha256 = self.put(b"hello")
        self.damage(self.put(b"rotten"))
        self.store.quarantine(sha256_of(b"rotten"))
        misplaced = "2c" * 32
        strays = [
            "README", "2C", "zz", "a", "ab.txt", "2c/F2", "2c/f2x", "2c/00", "2c/f2/notes.txt",
            "2c/f2/sub/file", f"2c/f2/{misplaced}", f"2c/{sha256}", f"quarantine/{sha256}.bak",
            "incoming/upload.part",
        ]  # fmt: skip
        for name in strays:
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"?")
        link = self.root / "2c" / "f2" / ("2cf2" + "0" * 60)
        link.symlink_to("/etc/passwd")
        (self.root / "lost+found").mkdir()
        (self.root / "incoming" / ("0" * 32)).write_bytes(b"half")
        found = [*strays, f"2c/f2/{link.name}"]
        found[found.index("2c/f2/sub/file")] = "2c/f2/sub"
        self.assertEqual(sorted(found), sorted(self.store.strays()))
        self.assertEqual([sha256], list(self.store))
        self.store.clear_incoming(timedelta(0))
        self.assertEqual(sorted(found), sorted(self.store.strays()))

    def test_a_link_is_not_followed_to_a_file_elsewhere(self) -> None:
        link = self.path("2cf2" + "0" * 60)
        link.parent.mkdir(parents=True)
        link.symlink_to("/etc/passwd")
        self.assertNotIn(link.name, self.store)
        self.assertRaises(BytesNotFound, self.store.open, link.name)
        self.assertRaises(BytesNotFound, self.store.size, link.name)
        link.with_name("2cf2" + "1" * 60).mkdir()
        self.assertRaises(BytesNotFound, self.store.open, "2cf2" + "1" * 60)


class Trouble(DiskStoreTestCase):
    def assert_refused(self, error: type[Exception], number: int, data: bytes = b"hello") -> None:
        """The put() fails so, says so without naming a path, and leaves nothing."""
        before = self.files()
        with self.assertRaises(error) as caught, self.assertLogs("librarian.store", "WARNING"):
            self.put(data)
        assert isinstance(caught.exception, OSError)
        self.assertEqual(number, caught.exception.errno)
        self.assertRegex(
            str(caught.exception), "^the byte store (has no room|is unavailable): [A-Z][a-z/ -]+$"
        )
        self.assertEqual(before, self.files())

    def test_every_step_may_fail_and_the_next_put_goes_well(self) -> None:
        for call in ("write", "fsync", "rename", "utime", "fchmod", "statvfs"):
            for number, error in (
                (errno.ENOSPC, StoreFull),
                (errno.EDQUOT, StoreFull),
                (errno.EFBIG, StoreFull),
                (errno.EIO, StoreUnavailable),
                (errno.EROFS, StoreUnavailable),
                (errno.EACCES, StoreUnavailable),
                (errno.EMFILE, StoreUnavailable),
            ):
                with self.subTest(call=call, error=errno.errorcode[number]):
                    with mock.patch(f"os.{call}", failing(number)):
                        self.assert_refused(error, number, b"%s %d" % (call.encode(), number))
                    self.assertEqual(b"hello", self.read(self.put(b"hello")))

    def test_a_disk_that_takes_only_part_of_a_write_gets_the_rest(self) -> None:
        write = os.write
        with mock.patch("os.write", lambda file, data: write(file, data[:100_000])):
            sha256 = self.put(pattern(3 * MIB + 1))
        self.assertEqual(3 * MIB + 1, self.store.verify(sha256))

    def test_a_system_that_takes_no_advice(self) -> None:
        with mock.patch("os.posix_fadvise", failing(errno.EINVAL)):
            self.assertEqual(20 * MIB, self.store.verify(self.put(pattern(20 * MIB))))

    def test_a_hashing_thread_that_fails_fails_the_put(self) -> None:
        digest = mock.Mock(wraps=hashlib.md5())
        digest.update.side_effect = [None, None, None, MemoryError]
        with (
            mock.patch("hashlib.new", side_effect=[hashlib.sha256(), hashlib.sha1(), digest]),
            self.assertRaises(MemoryError),
        ):
            self.put(pattern(4 * MIB))
        self.assertEqual([], self.files())

    def test_room_kept_free_for_other_programs(self) -> None:
        self.store = DiskStore(self.root, self.clock, keep_free=1 << 60)
        with self.assertRaises(StoreFull) as caught:
            self.put(b"hello")
        self.assertEqual("the byte store has no room: the disk is full", str(caught.exception))
        self.assertEqual([], self.files())

    def test_a_declared_size_without_room_is_refused_before_a_byte_is_read(self) -> None:
        stream = io.BytesIO(b"hello")
        for store, size in (
            (self.store, 1 << 60),
            (DiskStore(self.folder / "other", self.clock, quota=MIB), MIB + 1),
        ):
            with self.assertRaises(StoreFull):
                store.put(stream, size=size)
            self.assertEqual(0, stream.tell())

    def test_a_full_disk(self) -> None:
        self.root = self.mount("2m") / "store"
        self.store = DiskStore(self.root, self.clock)
        small = self.put(b"small")
        for size in (None, 4 * MIB):
            with self.assertRaises(StoreFull):
                self.store.put(io.BytesIO(pattern(4 * MIB)), size=size)
        with mock.patch("librarian.store.room.Room.require"):  # as if another had taken the room just now
            self.assert_refused(StoreFull, errno.ENOSPC, pattern(4 * MIB))
        self.assertEqual(b"small", self.read(small))
        large = self.put(pattern(MIB))
        self.assertTrue(self.store.remove(large))
        self.put(pattern(MIB + 1))

    def test_a_read_only_disk_can_be_read(self) -> None:
        volume = self.mount("2m")
        self.root = volume / "store"
        sha256 = DiskStore(self.root, self.clock).put(io.BytesIO(b"hello")).sha256
        subprocess.run(["mount", "-o", "remount,ro", str(volume)], check=True)
        self.store = DiskStore(self.root, self.clock)
        self.assert_refused(StoreUnavailable, errno.EROFS)
        self.assertEqual(b"hello", self.read(sha256))
        self.assertEqual([sha256], list(self.store))
        self.assertRaises(StoreUnavailable, self.store.remove, sha256)
        subprocess.run(["mount", "-o", "remount,rw", str(volume)], check=True)
        self.put(b"works again")
        self.assertTrue(self.store.remove(sha256))

    def test_a_read_only_disk_without_a_store_is_survived_too(self) -> None:
        volume = self.mount("2m")
        subprocess.run(["mount", "-o", "remount,ro", str(volume)], check=True)
        with self.assertLogs("librarian.store", "WARNING"):
            self.store = DiskStore(volume / "store", self.clock)
        self.assertRaises(StoreUnavailable, self.put, b"hello")

    def test_an_unmounted_volume_is_not_an_empty_store(self) -> None:
        # What stays is the folder it was mounted on.
        self.put(b"hello")
        self.root.rename(self.folder / "elsewhere")
        self.root.mkdir()
        for action in (
            lambda: self.put(b"more"),
            lambda: self.store.open(HELLO),
            lambda: self.store.size(HELLO),
            lambda: HELLO in self.store,
            lambda: self.store.remove(HELLO),
            lambda: self.store.quarantine(HELLO),
            lambda: list(self.store),
            lambda: list(self.store.strays()),
            lambda: self.store.clear_incoming(timedelta(0)),
        ):
            self.assertRaises(StoreUnavailable, action)
        self.assertEqual([], list(self.root.iterdir()))

    def test_a_permission_error_is_not_called_absent(self) -> None:
        self.put(b"hello")
        with mock.patch("os.stat", failing(errno.EACCES)), self.assertRaises(StoreUnavailable):
            self.assertNotIn(HELLO, self.store)
        with mock.patch("builtins.open", failing(errno.EACCES)):
            self.assertRaises(StoreUnavailable, self.store.open, HELLO)
        with mock.patch("os.listdir", failing(errno.EIO)):
            self.assertRaises(StoreUnavailable, list, self.store)


class Damage(DiskStoreTestCase):
    def test_a_medium_that_does_not_give_the_bytes_back(self) -> None:
        self.put(b"hello")
        with mock.patch("hashlib.file_digest", failing(errno.EIO)):
            self.assertRaises(BytesDamaged, self.store.verify, HELLO)
            self.assertTrue(self.store.quarantine(HELLO))
        self.assertRaises(BytesDamaged, self.store.open, HELLO)
        self.assertEqual([f"quarantine/{HELLO}"], self.files())

    def test_a_reader_out_of_descriptors_proves_no_damage(self) -> None:
        self.put(b"hello")
        with mock.patch("hashlib.file_digest", failing(errno.ENOMEM)):
            self.assertRaises(StoreUnavailable, self.store.quarantine, HELLO)
        self.assertEqual(b"hello", self.read(HELLO))

    def test_a_file_cut_short_or_grown(self) -> None:
        for damaged in (b"", b"hell", b"hello!"):
            self.path(self.put(b"hello")).write_bytes(damaged)
            self.assertRaises(BytesDamaged, self.store.verify, HELLO)
            self.assertTrue(self.store.quarantine(HELLO))

    def test_bytes_that_were_healed_while_being_judged_stay(self) -> None:
        self.put(b"hello")
        self.damage(HELLO)
        judge = hashlib.file_digest

        def judge_slowly(*arguments: Any) -> Any:
            verdict = judge(*arguments)
            self.put(b"hello")
            return verdict

        with mock.patch("hashlib.file_digest", judge_slowly):
            self.assertFalse(self.store.quarantine(HELLO))
        self.assertEqual(b"hello", self.read(HELLO))

    def test_bytes_that_were_removed_while_being_judged_are_absent(self) -> None:
        self.put(b"hello")
        self.damage(HELLO)
        judge = hashlib.file_digest

        def judge_slowly(*arguments: Any) -> Any:
            self.store.remove(HELLO)
            return judge(*arguments)

        with mock.patch("hashlib.file_digest", judge_slowly):
            self.assertRaises(BytesNotFound, self.store.quarantine, HELLO)


class Incoming(DiskStoreTestCase):
    def leftover(self, name: str, age: timedelta) -> Path:
        path = self.root / "incoming" / name
        path.write_bytes(b"half")
        moment = path.stat().st_mtime - age.total_seconds()
        os.utime(path, (moment, moment))
        return path

    def test_only_old_files_of_our_naming_are_cleared(self) -> None:
        self.leftover("0" * 32, timedelta(hours=25))
        self.leftover("1" * 32, timedelta(hours=23))
        self.leftover("notes", timedelta(days=365))
        with self.assertLogs("librarian.store.disk.incoming", "INFO"):
            self.assertEqual(1, self.store.clear_incoming(timedelta(days=1)))
        self.assertEqual(["incoming/" + "1" * 32, "incoming/notes"], self.files())
        self.assertEqual(0, self.store.clear_incoming(timedelta(days=1)))

    def test_a_living_writer_keeps_its_file_however_old(self) -> None:
        test = self

        class Endless(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                for path in (test.root / "incoming").iterdir():
                    os.utime(path, (0, 0))
                test.assertEqual(0, DiskStore(test.root, test.clock).clear_incoming(timedelta(0)))
                return super().read(size)

        sha256 = self.store.put(Endless(pattern(3 * MIB))).sha256
        self.assertEqual(3 * MIB, self.store.verify(sha256))

    def test_a_writer_whose_file_was_cleared_before_it_got_the_lock_takes_another(self) -> None:
        flock = fcntl.flock
        cleared: list[int] = []

        def late(file: int, operation: int) -> None:
            if not cleared:
                cleared.append(file)
                self.assertEqual(1, self.store.clear_incoming(timedelta(seconds=-1)))
            flock(file, operation)

        with mock.patch("fcntl.flock", late):
            self.assertEqual(b"hello", self.read(self.put(b"hello")))


class Quota(DiskStoreTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.store = DiskStore(self.root, self.clock, quota=1000)

    def used(self) -> int:
        return int((self.root / "usage").read_bytes())

    def test_all_stores_of_a_folder_share_one_total(self) -> None:
        first = self.put(pattern(600))
        other, unlimited = DiskStore(self.root, self.clock, quota=1000), DiskStore(self.root, self.clock)
        self.assertRaises(StoreFull, other.put, io.BytesIO(pattern(500)))
        unlimited.put(io.BytesIO(pattern(500)))
        self.assertEqual(1100, self.used())
        other.remove(first)
        self.put(pattern(400))
        self.assertEqual(900, self.used())

    def test_a_quota_set_later_counts_existing_files(self) -> None:
        root = self.folder / "other"
        store = DiskStore(root, self.clock)
        store.put(io.BytesIO(pattern(600)))
        store.put(io.BytesIO(pattern(100)))
        path = root / sha256_of(pattern(100))[:2] / sha256_of(pattern(100))[2:4] / sha256_of(pattern(100))
        path.write_bytes(b"rotten")
        store.quarantine(path.name)
        self.assertFalse((root / "usage").exists())
        self.assertEqual(606, store.recount())
        self.assertFalse((root / "usage").exists())
        DiskStore(root, self.clock, quota=1000)
        self.assertEqual(606, int((root / "usage").read_bytes()))

    def test_a_total_that_is_lost_or_wrong_is_counted_anew(self) -> None:
        self.put(pattern(600))
        for text in (b"", b"garbage\n"):
            (self.root / "usage").write_bytes(text)
            DiskStore(self.root, self.clock, quota=1000)
            self.assertEqual(600, self.used())
        (self.root / "usage").write_bytes(b"%020d\n" % 999)
        self.assertEqual(600, self.store.recount())
        self.assertEqual(600, self.used())

    def test_a_put_that_fails_at_the_last_step_is_not_counted(self) -> None:
        with mock.patch("os.rename", failing(errno.EIO)):
            self.assertRaises(StoreUnavailable, self.put, b"hello")
        self.assertEqual(0, self.used())

    def test_two_uploads_that_fit_alone_but_not_together(self) -> None:
        test = self

        class Overtaken(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                data = super().read(size)
                if not data:
                    test.put(pattern(600))
                return data

        with self.assertRaises(StoreFull):
            self.store.put(Overtaken(pattern(500)))
        self.assertEqual([sha256_of(pattern(600))], list(self.store))
        self.assertEqual(600, self.used())

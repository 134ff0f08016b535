"""A local store whose files are edited, whose processes are killed, and that several share."""

import io
import os
import signal
import tempfile
import unittest
from pathlib import Path

from librarian.tracker.client.interfaces import (
    DamagedFile,
    FileNotFound,
    InvalidName,
    NameConflict,
    VersionNotFound,
)
from librarian.tracker.client.stores.local import LocalDataStore
from tests.tracker.client.processes import python, statuses


class StoreCase(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.base = Path(directory.name)

    def file(self, data: bytes, name: str = "source") -> str:
        path = self.base / name
        path.unlink(missing_ok=True)  # it may have become a link to a stored file
        path.write_bytes(data)
        return str(path)

    def read(self, store: LocalDataStore, name: str) -> bytes:
        stream, _found = store.get_stream(name)
        with stream:
            return stream.read()

    def drafts(self) -> list[Path]:
        return list(self.base.rglob("*.part"))


class OnlyCopyTests(StoreCase):
    def setUp(self) -> None:
        super().setUp()
        self.now = 1000.7
        self.store = LocalDataStore(str(self.base / "store"), clock=lambda: self.now)

    def test_versions(self) -> None:
        source = self.file(b"five")
        self.assertEqual(self.store.add_file("/a@5", source), "/a@5")
        self.assertEqual(self.store.add_file("/a@4", self.file(b"four")), "/a@5")
        self.assertEqual(self.store.add_file("/a@5", self.file(b"other")), "/a@5")
        self.assertEqual(self.read(self.store, "/a"), b"five")
        self.assertEqual(self.store.add_file("/a", self.file(b"now")), "/a@1000")
        self.assertEqual(self.store.add_file("/a", self.file(b"at once")), "/a@1001")
        self.assertEqual(self.read(self.store, "/a@1001"), b"at once")
        self.assertEqual(self.store.file_size("/a@1001"), 7)
        self.assertTrue(self.store.exists("/a") and self.store.exists("/a@1001"))
        self.assertFalse(self.store.exists("/a@5") or self.store.exists("/b"))
        for call in (self.store.get_stream, self.store.file_size):
            with self.assertRaises(VersionNotFound) as caught:
                call("/a@5")
            self.assertEqual(caught.exception.available, 1001)

    def test_unknown_and_bad_names(self) -> None:
        for call in (
            self.store.get_stream,
            self.store.file_size,
            self.store.file_version,
            self.store.describe,
        ):
            with self.assertRaises(FileNotFound):
                call("/nothing")
            with self.assertRaises(InvalidName):
                call("/../../etc/passwd")
        with self.assertRaises(InvalidName):
            self.store.add_stream("/a/../../x", io.BytesIO(b""))

    def test_files_of_the_user_share_no_bytes_with_stored_ones(self) -> None:
        """Neither the file put in nor the one taken out shares bytes with the stored one."""
        source, target = Path(self.file(b"original")), self.base / "target"
        self.store.add_file("/a@5", str(source))
        self.store.get_file("/a", str(target))
        for path in (source, target):
            with path.open("r+b") as file:
                file.write(b"EDIT")
        self.assertEqual(self.read(self.store, "/a"), b"original")
        self.assertEqual(target.stat().st_nlink, 1)

    def test_damage_is_reported_and_nothing_is_dropped(self) -> None:
        self.store.add_file("/a@5", self.file(b"original"))
        inside = self.base / "store" / "files" / "a"
        inside.write_bytes(b"damaged!")
        os.utime(inside, (5, 5))
        with self.assertRaises(DamagedFile):
            self.store.get_stream("/a")
        self.assertEqual(inside.read_bytes(), b"damaged!")

    def test_files_of_an_older_filetracker_are_taken_over(self) -> None:
        inside = self.base / "store" / "files" / "old" / "file"
        inside.parent.mkdir()
        inside.write_bytes(b"old")
        os.utime(inside, (77, 77))
        self.assertEqual(self.store.get_file("/old/file", str(self.base / "out")), "/old/file@77")
        self.assertEqual(self.store.describe("/old/file").version, 77)
        self.assertEqual([tuple(entry) for entry in self.store.list_files()], [("old/file", 77.0)])

    def test_a_file_in_the_way_of_a_directory(self) -> None:
        self.store.add_file("/a@5", self.file(b"file"))
        with self.assertRaises(NameConflict):
            self.store.add_file("/a/b@5", self.file(b"below"))
        self.store.add_file("/d/e@5", self.file(b"deep"))
        with self.assertRaises(NameConflict):
            self.store.add_file("/d@5", self.file(b"above"))
        self.assertEqual(self.read(self.store, "/a") + self.read(self.store, "/d/e"), b"filedeep")
        self.assertFalse(self.store.exists("/d"))
        self.assertEqual(self.drafts(), [])

    def test_a_failing_stream_leaves_nothing(self) -> None:
        class Failing:
            def __init__(self) -> None:
                self.answers = [b"first part"]

            def read(self, size: int = -1, /) -> bytes:
                if not self.answers:
                    raise OSError("the line is dead")
                return self.answers.pop()

        self.store.add_file("/a@5", self.file(b"kept"))
        with self.assertRaisesRegex(OSError, "the line is dead"):
            self.store.add_stream("/a@6", Failing())
        self.assertEqual((self.read(self.store, "/a"), self.store.file_version("/a")), (b"kept", 5))
        self.assertEqual(self.drafts(), [])

    def test_delete(self) -> None:
        self.store.add_file("/d/e/f@5", self.file(b"data"))
        self.store.delete_file("/d/e/f@4")
        self.assertTrue(self.store.exists("/d/e/f"))
        self.store.delete_file("/d/e/f@5")
        self.store.delete_file("/d/e/f")
        self.assertEqual(list((self.base / "store" / "files").iterdir()), [])
        self.assertEqual(list((self.base / "store" / "records").iterdir()), [])

    def test_a_cache_that_gets_a_file_is_untagged(self) -> None:
        cache = LocalDataStore(str(self.base / "cache"), is_cache=True)
        self.assertTrue(cache.is_tagged)
        LocalDataStore(str(self.base / "cache")).add_file("/mine", self.file(b"only copy"))
        self.assertFalse(cache.is_tagged)


class CacheTests(StoreCase):
    def setUp(self) -> None:
        super().setUp()
        self.store = LocalDataStore(str(self.base / "cache"), is_cache=True)
        self.inside = self.base / "cache" / "files" / "a"

    def take(self, data: bytes = b"original") -> str:
        """A download, now cached; its path."""
        path = self.file(data, "download")
        os.utime(path, times=(5, 5))
        self.assertEqual(self.store.take_file("/a@5", path), "/a@5")
        return path

    def test_a_download_is_linked_and_read_only(self) -> None:
        path, out = Path(self.take()), self.base / "out"
        self.assertTrue(path.samefile(self.inside))
        path.unlink()
        self.store.get_file("/a@5", str(out))
        self.assertTrue(out.samefile(self.inside))
        self.assertEqual(oct(out.stat().st_mode & 0o777), "0o444")
        self.assertEqual(out.stat().st_mtime, 5)
        self.assertEqual(self.drafts(), [])

    def test_one_link_at_a_time(self) -> None:
        """Else a user who edits a link after all would edit another user's file."""
        first, second = Path(self.take()), self.base / "second"
        self.store.get_file("/a@5", str(second))
        self.assertFalse(first.samefile(second))
        with first.open("r+b") as file:
            file.write(b"EDIT")
        self.assertEqual(second.read_bytes(), b"original")

    def test_get_onto_its_own_link(self) -> None:
        out = self.take()
        self.assertEqual(self.store.get_file("/a@5", out), "/a@5")
        self.assertEqual(self.drafts(), [])

    def test_an_edit_through_a_link_is_never_served(self) -> None:
        path = self.take()
        for restore_time in (False, True):
            with self.subTest(restore_time=restore_time):
                with Path(path).open("r+b") as file:  # root may, and the owner after a chmod
                    file.write(b"EDIT" if restore_time else b"Edit")
                if restore_time:
                    os.utime(path, (5, 5))
                    with self.assertRaises(DamagedFile):
                        self.store.get_stream("/a@5")
                self.assertFalse(self.store.exists("/a@5"))
                with self.assertRaises(FileNotFound):
                    self.store.get_file("/a@5", str(self.base / "out"))
                path = self.take(b"original %d" % restore_time)
                self.assertEqual(self.read(self.store, "/a@5"), b"original %d" % restore_time)

    def test_same_size_same_time_edit_is_noticed(self) -> None:
        self.take(b"1234")
        self.inside.chmod(0o644)
        with self.inside.open("r+b") as file:
            file.write(b"4321")
        os.utime(self.inside, (5, 5))
        with self.assertRaises(DamagedFile):
            self.store.get_stream("/a")
        self.assertFalse(self.inside.exists())

    def test_a_file_without_record_does_not_count(self) -> None:
        """As after a loss of power, or when another program wrote it."""
        self.take()
        self.store.records.remove("/a")
        self.assertFalse(self.store.exists("/a@5"))
        self.take(b"again")
        self.assertEqual(self.read(self.store, "/a@5"), b"again")

    def test_damaged_records(self) -> None:
        for text in ("", "{", "[]", '{"version": "x"}', '{"version": 5}', "\0\0\0\0"):
            with self.subTest(text):
                self.take()
                Path(self.store.records.path("/a")).write_text(text)
                self.assertFalse(self.store.exists("/a@5"))

    def test_unchanged_files_are_hashed_once(self) -> None:
        self.take()
        self.read(self.store, "/a")
        before = Path(self.store.records.path("/a")).read_text()
        os.link(self.inside, self.base / "foreign link")  # changes ctime, not content
        self.assertEqual(self.read(self.store, "/a"), b"original")
        self.assertNotEqual(Path(self.store.records.path("/a")).read_text(), before)

    def test_a_cached_file_in_place_of_a_directory_is_dropped(self) -> None:
        self.take()
        self.store.add_file("/a/b@6", self.file(b"below"))
        self.assertEqual(self.read(self.store, "/a/b"), b"below")
        self.assertFalse(self.store.exists("/a"))


class CrashTests(StoreCase):
    def test_kill_in_the_middle_of_a_put(self) -> None:
        """Whatever moment it hits, the name is the old version or the new one, whole."""
        script = """
            import io, sys
            from librarian.tracker.client.stores.local import LocalDataStore
            store = LocalDataStore(sys.argv[1])
            for number in range(10, 1000000):
                store.add_stream(f"/a@{number}", io.BytesIO(b"%08d" % number * 20000))
                print(number, flush=True)
        """
        directory = str(self.base / "store")
        store = LocalDataStore(directory)
        for round_ in range(12):
            process = python(script, directory)
            assert process.stdout is not None
            for _line in range(1 + round_ % 4):
                acknowledged = process.stdout.readline()
            process.send_signal(signal.SIGKILL)
            acknowledged = (acknowledged + process.stdout.read()).split(b"\n")[-2]
            process.wait()
            process.stdout.close()
            data = self.read(store, "/a")
            self.assertEqual(data, b"%08d" % store.file_version("/a") * 20000)
            self.assertGreaterEqual(store.file_version("/a"), int(acknowledged))
            store.delete_file("/a")

    def test_processes_that_make_and_remove_one_directory(self) -> None:
        script = """
            import io, sys
            from librarian.tracker.client.stores.local import LocalDataStore
            store = LocalDataStore(sys.argv[1])
            name = f"/shared/deep/{sys.argv[2]}"
            for number in range(150):
                store.add_stream(f"{name}@{number}", io.BytesIO(b"x"))
                assert store.exists(name), number
                store.delete_file(name)
        """
        directory = str(self.base / "store")
        processes = [python(script, directory, str(number)) for number in range(3)]
        self.assertEqual(statuses(processes), [0, 0, 0])
        self.assertEqual(LocalDataStore(directory).list_files(), [])

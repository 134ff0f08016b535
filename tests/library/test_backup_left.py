"""Backups that leave the bytes in their object store: what stays there, and what a restored tree makes of
them."""

from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from librarian.library.backup.interfaces import BackupDamaged, CannotLeaveBytes
from librarian.library.backup.left_bytes import LeftBytes, left_at
from librarian.library.backup.manifests import Manifest
from librarian.library.backup.restoring import CheckBackup, Restore
from librarian.library.generations import Generations
from librarian.library.installation import unite
from librarian.library.model.files import LibraryFileContent
from librarian.library.operations import Library
from librarian.library.settings import SweepSettings
from librarian.library.upkeep.checking import Check
from librarian.library.upkeep.garbage.collector import GarbageCollector
from librarian.store.s3.calls import Calls
from librarian.store.s3.keeping import KeptObjects
from librarian.store.s3.keys import Keys
from librarian.store.s3.store import S3Store
from tests.library.test_backup import BackingUp
from tests.support.documents.library import keep, library_in
from tests.support.object_store import MemoryS3, Pauses, memory_s3_store
from tests.support.world import overlay

PLACE = "s3://bucket/files?endpoint=http://s3.example.org"
MONTH = timedelta(days=30)
FILES = [b"%d" % number * 1000 for number in range(5)]


def content_of(library: Library, number: int) -> LibraryFileContent:
    """The content of a file that has one."""
    content = library.alias(number).content
    assert content is not None
    return content


class Left(BackingUp):
    def setUp(self) -> None:
        super().setUp()
        self.enterContext(overlay("[librarian]\nsweep_after = 30d"))
        self.s3: Any = MemoryS3()
        self.library.store = self.store_of("s3")
        unite(self.library.tree, self.library.store)
        self.ids = [keep(self.library, data) for data in FILES]
        with self.library.tree.session():
            self.sha256s = [content_of(self.library, number).sha256 for number in self.ids]
        self.s3.calls.clear()

    def store_of(self, folder: str) -> S3Store:
        return memory_s3_store(self.s3, self.folder / folder, self.clock, Generations())

    def backup(self, **options: Any) -> Manifest:
        return super().backup(left=LeftBytes(PLACE, MONTH), **options)

    def kept(self, place: str) -> KeptObjects:
        self.assertEqual(place, PLACE)
        waits = Pauses()
        return KeptObjects(Calls(self.s3, self.s3, "bucket", 1, waits.now, waits.sleep), Keys("files/"))

    def drop(self, library: Library, *ids: int) -> None:
        """Drop files, and what they alone named."""
        for number in ids:
            library.tree.run(lambda number=number: library.subtree.drop(library.alias(number)))
        GarbageCollector(library).run(("contents",))

    def sweep(self, library: Library, **moved: int) -> dict[str, int]:
        self.clock.move(**moved)
        done: dict[str, int] = GarbageCollector(library).run(("bytes",)).done.get("bytes", {})
        return done

    def dropped(self) -> list[bytes] | None:
        with self.library.tree.session():
            found = self.library.subtree.dropped
            return None if found is None else list(found)

    def restore(self) -> tuple[Path, list[str]]:
        folder = self.folder / "restored"
        return folder, Restore(self.to, kept=self.kept).run(folder, self.clock).damaged

    def read_all(self, folder: Path) -> None:
        """All files of the backup, as the restored library gives them; then look at everything."""
        with library_in(folder, self.store_of("other")) as library:
            with library.tree.session():
                for number, data in zip(self.ids, FILES, strict=True):
                    with library.store.open(content_of(library, number).sha256) as file:
                        self.assertEqual(file.read(), data)
            self.assertEqual([found for found in Check(library) if found.severity == "error"], [])


class BackedUp(Left):
    def test_no_byte_is_read_and_none_copied(self) -> None:
        made = self.backup()
        self.assertEqual((made.contents, made.bytes, made.copied, made.damaged), (5, 5000, 0, []))
        self.assertEqual((made.bytes_at, made.good_until[:10]), (PLACE, str(self.clock.now() + MONTH)[:10]))
        self.assertEqual(self.s3.named("get_object", "head_object"), [])
        self.assertEqual(
            [path.name for path in (self.to / "bytes").rglob("*") if path.is_file()], ["installation"]
        )

    def test_what_is_missing_already_is_in_the_manifest(self) -> None:
        del self.s3.objects[f"files/bytes/{self.sha256s[2]}.0"]
        made = self.backup()
        self.assertEqual((made.contents, made.damaged), (4, [self.sha256s[2]]))

    def test_fsck_looks_for_them(self) -> None:
        self.backup()
        self.assertEqual(list(CheckBackup(self.to, kept=self.kept)), [])
        del self.s3.objects[f"files/bytes/{self.sha256s[2]}.0"]
        self.s3.objects[f"files/bytes/{self.sha256s[3]}.0"].data = b"short"
        found = {(finding.kind, finding.what) for finding in CheckBackup(self.to, kept=self.kept)}
        self.assertEqual(found, {("bytes missing", self.sha256s[2]), ("size differs", self.sha256s[3])})

    def test_where_they_cannot_be_left(self) -> None:
        sweep = SweepSettings(sweep_after=MONTH)
        self.assertEqual(
            left_at(f"{PLACE}&folder=/srv/s3&parallel=8", "", sweep),
            LeftBytes("s3://bucket/files?endpoint=http://s3.example.org&region=us-east-1&style=path", MONTH),
        )
        for place, before, settings in (
            ("/srv/bytes", "", sweep),
            (PLACE, "/srv/bytes", sweep),
            (PLACE, "", SweepSettings()),
        ):
            with self.subTest(place, before=before), self.assertRaises(CannotLeaveBytes):
                left_at(place, before, settings)


class Swept(Left):
    """What a backup names stays for `sweep_after`, and is swept then."""

    def test_after_a_month(self) -> None:
        self.clock.move(days=100)
        self.backup()
        self.drop(self.library, *self.ids[:2])
        self.assertEqual(self.sweep(self.library, days=29), {})
        self.assertEqual(self.restore()[1], [])
        self.assertEqual(self.sweep(self.library, days=2), {"swept": 2})
        self.assertEqual(self.dropped(), [])

    def test_named_again_and_dropped_again_it_stays_anew(self) -> None:
        self.drop(self.library, self.ids[0])
        self.clock.move(days=29)
        again = keep(self.library, FILES[0])
        self.backup()
        self.drop(self.library, again)
        self.assertEqual(self.sweep(self.library, days=29), {})

    def test_what_was_never_named_does_not_stay(self) -> None:
        self.library.store.put(BytesIO(b"stray"))
        self.assertEqual(self.sweep(self.library, days=2), {"swept": 1})

    def test_without_the_setting_nothing_stays(self) -> None:
        with overlay("[librarian]\nsweep_after = 0s"):
            self.drop(self.library, self.ids[0])
            self.assertEqual(self.sweep(self.library, days=2), {"swept": 1})
            self.assertIsNone(self.dropped())


class Restored(Left):
    def test_all_is_read_from_where_it_was(self) -> None:
        self.backup()
        folder, damaged = self.restore()
        self.assertEqual((damaged, sorted(path.name for path in folder.iterdir())), ([], ["tree"]))
        self.read_all(folder)

    def test_what_happened_in_the_bucket_since(self) -> None:
        """Swept and stored again, found damaged and stored again, stored for the first time."""
        self.backup()
        self.drop(self.library, self.ids[0])
        self.assertEqual(self.sweep(self.library, days=31), {"swept": 1})
        keep(self.library, FILES[0])
        self.s3.objects[f"files/bytes/{self.sha256s[1]}.0"].data = b"?" * 1000
        self.assertTrue(self.library.store.quarantine(self.sha256s[1]))
        keep(self.library, FILES[1])
        keep(self.library, b"new")
        folder, missing = self.restore()
        self.assertEqual(missing, [])
        self.read_all(folder)
        with library_in(folder, self.store_of("other")) as library:
            self.assertEqual(self.sweep(library, days=2), {"swept": 1})
        self.read_all(folder)

    def test_what_is_missing_is_named(self) -> None:
        self.backup()
        del self.s3.objects[f"files/bytes/{self.sha256s[2]}.0"]
        self.s3.objects[f"files/bytes/{self.sha256s[3]}.0"].data = b"short"
        self.assertEqual(sorted(self.restore()[1]), sorted(self.sha256s[2:4]))

    def test_what_is_in_quarantine_is_missing(self) -> None:
        self.backup()
        self.s3.objects[f"files/bytes/{self.sha256s[4]}.0"].data = b"?" * 1000
        self.assertTrue(self.library.store.quarantine(self.sha256s[4]))
        self.assertEqual(self.restore()[1], [self.sha256s[4]])

    def test_a_bucket_of_another_installation(self) -> None:
        self.backup()
        self.library.store.join("another", anew=True)
        with self.assertRaisesRegex(BackupDamaged, "the bytes are of another"):
            self.restore()


del BackingUp, Left  # have no test of their own

"""Backup, restore and fsck of a library whose bytes are in an object store."""

import hashlib
from functools import partial
from io import BytesIO
from typing import Any

from librarian.library.backup.restoring import Restore
from librarian.library.upkeep.checking import Check
from librarian.store.cache.local import LocalCache
from librarian.store.disk.store import DiskStore
from librarian.store.moving.copying import Copying
from tests.library.test_backup import BackingUp
from tests.support.object_store import MemoryS3, memory_s3_store

MIB = 1 << 20
FILES = [b"%d" % number * 1000 for number in range(5)]


class Remote(BackingUp):
    def setUp(self) -> None:
        super().setUp()
        self.s3: Any = MemoryS3()
        self.cache = LocalCache(self.folder / "cache", 64 * MIB)
        self.addCleanup(self.cache.finish)
        self.store = memory_s3_store(self.s3, self.folder / "s3", self.clock, cache=self.cache)
        self.library.store = self.store
        for number, data in enumerate(FILES):
            stored = self.store.put(BytesIO(data))
            with self.library.tree.session():
                self.library.tree.run(partial(self.library.add, stored, f"{number}.txt", "text/plain"))
        self.digests = sorted(hashlib.sha256(data).hexdigest() for data in FILES)
        self.s3.calls.clear()

    def cached(self) -> list[str]:
        return [path.name for path in (self.folder / "cache" / "entries").rglob("*") if path.is_file()]

    def key_of(self, sha256: str) -> str:
        return f"files/bytes/{sha256}.0"

    def rot_once(self, sha256: str) -> None:
        """Have the store send wrong bytes the next time, and the right ones from then on."""
        sound, answered = self.s3.objects[self.key_of(sha256)].data, self.s3._get_object
        self.s3.objects[self.key_of(sha256)].data = b"?" + sound[1:]

        def get_object(Bucket: str, Key: str, **others: Any) -> Any:
            answer = answered(Key, **others)
            self.s3.objects[self.key_of(sha256)].data = sound
            return answer

        self.s3.get_object = get_object


class BackedUp(Remote):
    def test_there_and_back_without_the_cache(self) -> None:
        made = self.backup()
        self.assertEqual((made.contents, made.copied, made.damaged), (5, 5, []))
        self.assertEqual(self.cached(), [])
        restored = self.folder / "restored"
        self.assertEqual(Restore(self.to).run(restored, self.clock).damaged, [])
        self.assertEqual(list(DiskStore(restored / "bytes", self.clock)), self.digests)

    def test_the_second_one_asks_for_what_is_new_only(self) -> None:
        self.backup()
        self.s3.calls.clear()
        self.assertEqual(self.backup().copied, 0)
        self.assertEqual(self.s3.named("get_object"), [])

    def test_a_wrong_byte_that_was_sent_once_is_copied_right(self) -> None:
        self.rot_once(self.digests[2])
        made = self.backup()
        self.assertEqual((made.contents, made.damaged), (5, []))

    def test_damage_is_quarantined_and_in_the_manifest(self) -> None:
        damaged = self.digests[3]
        self.s3.objects[self.key_of(damaged)].data = b"?" * 1000
        made = self.backup()
        self.assertEqual((made.contents, made.damaged), (4, [damaged]))
        self.assertEqual(list(self.store.quarantined()), [damaged])

    def test_bytes_move_without_the_cache_and_in_spite_of_a_wrong_byte(self) -> None:
        self.rot_once(self.digests[0])
        target = DiskStore(self.folder / "target", self.clock)
        moved = Copying(self.store, target, jobs=1).run()
        self.assertEqual((moved.copied, moved.damaged, self.cached()), (5, 0, []))
        self.assertEqual(list(target), self.digests)


class Checked(Remote):
    def test_fsck_lists_and_asks_for_no_file_that_is_there(self) -> None:
        self.assertEqual(list(Check(self.library)), [])
        self.assertEqual(self.s3.named("head_object", "get_object"), [])

    def test_fsck_finds_what_is_missing_damaged_or_of_another_size(self) -> None:
        missing, damaged, short = self.digests[:3]
        del self.s3.objects[self.key_of(missing)]
        self.s3.objects[self.key_of(damaged)].data = b"?" * 1000
        self.store.quarantine(damaged)
        self.s3.objects[self.key_of(short)].data = b"?"
        found = {(finding.kind, finding.what) for finding in Check(self.library)}
        wanted = {("bytes missing", missing), ("bytes quarantined", damaged), ("size differs", short)}
        self.assertEqual(found, wanted)


del BackingUp, Remote  # have no test of their own

"""Bytes move between stores that are in use: interrupted, damaged, removed and stored meanwhile."""

import os
import signal
import subprocess
import sys
import unittest
from datetime import timedelta
from errno import EHOSTDOWN
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from zope.interface.verify import verifyObject

from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import BytesDamaged, BytesNotFound, IByteStore, StoreFull, StoreUnavailable
from librarian.store.memory import MemoryStore
from librarian.store.moving.both import BothStores
from librarian.store.moving.copying import Copying, Moved, held_in
from librarian.store.moving.interfaces import ICopying, OtherInstallation
from tests.store.support import DiskStoreTestCase, HandClock, pattern, sha256_of
from tests.support.servers.forked import with_path

ROSE, VIOLET, LILY = b"Roses are red", b"Violets are blue", b"Lilies are white"

# Copies 1000 bytes a second from one folder to another; says so after each object.
SLOW_COPY = """
import sys, time
from pathlib import Path
from librarian.clock import SystemClock
from librarian.store.disk.store import DiskStore
from librarian.store.moving.copying import Copying
source, target = (DiskStore(Path(each), SystemClock()) for each in sys.argv[1:])
Copying(source, target, spend=lambda count: time.sleep(count / 1000), jobs=1,
        told=lambda moved: print(moved.copied, flush=True)).run()
"""


class MovingTestCase(DiskStoreTestCase):
    """`store` is the old one, `target` the new."""

    def setUp(self) -> None:
        super().setUp()
        self.target = DiskStore(self.folder / "target", self.clock)

    def copy(self, **options: Any) -> Moved:
        return Copying(self.store, self.target, **options).run()

    def damage_in(self, root: Path, sha256: str) -> None:
        (root / sha256[:2] / sha256[2:4] / sha256).write_bytes(b"?")


class Moving(MovingTestCase):
    def test_it_is_what_its_interface_says(self) -> None:
        verifyObject(ICopying, Copying(self.store, self.target))

    def test_what_is_missing_is_copied_once(self) -> None:
        held = [self.put(pattern(size)) for size in (0, 1, 70_000, 3_000_000)]
        moved = self.copy()
        self.assertEqual((moved.copied, moved.copied_bytes, moved.held), (4, 3_070_001, 0))
        self.assertEqual(list(self.target), sorted(held))
        self.assertEqual(self.put(ROSE) in self.target, False)
        moved = self.copy()
        self.assertEqual((moved.copied, moved.copied_bytes, moved.held), (1, len(ROSE), 4))

    def test_an_empty_store(self) -> None:
        self.assertEqual(self.copy(), Moved())

    def test_damaged_bytes_are_counted_and_not_copied(self) -> None:
        rose, violet, lily = map(self.put, (ROSE, VIOLET, LILY))
        self.damage_in(self.root, violet)
        self.damage_in(self.root, lily)
        self.store.quarantine(lily)
        moved = self.copy()
        self.assertEqual((moved.copied, moved.damaged, moved.quarantined), (1, 1, 1))
        self.assertFalse(moved.is_whole)
        self.assertEqual(list(self.target), [rose])

    def test_bytes_that_are_swept_meanwhile_are_no_matter(self) -> None:
        rose = self.put(ROSE)
        listed = iter([rose, sha256_of(VIOLET)])
        with patch.object(DiskStore, "__iter__", lambda store: listed if store is self.store else iter([])):
            self.assertEqual(self.copy().copied, 1)

    def test_reading_back_finds_and_mends_what_the_target_had(self) -> None:
        rose, violet = map(self.put, (ROSE, VIOLET))
        self.copy()
        self.damage_in(self.folder / "target", rose)
        self.assertEqual(self.copy().held, 2)
        moved = self.copy(verify=True)
        self.assertEqual((moved.copied, moved.held, moved.verified), (1, 1, 2))
        self.target.verify(rose)
        self.target.verify(violet)

    def test_a_copy_that_does_not_read_back_is_an_error(self) -> None:
        self.put(ROSE)
        with (
            patch.object(DiskStore, "verify", side_effect=BytesDamaged("0" * 64)),
            self.assertRaises(BytesDamaged),
        ):
            self.copy(verify=True)

    def test_a_full_target_ends_it_and_the_next_run_goes_on(self) -> None:
        for number in range(50):
            self.put(pattern(1000 + number))
        small = MemoryStore(self.clock, quota=20_000)
        with self.assertRaises(StoreFull):
            Copying(self.store, small).run()
        self.assertGreater(len(list(small)), 10)
        roomy = MemoryStore(self.clock)
        for sha256 in small:
            roomy.put(small.open(sha256))
        self.assertEqual(Copying(self.store, roomy).run().held, len(list(small)))
        self.assertEqual(list(roomy), list(self.store))

    def test_a_rate_is_paid_for_by_the_byte(self) -> None:
        self.put(pattern(3_000_000))
        spent: list[int] = []
        self.copy(spend=spent.append)
        self.assertEqual(sum(spent), 3_000_000)

    def test_killed_at_any_moment_it_goes_on_where_it_was(self) -> None:
        for number in range(5):
            self.put(pattern(300 + number))
        for _round in range(2):
            command = [sys.executable, "-c", SLOW_COPY, str(self.root), str(self.folder / "target")]
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, env=with_path(dict(os.environ))
            ) as process:
                assert process.stdout is not None
                while process.stdout.readline() == b"0\n":  # of what was there before
                    pass
                process.send_signal(signal.SIGKILL)
        self.assertGreaterEqual(len(list(self.target)), 2)
        for sha256 in self.target:
            self.target.verify(sha256)
        self.copy(verify=True)
        self.assertEqual(list(self.target), list(self.store))


class Joining(MovingTestCase):
    def test_an_empty_target_becomes_one_of_the_installation(self) -> None:
        copying = Copying(self.store, self.target)
        copying.join("ours")
        copying.join("ours")
        self.assertEqual(self.target.installation(), "ours")

    def test_others_are_refused(self) -> None:
        self.target.put(BytesIO(ROSE))
        with self.assertRaises(OtherInstallation):
            Copying(self.store, self.target).join("ours")
        self.target.join("theirs")
        with self.assertRaises(OtherInstallation):
            Copying(self.store, self.target).join("ours")


class Merging(unittest.TestCase):
    def test_listings_side_by_side(self) -> None:
        cases: list[tuple[str, str, list[bool]]] = [
            ("", "", []),
            ("", "abc", []),
            ("abc", "", [False] * 3),
            ("abc", "abc", [True] * 3),
            ("bdf", "abcdefg", [True] * 3),
            ("abcdefg", "bdf", [False, True, False, True, False, True, False]),
            ("xyz", "abc", [False] * 3),
        ]
        for source, target, held in cases:
            with self.subTest(source=source, target=target):
                self.assertEqual(list(held_in(source, target)), list(zip(source, held, strict=True)))


class Both(MovingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.both = BothStores(self.target, self.store)

    def test_it_is_a_byte_store(self) -> None:
        verifyObject(IByteStore, self.both)

    def both_read(self, sha256: str) -> bytes:
        with self.both.open(sha256) as file:
            return file.read()

    def test_writes_go_to_the_new_one_and_reads_find_both(self) -> None:
        old, new = self.put(ROSE), self.both.put(BytesIO(VIOLET)).sha256
        self.assertEqual((new in self.target, new in self.store), (True, False))
        self.assertEqual((self.both_read(old), self.both_read(new)), (ROSE, VIOLET))
        self.assertEqual((self.both.size(old), self.both.verify(new)), (len(ROSE), len(VIOLET)))
        self.assertEqual(list(self.both), sorted([old, new]))
        self.assertEqual(self.both.recount(), len(ROSE) + len(VIOLET))

    def test_what_is_in_both_is_listed_once_and_as_young_as_the_younger(self) -> None:
        sha256 = self.put(ROSE)
        self.clock.time += timedelta(days=3)
        self.both.put(BytesIO(ROSE))
        self.assertEqual(list(self.both), [sha256])
        self.assertEqual(self.both.stored_at(sha256), self.clock.time)

    def test_what_neither_has_is_not_there(self) -> None:
        absent = sha256_of(LILY)
        self.assertNotIn(absent, self.both)
        for ask in (
            self.both.open,
            self.both.size,
            self.both.stored_at,
            self.both.verify,
            self.both.quarantine,
        ):
            with self.subTest(ask.__name__), self.assertRaises(BytesNotFound):
                ask(absent)
        self.assertFalse(self.both.remove(absent))

    def test_a_sweep_removes_both_copies_but_not_young_ones(self) -> None:
        rose, violet = self.put(ROSE), self.put(VIOLET)
        self.clock.time += timedelta(days=3)
        limit = self.clock.time - timedelta(days=1)
        self.both.put(BytesIO(ROSE))
        for sha256 in (rose, violet):
            self.assertTrue(self.both.remove(sha256, stored_before=limit))
        self.assertEqual(list(self.both), [rose])
        self.assertTrue(self.both.remove(rose))
        self.assertEqual(list(self.both), [])

    def test_damage_in_the_new_one_is_quarantined_and_the_old_copy_is_read(self) -> None:
        sha256 = self.put(ROSE)
        self.both.put(BytesIO(ROSE))
        self.damage_in(self.folder / "target", sha256)
        with self.assertRaises(BytesDamaged):
            self.both.verify(sha256)
        self.assertTrue(self.both.quarantine(sha256))
        self.assertEqual(self.both_read(sha256), ROSE)
        self.assertEqual(list(self.both.quarantined()), [])

    def test_damage_in_both_is_damage(self) -> None:
        sha256 = self.put(ROSE)
        self.both.put(BytesIO(ROSE))
        for root in (self.root, self.folder / "target"):
            self.damage_in(root, sha256)
        self.assertTrue(self.both.quarantine(sha256))
        with self.assertRaises(BytesDamaged):
            self.both.open(sha256)
        self.assertEqual(list(self.both.quarantined()), [sha256])

    def test_an_upload_after_the_switch_needs_the_new_one_only(self) -> None:
        receiving = self.both.receive(len(ROSE))
        receiving.write(ROSE)
        sha256 = self.both.keep(receiving.finish(), sha256=sha256_of(ROSE)).sha256
        self.assertEqual(list(self.store), [])
        self.assertEqual(self.both_read(sha256), ROSE)

    def test_stores_of_two_installations_are_no_ones(self) -> None:
        self.assertIsNone(self.both.installation())
        self.store.join("ours")
        self.assertIsNone(self.both.installation())
        self.assertEqual(self.both.join("ours"), "ours")
        self.assertEqual(self.both.installation(), "ours")
        self.target.join("theirs", anew=True)
        self.assertEqual(self.both.installation(), "theirs and ours")

    def test_moving_on_while_it_is_used_leaves_nothing_behind(self) -> None:
        old = self.put(ROSE)
        new = self.both.put(BytesIO(VIOLET)).sha256
        self.copy()
        self.assertEqual(list(self.target), sorted([old, new]))

    def test_while_the_new_one_is_away_the_old_one_is_read(self) -> None:
        sha256 = self.put(ROSE)
        away = StoreUnavailable(EHOSTDOWN, "away")
        with patch.object(self.target, "open", side_effect=away):
            self.assertEqual(self.both_read(sha256), ROSE)
            with self.assertRaises(StoreUnavailable):
                self.both.open(sha256_of(LILY))

    def test_memory_is_a_store_like_others(self) -> None:
        both = BothStores(MemoryStore(HandClock()), self.store)
        sha256 = self.put(LILY)
        with both.open(sha256) as file:
            self.assertEqual(file.read(), LILY)

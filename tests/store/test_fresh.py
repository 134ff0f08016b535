"""The list of what is new in a store on disk."""

import tempfile
import unittest
from pathlib import Path

from librarian.store.disk.fresh import LONGEST_LIST, Fresh

A, B = "a" * 64, "b" * 64


class Listed(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.fresh = Fresh(folder.name)

    def test_once_each(self) -> None:
        self.fresh.add(A)
        self.fresh.add(B)
        self.assertEqual(list(self.fresh.take()), [A, B])
        self.fresh.done()
        self.assertEqual(list(self.fresh.take()), [])
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_a_scrub_that_was_killed_begins_there_again(self) -> None:
        self.fresh.add(A)
        self.assertEqual(next(self.fresh.take()), A)
        self.fresh.add(B)
        self.assertEqual(list(self.fresh.take()), [A])
        self.fresh.done()
        self.assertEqual(list(self.fresh.take()), [B])

    def test_what_is_no_digest_is_passed_over(self) -> None:
        (self.folder / "fresh").write_bytes(
            b"\xff\xfe\n../../etc/passwd\n" + A.encode() + b"\n" + A[:9].encode()
        )
        self.assertEqual(list(self.fresh.take()), [A])

    def test_its_size_is_limited(self) -> None:
        (self.folder / "fresh").write_bytes(b"\n" * LONGEST_LIST)
        self.fresh.add(A)
        self.assertEqual((self.folder / "fresh").stat().st_size, LONGEST_LIST)

    def test_only_its_owner_reads_it_and_it_follows_no_link(self) -> None:
        self.fresh.add(A)
        self.assertEqual((self.folder / "fresh").stat().st_mode & 0o777, 0o600)
        (self.folder / "fresh").unlink()
        (self.folder / "fresh").symlink_to(self.folder / "elsewhere")
        self.fresh.add(B)
        self.assertFalse((self.folder / "elsewhere").exists())

"""Digests of streams: with a callback, from where the file stands, and on all processors."""

import hashlib
import tempfile
import threading
import unittest
from io import BufferedReader
from pathlib import Path
from unittest import mock

from librarian.store import hashing
from librarian.store.hashing import CHUNK_BYTES
from tests.store.support import pattern

DATA = pattern(2 * CHUNK_BYTES + 7)


class OfFiles(unittest.TestCase):
    def setUp(self) -> None:
        path = Path(self.enterContext(tempfile.TemporaryDirectory())) / "file"
        path.write_bytes(DATA)
        self.file: BufferedReader = self.enterContext(path.open("rb"))

    def test_progress_is_told_by_pieces_and_changes_nothing(self) -> None:
        told: list[int] = []
        self.assertEqual(hashing.sha256_of(self.file, told.append), hashlib.sha256(DATA).hexdigest())
        self.assertEqual(told, [CHUNK_BYTES, CHUNK_BYTES, 7])

    def test_the_rest_of_a_file(self) -> None:
        for progress in (None, lambda size: None):
            self.file.seek(5)
            found = hashing.sha256_of(self.file, progress)
            self.assertEqual(found, hashlib.sha256(DATA[5:]).hexdigest())


class Threads(unittest.TestCase):
    def test_as_many_streams_at_the_same_time_as_there_are_processors(self) -> None:
        for processors, number in ((3, 3), (5, 5), (None, 2)):
            with mock.patch("os.cpu_count", return_value=processors):
                pool = hashing._md5_threads.__wrapped__()
            together = threading.Barrier(number)
            with pool:
                for turn in [pool.submit(together.wait, 5.0) for _stream in range(number)]:
                    turn.result()

"""One download by one client, as a value: random pieces against a plain count of each byte."""

import random
import unittest
from datetime import UTC, datetime, timedelta

from librarian.library.model.client_downloads import MOST_STRETCHES, REPAIR, ClientDownload

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SIZE = 40


class Counting(unittest.TestCase):
    def test_it_agrees_with_a_count_of_each_byte(self) -> None:
        for seed in range(300):
            chance, counts = random.Random(seed), [0] * SIZE
            download = ClientDownload(1, SIZE, NOW)
            for _step in range(30):
                start = chance.randrange(SIZE)
                stop = chance.randint(start + 1, SIZE)
                within = range(start, stop)
                whole_again = min(counts) > 0 and (start, stop) == (0, SIZE)
                expected = all(counts[byte] < 2 for byte in within) and not whole_again
                self.assertEqual(download.allows([(start, stop)], NOW), expected, (seed, counts, start, stop))
                if not expected:
                    continue
                download = download.give([(start, stop)], NOW)
                sent = chance.randint(start, stop)
                if sent < stop:
                    download = download.take_back((sent, stop), 0, NOW)
                for byte in range(start, sent):
                    counts[byte] += 1
                told = [0] * SIZE
                for first, after, times in download.given:
                    told[first:after] = [times] * (after - first)
                self.assertEqual(told, counts, seed)

    def test_pieces_that_touch_are_one_stretch(self) -> None:
        download = ClientDownload(1, 10**9, NOW)
        for start in range(0, 10**6, 1000):
            download = download.give([(start, start + 1000)], NOW)
        self.assertEqual(download.given, ((0, 10**6, 1),))

    def test_more_stretches_than_are_kept(self) -> None:
        pieces = [(2 * number, 2 * number + 1) for number in range(MOST_STRETCHES)]
        download = ClientDownload(1, 10**9, NOW).give(pieces, NOW)
        self.assertFalse(download.allows([(10**6, 10**6 + 1)], NOW))
        self.assertTrue(download.allows([(1, 2)], NOW))

    def test_lost_bytes_are_sent_again_up_to_the_size_of_the_file(self) -> None:
        """A client that breaks each answer a byte before its end gets every byte three times, not more."""
        download, sent = ClientDownload(1, SIZE, NOW), 0
        while download.allows([(0, SIZE - 1)], NOW):
            download = download.give([(0, SIZE - 1)], NOW).take_back((SIZE - 2, SIZE - 1), SIZE - 2, NOW)
            sent += SIZE - 2
        self.assertEqual(sent, 3 * (SIZE - 2))

    def test_a_completed_download_does_not_restart(self) -> None:
        download = ClientDownload(1, SIZE, NOW).give([(0, SIZE)], NOW).take_back((30, SIZE), 30, NOW)
        self.assertTrue(download.allows([(0, SIZE)], NOW))
        download = download.give([(25, SIZE)], NOW)
        self.assertFalse(download.allows([(0, SIZE)], NOW))
        self.assertTrue(download.allows([(0, 25)], NOW))

    def test_repair_ends_after_an_hour(self) -> None:
        download = ClientDownload(1, SIZE, NOW).give([(0, SIZE)], NOW)
        for late, expected in ((timedelta(0), True), (timedelta(microseconds=1), False)):
            with self.subTest(late):
                self.assertEqual(download.unfinished(NOW + REPAIR + late), expected)
                self.assertEqual(download.allows([(1, SIZE)], NOW + REPAIR + late), expected)

"""Work beside the readers."""

import errno
import unittest

from librarian.store.cache.beside import Beside
from librarian.store.interfaces import StoreUnavailable


class Failing(unittest.TestCase):
    def test_no_room_and_no_descriptors_are_one_line_and_what_comes_after_is_done(self) -> None:
        beside, done = Beside(), list[int]()

        def fail() -> None:
            raise StoreUnavailable(errno.EMFILE, "the byte store is unavailable")

        with self.assertLogs("librarian.store.cache.beside", "ERROR") as logged:
            beside.start("trim", fail)
            beside.start("fill", lambda: done.append(1))
            beside.finish()
        self.assertEqual(
            [(each.exc_info, len(each.getMessage().splitlines())) for each in logged.records], [(None, 1)]
        )
        self.assertEqual(done, [1])

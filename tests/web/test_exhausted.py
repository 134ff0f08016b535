"""What runs out above the error pages, such as descriptors, is 503 or 507 with one line in the log."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from webtest import TestResponse
from zope.component import getUtility

from librarian.tree.interfaces import ITree
from librarian.tree.service import Tree
from librarian.web import errors
from tests.support.servers.in_process import request
from tests.web.support import PeopleInTheWorld


class Exhausted(PeopleInTheWorld):
    """The database cannot be opened for a request."""

    @contextmanager
    def failing(self, number: int) -> Iterator[None]:
        with patch.object(Tree, "_begin", side_effect=OSError(number, os.strerror(number), "Data.fs")):
            yield

    def answer(self, number: int) -> TestResponse:
        self.assertIsInstance(getUtility(ITree), Tree)
        with (
            self.failing(number),
            patch.object(errors.log, "filters", []),  # what was said in the minute before matters not
            self.assertLogs("librarian.web", "ERROR") as logged,
        ):
            answer: TestResponse = request("GET", "http://localhost:8000/1/x")
        self.assertEqual(len(logged.records), 1)
        self.logged = logged.output[0]
        return answer

    def test_no_descriptor_left_is_503(self) -> None:
        for number in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            with self.subTest(number):
                answer = self.answer(number)
                self.assertEqual((answer.status_int, answer.headers["Retry-After"]), (503, "10"))
                self.assertNotIn("Traceback", self.logged)

    def test_no_room_is_507(self) -> None:
        self.assertEqual(self.answer(errno.ENOSPC).status_int, 507)

    def test_another_error_is_500_and_told_with_where_it_was(self) -> None:
        self.assertEqual(self.answer(errno.EIO).status_int, 500)
        self.assertIn("Traceback", self.logged)

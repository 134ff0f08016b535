"""What tests of the named tree share."""

import threading
import unittest
from collections.abc import Callable
from typing import Any

import transaction
from zope.component import getUtility

from librarian.naming.interfaces import INamedTree
from tests.support.documents.people import bearer, person
from tests.support.layers import Functional
from tests.support.servers.in_process import request

APP = "http://localhost:6543"


class TreeCase(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.tree = getUtility(INamedTree)
        self.ada = person("ada", password="correct horse battery")
        self.token = bearer(self.ada, "tree")
        self.tree.make_folder("/ada", owner=self.ada.person)
        transaction.commit()

    def ask(self, method: str, path: str, body: bytes = b"", who: str | None = "", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if who is not None:
            named["Authorization"] = who or self.token
        answer = request(method, f"{APP}/tree{path}", named, body)
        transaction.abort()  # look at the tree as it is now
        return answer

    def put(self, path: str, body: bytes = b"x", **headers: str) -> int:
        status: int = self.ask("PUT", path, body, **headers).status_int
        return status

    def together(self, number: int, work: Callable[[int], Any]) -> list[Any]:
        """What `work` returns in each of `number` threads that begin at the same moment."""
        barrier, found = threading.Barrier(number), []

        def run(which: int) -> None:
            barrier.wait()
            found.append(work(which))

        threads = [threading.Thread(target=run, args=(which,)) for which in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        transaction.abort()
        return found

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> int:
        """As ask(), from a thread of its own."""
        named = {
            "Authorization": self.token,
            **{key.replace("_", "-"): text for key, text in headers.items()},
        }
        status: int = request(method, f"{APP}/tree{path}", named, body).status_int
        return status

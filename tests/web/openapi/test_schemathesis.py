"""schemathesis finds nothing: a small seeded run; `make soak` has a large one of a new seed."""

import unittest
from unittest import SkipTest

from tests.support.servers.librarian import ServerProcess
from tests.web.openapi.asking import PROGRAM, Questioner, cases_in
from tools.runner.left_out import left_out

#: Endpoint, most random cases of an operation, paths.
RUNS = (
    ("public", 5, ""),
    ("upload", 5, ""),
    ("tracker", 5, ""),
    ("ops", 5, ""),
    ("app", 2, r"^/(files|tree|\+uploads|\+upload-links)"),
)


class Schemathesis(unittest.TestCase):
    def setUp(self) -> None:
        if not PROGRAM.exists():
            raise SkipTest(left_out("schemathesis", "run .venv/bin/python tools/peers.py"))

    def test_it_finds_nothing(self) -> None:
        server = ServerProcess()
        self.addCleanup(server.remove)
        server.start()
        self.addCleanup(server.stop)
        questioner = Questioner(server)
        for endpoint, most, include in RUNS:
            with self.subTest(endpoint):
                asked = questioner.ask(endpoint, most, 1, "fuzzing", include=include, shrinks=False)
                self.assertEqual(asked.status, 0, asked.output)
                self.assertGreater(asked.cases, 5, asked.output)
        self.assertNotIn("Traceback", server.log.read_text())


class Summary(unittest.TestCase):
    def test_the_number_of_cases(self) -> None:
        self.assertEqual(cases_in("Test cases:\n  1,264 generated, 7 found 7 unique failures\n"), 1264)
        self.assertEqual(cases_in("nothing"), 0)

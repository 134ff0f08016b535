"""Five thousand hostile requests to a server of our own; `make soak` sends more, of another seed."""

import os
import unittest

from tests.fuzz.campaign import Campaign, Process
from tests.fuzz.world import furnish, unharmed
from tests.server.support import started
from tests.support.layers import Server

SEED = os.environ.get("FUZZ_SEED", "librarian")  # the same each time: what fails here fails again
REQUESTS = 5000


class Fuzzing(unittest.TestCase):
    layer = Server

    def test_nothing_is_found(self) -> None:
        server = started(self)
        facts = furnish(server)
        process = Process(server.urls, server.pid, server.log)
        told: list[str] = []
        report = Campaign(process, facts, SEED, told.append).run(REQUESTS)
        self.assertEqual("\n".join(report.faults), "")
        self.assertEqual(unharmed(server, facts), [])
        # And the requests were no mere noise: each endpoint has taken some.
        for endpoint, status in (
            *(("app", 200), ("app", 201), ("app", 303), ("public", 200), ("public", 206), ("upload", 201)),
            *(("restricted", 200), ("restricted-upload", 201), ("tracker", 200), ("ops", 200)),
        ):
            self.assertTrue(report.statuses[f"{endpoint} {status}"], (endpoint, status, report.statuses))

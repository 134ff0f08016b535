"""What is counted, or done once, is so over all machines of an installation."""

import math
import time
import unittest
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import urllib3

from librarian.app import read_ini
from tests.support.layers import Engines
from tests.support.servers.engines import PATIENT, Engine
from tests.support.servers.librarian import ServerProcess

CLIENTS = 24
MOVED = """
import datetime as d, librarian.clock as c
c.NodeClock.own = lambda self: d.datetime.now(d.UTC) + d.timedelta(minutes={})
"""


class Exact(unittest.TestCase):
    """The same on every engine with several servers; `place` is that of the engine among the layer's."""

    layer = Engines
    place: int

    @property
    def engine(self) -> Engine:
        return Engines.engines[self.place]

    def test_wrong_passwords_on_all_machines_get_five_tries(self) -> None:
        wrong = urllib3.make_headers(basic_auth=f"{self.id()[-20:]}:a wrong password")

        def attempt(number: int) -> int:
            server = self.engine.servers[number % len(self.engine.servers)]
            return int(server.request("GET", f"{server.urls['app']}people/", headers=wrong).status)

        begun = time.monotonic()
        with ThreadPoolExecutor(CLIENTS) as clients:
            found = Counter(clients.map(attempt, range(CLIENTS)))
        # One more is let in after a pause of 1 s, the next 2 s later, and so on.
        more = math.floor(math.log2(time.monotonic() - begun + 1))
        self.assertEqual(found[401] + found[429], CLIENTS)
        self.assertIn(found[401], range(5, 5 + more + 1))

    def test_nodes_with_wrong_clocks_go_by_the_database(self) -> None:
        """One that is ahead honours a link of two minutes, one that is behind makes no older files."""
        for minutes, direction in ((5, "ahead of"), (-5, "behind")):
            with self.subTest(minutes=minutes):
                node = self.node_with_clock(minutes)
                ready = node.request("GET", f"{node.urls['ops']}ready").json()["clock"]
                self.assertRegex(
                    ready, f"^(29[5-9]|30[0-5]) s {direction} the database's, which this node follows"
                )
                self.assertIn("clocks differ this_node=", node.log.read_text())
                added = node.request("PUT", node.urls["restricted-upload"] + "f.txt", body=b"bytes").json()
                link = urlsplit(self.link(added["id"]))
                found = node.request("GET", f"{node.urls['public'].rstrip('/')}{link.path}?{link.query}")
                made = parsedate_to_datetime(found.headers["Last-Modified"])
                self.assertEqual(found.status, 200)
                self.assertLess(abs((datetime.now(UTC) - made).total_seconds()), 60)

    def node_with_clock(self, minutes: int) -> ServerProcess:
        """One more node, whose clock is so far ahead."""
        first = self.engine.first
        uri = read_ini(first.ini)["librarian.database_uri"]
        node = ServerProcess(PATIENT, database_uri=uri, byte_store=first.byte_store)
        self.addCleanup(node.remove)
        self.addCleanup(node.stop)
        node.start(MOVED.format(minutes))
        return node

    def link(self, file_id: int) -> str:
        made = self.engine.first.command("tokens", "create", str(file_id), "--lifetime", "2m")
        self.assertEqual(made.returncode, 0, made.stderr)
        return made.stdout.strip()


class OnZEO(Exact):
    place = 1


class OnPostgreSQL(Exact):
    place = 2


del Exact  # runs on no engine of its own

"""kill -9 while uploads come in, a hundred times: what was acknowledged is there, nothing must be mended."""

import random
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from urllib.parse import urlsplit

import urllib3

from tests.server.support import ForkedServer, Nursery
from tests.support.servers.librarian import ServerProcess

SERVERS = 4  # side by side, for the starting takes most of the time
ROUNDS = 25  # for each
CLIENTS = 3
LONGEST_LIFE_SECONDS = 0.2  # under load, before the kill
SIZES = (1, 700, 30_000, 600_000, 3_000_000)  # in memory, spooled, in many pieces


class Uploads:
    """Clients that upload until their server is gone, and remember what it has acknowledged."""

    def __init__(self, server: ServerProcess, seed: int) -> None:
        self.server = server
        self.acknowledged: dict[str, str] = {}  # path of the URL -> sha256
        self._random = random.Random(seed)

    def one_life(self, *, answers: bool) -> None:
        """Start the server, load it, kill it at a random moment: of its load, or after its first answer."""
        self.server.start()
        seeds = [self._random.getrandbits(32) for _ in range(CLIENTS)]
        clients = [threading.Thread(target=self._upload, args=(seed,)) for seed in seeds]
        for client in clients:
            client.start()
        before = len(self.acknowledged)
        while answers and len(self.acknowledged) == before and any(one.is_alive() for one in clients):
            time.sleep(0.005)
        time.sleep(self._random.uniform(0, LONGEST_LIFE_SECONDS))
        self.server.kill()
        for client in clients:
            client.join()

    def _upload(self, seed: int) -> None:
        chance = random.Random(seed)
        pool = urllib3.PoolManager(retries=False, timeout=10)
        url = self.server.urls["upload"] + "file.bin"
        while True:
            data = chance.randbytes(chance.choice(SIZES))
            try:
                answer = pool.request("PUT", url, body=data)
            except urllib3.exceptions.HTTPError:
                return
            assert answer.status == 201, answer.data
            self.acknowledged[urlsplit(answer.json()["url"]).path] = sha256(data).hexdigest()

    def lost(self) -> list[str]:
        """What was acknowledged and is not whole, from a server that is started once more."""
        self.server.start()
        pool = urllib3.PoolManager(retries=False, timeout=30)
        base = self.server.urls["public"].rstrip("/")
        found = [
            (path, pool.request("GET", base + path), digest) for path, digest in self.acknowledged.items()
        ]
        return [path for path, got, digest in found if sha256(got.data).hexdigest() != digest]


class Killed(unittest.TestCase):
    """Not in the layer's server: these die."""

    def test_a_hundred_times_nothing_acknowledged_is_lost(self) -> None:
        nursery = Nursery()
        self.addCleanup(nursery.close)
        servers = [ForkedServer(nursery) for _ in range(SERVERS)]
        for server in servers:
            self.addCleanup(server.remove)
            self.addCleanup(server.kill)
        uploads = [Uploads(server, seed) for seed, server in enumerate(servers)]

        def live(these: Uploads) -> None:
            for number in range(ROUNDS):
                these.one_life(answers=number % 2 == 0)

        with ThreadPoolExecutor(SERVERS) as side_by_side:
            list(side_by_side.map(live, uploads))
        for these in uploads:
            self.assertEqual(these.lost(), [])
            # A run that acknowledged nothing would show nothing; every second life has, on any machine.
            self.assertGreater(len(these.acknowledged), ROUNDS // 2)
            # What was under way when a server died waits in incoming/ for the clearing at some later start.
            self.assertEqual(these.server.request("GET", these.server.urls["app"]).status, 200)

"""kill -9 while uploads come in, again and again: what was acknowledged is there, nothing must be mended."""

import os
import random
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from urllib.parse import urlsplit

import urllib3

from tests.support.servers.librarian import ServerProcess

SERVERS = 2  # side by side, for the starting takes most of the time
ROUNDS = int(os.environ.get("LIBRARIAN_KILLS", "20")) // SERVERS  # for each; `make soak` has more
CLIENTS = 3
LONGEST_LIFE = 12  # uploads that are acknowledged, before the kill
LAST_MOMENT = 0.03  # seconds after the last of them, at most
SIZES = (1, 700, 30_000, 600_000, 3_000_000)  # in memory, spooled, in many pieces


class Uploads:
    """Clients that upload until their server is gone, and remember what it has acknowledged."""

    def __init__(self, server: ServerProcess, seed: int) -> None:
        self.server = server
        self.acknowledged: dict[str, str] = {}  # path of the URL -> sha256
        self._more = threading.Semaphore(0)  # released for each
        self._random = random.Random(seed)

    def one_life(self) -> None:
        """Start the server, load it, kill it at a random moment."""
        self.server.start()
        seeds = [self._random.getrandbits(32) for _ in range(CLIENTS)]
        clients = [threading.Thread(target=self._upload, args=(seed,)) for seed in seeds]
        for client in clients:
            client.start()
        for _upload in range(self._random.randint(0, LONGEST_LIFE)):
            assert self._more.acquire(timeout=60)
        time.sleep(self._random.uniform(0, LAST_MOMENT))
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
            self._more.release()

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

    def test_whenever_it_is_killed_nothing_acknowledged_is_lost(self) -> None:
        servers = [ServerProcess() for _ in range(SERVERS)]
        for server in servers:
            self.addCleanup(server.remove)
            self.addCleanup(server.kill)
        uploads = [Uploads(server, seed) for seed, server in enumerate(servers)]

        def live(these: Uploads) -> None:
            for _round in range(ROUNDS):
                these.one_life()

        with ThreadPoolExecutor(SERVERS) as side_by_side:
            list(side_by_side.map(live, uploads))
        for these in uploads:
            self.assertEqual(these.lost(), [])
            # A run that acknowledged nothing would show nothing.
            self.assertGreater(len(these.acknowledged), ROUNDS)
            # What was under way when a server died waits in incoming/ for the clearing at some later start.
            self.assertEqual(these.server.request("GET", these.server.urls["app"]).status, 200)

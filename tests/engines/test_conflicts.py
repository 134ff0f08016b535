"""Many uploads at once through all processes of each engine: none is lost, none is told what is not so."""

import threading
import unittest
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha1

from tests.support.layers import Engines
from tests.support.servers.engines import Engine


class Crowds(unittest.TestCase):
    """The same on every engine; `place` is that of the engine among those of the layer."""

    layer = Engines
    place: int

    @property
    def engine(self) -> Engine:
        return Engines.engines[self.place]

    def test_the_same_bytes_many_times(self) -> None:
        data = f"one and the same on {self.engine.name}".encode()
        answers = self.engine.put_together([(f"same{n}.txt", data) for n in range(120)], clients=12)
        self.assertEqual({answer.status for answer in answers}, {201})
        expected = {f"{answer.json()['id']}/{answer.json()['filename']}" for answer in answers}
        self.assertEqual(len(expected), 120)
        for server in range(len(self.engine.servers)):
            self.assertEqual(set(self.engine.search(sha1(data).hexdigest(), server)), expected)

    def test_different_bytes(self) -> None:
        files = [(f"other{n}.txt", f"no. {n} on {self.engine.name}".encode() * 50) for n in range(120)]
        answers = self.engine.put_together(files, clients=12)
        self.assertEqual({answer.status for answer in answers}, {201})
        for turn, answer in enumerate(answers):
            found = self.engine.get(answer.json()["url"], server=turn + 1)
            self.assertEqual((found.status, found.data), (200, files[turn][1]))

    def test_what_one_process_acknowledges_the_other_has_at_once(self) -> None:
        """Readers follow on the heels of writers, while others keep the tree busy."""
        missed: list[tuple[int, str]] = []

        def follow(client: int) -> None:
            for turn in range(40):
                added = self.engine.put(f"{client}-{turn}.txt", b"%d %d" % (client, turn), server=turn)
                url = added.json()["url"]
                status = self.engine.get(url, server=turn + 1).status
                if status != 200:
                    missed.append((status, url))

        clients = [threading.Thread(target=follow, args=(n,)) for n in range(4)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self.assertEqual(missed, [])

    def test_a_link_for_seven_downloads_is_good_for_seven(self) -> None:
        """A hundred clients have it, and ask all servers at the same time."""
        added = self.engine.put("secret.txt", b"secret", endpoint="restricted-upload")
        made = self.engine.first.command("tokens", "create", str(added.json()["id"]), "--uses", "7")
        url = made.stdout.strip()

        def client(number: int) -> int:
            return int(self.engine.get(url, server=number, User_Agent=f"client {number}").status)

        with ThreadPoolExecutor(100) as clients:
            found = Counter(clients.map(client, range(100)))
        self.assertEqual(found, {200: 7, 404: 93})

    def test_a_killed_server_loses_nothing(self) -> None:
        files = [(f"before{n}.txt", b"%d before the end" % n) for n in range(20)]
        urls = [answer.json()["url"] for answer in self.engine.put_together(files)]
        self.engine.first.kill()
        self.engine.first.start()
        for turn, url in enumerate(urls):
            self.assertEqual(self.engine.get(url, server=0).data, files[turn][1])
        self.assertEqual(self.engine.put("after.txt", b"after the end", server=0).status, 201)


class OnFileStorage(Crowds):
    place = 0


class OnZEO(Crowds):
    place = 1


class OnPostgreSQL(Crowds):
    place = 2


del Crowds  # runs on no engine of its own

"""The tracker on every engine, with as many processes as the engine allows."""

import unittest

import urllib3

from librarian.tracker.client.stores.remote import RemoteDataStore
from tests.support.layers import Engines
from tests.tracker.contest import Contest, race


class EnginesTests(unittest.TestCase):
    layer = Engines

    def urls(self, place: int) -> list[str]:
        return [server.urls["tracker"].rstrip("/") for server in Engines.engines[place].servers]

    def test_concurrent_writers_in_several_processes(self) -> None:
        for place, engine in enumerate(Engines.engines):
            with self.subTest(engine.name):
                contest = Contest([f"{url}/files/contest/a" for url in self.urls(place)])
                contest.hold(writers=8, turns=6)
                self.assertEqual(contest.wrong, [])
                for url in self.urls(place):
                    version = RemoteDataStore(url).file_version("/contest/a")
                    self.assertEqual(version, max(contest.sent))

    def test_a_file_and_a_directory_of_one_path(self) -> None:
        for place, engine in enumerate(Engines.engines):
            with self.subTest(engine.name):
                for turn in range(8):
                    statuses = race(self.urls(place), f"/race/{turn}")
                    self.assertEqual(sorted(statuses.values()), [200, 409], statuses)

    def test_a_directory_that_is_emptied_becomes_a_file(self) -> None:
        """The rare way round: one process empties it and puts a file, the other puts one below."""
        for place, engine in enumerate(Engines.engines):
            with self.subTest(engine.name):
                urls = self.urls(place)
                for turn in range(6):
                    name = f"/emptied/{turn}"
                    date = "last_modified=Thu,%2001%20Jan%201970%2000:00:05%20GMT"
                    old = f"{urls[0]}/files{name}/old?{date}"
                    self.assertEqual(urllib3.request("PUT", old, body=b"x").status, 200)
                    self.assertEqual(urllib3.request("DELETE", old).status, 200)
                    statuses = race(urls, name)
                    self.assertEqual(sorted(statuses.values()), [200, 409], statuses)
                    names = RemoteDataStore(urls[0]).list_names(subpath="/emptied")
                    self.assertEqual(len([n for n in names if n.startswith(f"{turn}")]), 1)

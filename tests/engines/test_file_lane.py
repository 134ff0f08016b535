"""The file lane on every engine: as fresh as if the tree were asked, on the machine that has acknowledged."""

import unittest
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from tests.serving.test_file_lane import answered_in_lane
from tests.support.layers import Engines
from tests.support.servers.engines import Engine
from tests.support.servers.librarian import ServerProcess

ROUNDS = 12


class Freshness(unittest.TestCase):
    layer = Engines
    place: int

    @property
    def engine(self) -> Engine:
        return Engines.engines[self.place]

    def test_what_was_deleted_no_process_of_the_machine_answers(self) -> None:
        """A command deletes in a process of its own; every server has had the file in its lane."""
        for turn in range(3):
            url = self.engine.put(f"gone{turn}.txt", b"%d" % turn).json()["url"]
            for number, server in enumerate(self.engine.servers):
                before = answered_in_lane(server)
                self.assertEqual([self.engine.get(url, number).status for _ in range(3)], [200] * 3)
                self.assertGreater(answered_in_lane(server), before)
            command = self.engine.first.command("delete", urlsplit(url).path.split("/")[1])
            self.assertEqual(command.returncode, 0, command.stderr)
            found = [self.engine.get(url, server).status for server in range(len(self.engine.servers))]
            self.assertEqual(set(found), {404})

    def test_the_present_version_of_the_tracker_is_seen_at_once_everywhere(self) -> None:
        path = f"files/lane/{self.engine.name}"
        for turn in range(ROUNDS):
            writer = self.engine.servers[turn % len(self.engine.servers)]
            data = b"%d" % turn
            self.put_version(writer, path, data, turn)
            for server in self.engine.servers:
                for _again in range(2):  # the first of them is the application's, the second the lane's
                    self.assertEqual(server.request("GET", server.urls["tracker"] + path).data, data)

    def put_version(self, server: ServerProcess, path: str, data: bytes, turn: int) -> None:
        fields = {"Logical-Size": str(len(data)), "SHA256-Checksum": sha256(data).hexdigest()}
        date = f"?last_modified=Sat%2C%2017%20Sep%202005%2012%3A00%3A{turn:02d}%20%2B0000"
        answer: Any = server.request("PUT", server.urls["tracker"] + path + date, body=data, headers=fields)
        self.assertEqual(answer.status, 200, answer.data)


class OnFileStorage(Freshness):
    place = 0


class OnZeo(Freshness):
    place = 1


class OnPostgres(Freshness):
    place = 2


del Freshness  # runs on no engine of its own

"""A quota is exact over all processes of an installation, on every engine."""

import unittest
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import urllib3

from tests.support.layers import Engines
from tests.support.servers.engines import Engine

CLIENTS = 20


class Exact(unittest.TestCase):
    """The same on every engine; `place` is that of the engine among the layer's."""

    layer = Engines
    place: int

    @property
    def engine(self) -> Engine:
        return Engines.engines[self.place]

    def send(self, path: str, body: dict[str, Any]) -> Any:
        """What the server that was started first answers an administrator who sends JSON."""
        server = next(each for each in self.engine.servers if each.admin_password)
        login = urllib3.make_headers(basic_auth=f"admin:{server.admin_password}")
        url = f"{server.urls['app']}people{path}"
        answer = server.request("POST", url, headers=login, json=body)
        self.assertLess(answer.status, 300, answer.data)
        return answer.json()

    def put_together(self, tokens: list[str], data: bytes) -> list[Any]:
        """What many clients are answered that put at the same moment, dealt out to all servers."""

        def put(turn: int) -> Any:
            bearer = f"Bearer {tokens[turn % len(tokens)]}"
            return self.engine.put(f"{turn}.txt", data, server=turn, Authorization=bearer)

        with ThreadPoolExecutor(CLIENTS) as clients:
            return list(clients.map(put, range(CLIENTS)))

    def token(self, name: str) -> str:
        self.send("", {"name": name, "display_name": name})
        return str(self.send(f"/{name}/+tokens", {"title": "t", "scopes": ["upload"]})["token"])

    def test_a_person_and_a_team(self) -> None:
        tokens = [self.token("ada"), self.token("bob")]
        self.send("/ada/+quota", {"bytes": 100})
        answers = self.put_together(tokens[:1], b"x" * 60)
        self.assertEqual(Counter(answer.status for answer in answers), {201: 1, 413: CLIENTS - 1})
        refused = next(answer for answer in answers if answer.status == 413).json()
        self.assertEqual(refused["quota"]["limit"]["bytes"], 100)
        self.send("/ada/+quota", {})
        self.send("", {"kind": "team", "name": "poets", "display_name": "Poets"})
        for name in ("ada", "bob"):
            self.send("/poets/+members", {"member": name})
        self.send("/poets/+quota", {"files": 8})
        answers = self.put_together(tokens, b"y" * 60)
        self.assertEqual(Counter(answer.status for answer in answers), {201: 7, 413: CLIENTS - 7})
        counted = self.engine.first.command("quota", "count")
        self.assertEqual((counted.returncode, counted.stdout.strip()), (0, "0"), counted.stderr)


class OnFileStorage(Exact):
    place = 0


class OnZEO(Exact):
    place = 1


class OnPostgreSQL(Exact):
    place = 2


del Exact  # runs on no engine of its own

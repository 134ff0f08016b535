"""The clients of long runs: each does all it can, at a server that is all right, and nothing is wrong."""

import tempfile
import time
import unittest
from pathlib import Path
from unittest.mock import patch

from tests.soak.clients.base import Client
from tests.soak.clients.exchange import Exchange
from tests.soak.clients.named import Named
from tests.soak.clients.pieces import Pieces
from tests.soak.clients.plain import Plain
from tests.soak.clients.trackers import Ours, Theirs, missing
from tests.soak.comparing import differences
from tests.soak.ledger import GONE, Key
from tests.soak.world import World
from tests.support.layers import Server
from tests.support.servers import ftpd
from tools.runner.left_out import left_out


class Clients(unittest.TestCase):
    layer = Server

    def setUp(self) -> None:
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="librarian-soak-"))
        self.world = self.enterContext(World(Path(folder), Server.server))

    def works(self, client: Client, turns: int = 2) -> None:
        client.begin()
        self.addCleanup(client.end)
        for turn in range(turns):
            for deed in client.deeds:
                with self.subTest(deed, turn=turn):
                    client.turn += 1
                    getattr(client, deed)()

    def different(self) -> list[str]:
        """What is otherwise than it was acknowledged."""
        number, found = differences(self.world, self.world.ledger, time.monotonic(), time.monotonic())
        self.assertGreater(number, 0)
        return found

    def test_plain_http(self) -> None:
        self.works(Plain(self.world, 1, "a"), turns=4)
        self.assertEqual(self.different(), [])

    def test_names(self) -> None:
        self.works(Named(self.world, 2, "a"), turns=6)
        self.assertEqual(self.different(), [])

    def test_pieces(self) -> None:
        self.works(Pieces(self.world, 3, "a"))
        self.assertEqual(self.different(), [])

    def test_our_tracker_client(self) -> None:
        self.works(Ours(self.world, 4, "a"), turns=4)
        self.assertEqual(self.different(), [])

    def test_filetracker(self) -> None:
        if why := missing():
            raise unittest.SkipTest(left_out("the client of filetracker 2.3.3", why))
        self.works(Theirs(self.world, 5, "a"), turns=4)
        self.assertEqual(self.different(), [])

    def test_an_exchange(self) -> None:
        self.works(Exchange(self.world, 6, "a"))
        self.assertEqual(self.different(), [])

    def test_an_exchange_where_no_ftp_server_is_installed(self) -> None:
        with patch.object(ftpd, "available", lambda: None):
            self.works(Exchange(self.world, 7, "a"), turns=1)

    def test_what_is_lost_or_other_or_back_again_is_found(self) -> None:
        client, ledger = Named(self.world, 6, "a"), self.world.ledger
        client.begin()
        self.addCleanup(client.end)
        client.put()
        (key,) = ledger.all_keys()
        self.assertEqual(self.different(), [])
        for lost in (Key("public", "/1/lost"), Key("tracker", "/lost"), Key("restricted", "/1/lost")):
            ledger.add(lost, "a" * 64, time.monotonic())
        self.assertEqual(len(self.different()), 3)
        for state in (GONE, "b" * 64):
            ledger.add(key, state, time.monotonic())
            self.assertEqual(len(self.different()), 5)  # at its path, and in the listing

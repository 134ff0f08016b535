"""Connections that are refused, and what the network does to them meanwhile."""

import logging
import socket
import unittest
from contextlib import ExitStack
from types import SimpleNamespace

from waitress.adjustments import Adjustments

from librarian.serving.draining import Connection


class Lingering(unittest.TestCase):
    """A refused client is heard out; a turn of the loop may find it gone and writable at once."""

    def setUp(self) -> None:
        stack = ExitStack()
        self.addCleanup(stack.close)
        ours, self.theirs = map(stack.enter_context, socket.socketpair())
        ours.setblocking(False)
        server = SimpleNamespace(active_channels={}, pull_trigger=lambda: None)
        self.connection = Connection(server, ours, ("127.0.0.1", 1), Adjustments(), map={})
        self.connection.refused = True

    def test_gone_and_writable_in_one_turn(self) -> None:
        self.connection.outbufs[-1].append(b"an answer")
        self.connection.total_outbufs_len = 9
        self.connection.handle_close()
        self.assertTrue(self.connection.connected, "it lingers")
        self.theirs.close()
        self.connection.handle_read()
        self.assertFalse(self.connection.connected)
        with self.assertNoLogs(level=logging.ERROR):
            self.connection.handle_write()

    def test_the_end_of_what_is_sent_ends_it(self) -> None:
        self.connection.handle_close()
        self.theirs.sendall(b"more")
        self.connection.handle_read()
        self.assertTrue(self.connection.connected)
        self.theirs.shutdown(socket.SHUT_WR)
        self.connection.handle_read()
        self.assertFalse(self.connection.connected)

"""Addresses that cannot be had: told in one line, and nothing stays bound."""

import socket
import unittest

from librarian.interfaces import LibrarianError
from librarian.serving.interfaces import CannotListen
from librarian.serving.sockets import bind


class Binding(unittest.TestCase):
    def test_a_port_in_use_is_named_with_its_endpoint_and_lets_go_of_the_others(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            with socket.create_server(("127.0.0.1", 0)) as chosen:
                free = chosen.getsockname()[1]
            taken = other.getsockname()[1]
            with self.assertRaises(CannotListen) as caught:
                bind({"app": ("127.0.0.1", free), "public": ("127.0.0.1", taken)})
        self.assertIsInstance(caught.exception, LibrarianError)
        self.assertEqual(caught.exception.endpoint, "public")
        self.assertIn(f"127.0.0.1 port {taken}: Address already in use", str(caught.exception))
        bind({"app": ("127.0.0.1", free)})["app"].close()

    def test_addresses_of_others_and_names_that_are_none(self) -> None:
        for host in ("192.0.2.1", "no.such.host.invalid"):
            self.assertRaises(CannotListen, bind, {"app": (host, 0)})

    def test_port_0_is_one_that_is_free(self) -> None:
        sockets = bind({"app": ("127.0.0.1", 0), "public": ("127.0.0.1", 0)})
        ports = {sock.getsockname()[1] for sock in sockets.values()}
        for sock in sockets.values():
            sock.close()
        self.assertEqual(len(ports - {0}), 2)

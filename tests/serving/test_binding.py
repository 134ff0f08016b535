"""Addresses that cannot be had: told in one line, and nothing stays bound."""

import socket
import unittest

from librarian.interfaces import LibrarianError
from librarian.serving.interfaces import CannotListen
from librarian.serving.sockets import Sockets, bind, bind_slots, listen, refuse


def connects(sockets: Sockets) -> bool:
    """Whether a connection is accepted at the endpoint `app`, and brings what is sent."""
    try:
        client = socket.create_connection(sockets["app"].getsockname()[:2], timeout=5)
    except ConnectionRefusedError:
        return False
    with client:
        client.sendall(b"?")
        with sockets["app"].accept()[0] as accepted:
            return accepted.recv(1) == b"?"


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

    def test_a_slot_refuses_connections_until_it_listens_and_keeps_its_port(self) -> None:
        first, second = bind_slots({"app": ("127.0.0.1", 0)}, 2)
        with first["app"], second["app"]:
            port = first["app"].getsockname()[1]
            self.assertEqual(second["app"].getsockname()[1], port)
            for turn in range(2):
                with self.subTest(turn=turn):
                    self.assertFalse(connects(first))
                    listen(first)
                    self.assertTrue(connects(first))
                    for _again in range(2):  # the second time it does not listen
                        refuse(first)
                    self.assertEqual(first["app"].getsockname()[1], port)

    def test_connections_come_to_the_slots_that_listen(self) -> None:
        first, second = bind_slots({"app": ("127.0.0.1", 0)}, 2)
        with first["app"], second["app"]:
            listen(first)
            listen(second)
            refuse(second)
            for _turn in range(20):  # half of them would be dealt to the second
                self.assertTrue(connects(first))

"""Which addresses the prober may touch."""

import socket
import unittest
from ipaddress import ip_network

from librarian.net.networks import AddressGuard

PUBLIC = ("193.0.0.1", "8.8.8.8", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808")
OURS = (
    "0.0.0.0",  # noqa: S104  # not bound to
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.1.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a00:1",
    "2002:a00:1::1",
)


class AddressGuardTable(unittest.TestCase):
    def test_public_ones_pass(self) -> None:
        for address in PUBLIC:
            self.assertTrue(AddressGuard().permits(address), address)

    def test_ours_and_strange_ones_do_not(self) -> None:
        for address in OURS:
            self.assertFalse(AddressGuard().permits(address), address)

    def test_allowed_networks(self) -> None:
        guard = AddressGuard([ip_network("10.1.0.0/16"), ip_network("fc00::/7")])
        self.assertTrue(guard.permits("10.1.2.3"))
        self.assertTrue(guard.permits("fc00::5"))
        self.assertTrue(guard.permits("::ffff:10.1.2.3"))
        self.assertFalse(guard.permits("10.2.0.1"))

    def test_no_socket_for_a_refused_address(self) -> None:
        with self.assertRaises(PermissionError):
            AddressGuard().socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 80)))

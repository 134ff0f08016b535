"""IP addresses and networks, and which addresses a client of ours may connect to."""

import errno
import socket
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Networks = tuple[Network, ...]  # also the type of a setting

EVERYWHERE: Networks = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052, 2.1


def parse_networks(text: str) -> Networks:
    """Addresses and networks, apart by white space: ``127.0.0.1 10.1.0.0/16 ::1``.  Raises ValueError."""
    return tuple(ip_network(word) for word in text.split())


def parse_address(text: str) -> Address | None:
    """An IP literal, its zone ignored; None for anything else.

    An IPv4 address mapped into IPv6 (RFC 4291, 2.5.5.2) is the IPv4 one.
    """
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


@lru_cache(maxsize=4096)
def is_within(text: str, networks: Networks) -> bool:
    """Whether an IP literal lies in one of the networks.

    What has no address (the peer of a Unix socket) lies in them only if they are EVERYWHERE.
    """
    if set(networks) >= set(EVERYWHERE):
        return True
    address = parse_address(text)
    return address is not None and any(address in network for network in networks)


class AddressGuard:
    """Lets public unicast addresses pass, and those of the networks that an operator names.

    For URLs that come from elsewhere and must not lead into the network that this process stands in.  The
    name in a URL is no protection (it may resolve to anything, and differently the second time), so the
    address is checked when the socket for it is made.  `setting` is the one that names the networks.
    """

    def __init__(self, allowed: Sequence[Network] = (), setting: str = "") -> None:
        self._allowed = tuple(allowed)
        self.refusal = "not a public address" + (f", and {setting} does not name it" if setting else "")

    def permits(self, address: str) -> bool:
        """Whether `address`, an IP literal (a zone is ignored), may be connected to."""
        found = _reached(ip_address(address.partition("%")[0]))
        if any(found in network for network in self._allowed):
            return True
        return found.is_global and not found.is_multicast

    def socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for one result of getaddrinfo, or PermissionError before anything is sent."""
        family, kind, protocol, _, where = info
        if not self.permits(where[0]):
            raise PermissionError(errno.EACCES, f"{where[0]} is {self.refusal}")
        return socket.socket(family=family, type=kind, proto=protocol)


def _reached(address: Address) -> Address:
    """The IPv4 address that packets to an IPv6 one arrive at: mapped, 6to4 (RFC 3056, section 2) or NAT64."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address

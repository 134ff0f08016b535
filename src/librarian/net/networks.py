"""Which addresses the prober may connect to.

A mirror's owner chooses the URL, so the URL must not lead the prober into the network it stands in.
Names are no protection (they may resolve to anything, and differently the second time), so the
address is checked at the last moment: when the socket for it is made.
"""

import errno
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

#: What is said of an address that is refused, with the setting that would allow it.
NOT_PUBLIC = "not a public address, and librarian.mirrors.allowed_networks does not name it"
_Address = IPv4Address | IPv6Address
_NAT64 = IPv6Network("64:ff9b::/96")


class AddressGuard:
    """Lets public unicast addresses pass, and those of the networks an operator names."""

    def __init__(self, allowed: Sequence[IPv4Network | IPv6Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def permits(self, address: str) -> bool:
        """Whether `address`, an IP literal (a zone is ignored), may be connected to."""
        found = _embedded(ip_address(address.partition("%")[0]))
        if any(found.version == network.version and found in network for network in self._allowed):
            return True
        return found.is_global and not found.is_multicast

    def socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for one result of getaddrinfo, or PermissionError before anything is sent."""
        family, kind, protocol, _, where = info
        if not self.permits(where[0]):
            raise PermissionError(errno.EACCES, f"{where[0]} is {NOT_PUBLIC}")
        return socket.socket(family=family, type=kind, proto=protocol)


def _embedded(address: _Address) -> _Address:
    """The IPv4 address that packets to an IPv6 one end up at: mapped, 6to4 or NAT64."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address

"""What can be set about the tracker."""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from ipaddress import ip_address, ip_network

from zope.interface import provider

from librarian.settings import ISettingsSection, Section, SettingsError
from librarian.tracker.fallback import check_fallback_url
from librarian.web.endpoints import EndpointSettings

EVERYWHERE = ("0.0.0.0/0", "::/0")


@provider(ISettingsSection)
@dataclass(frozen=True)
class TrackerSettings(Section):
    """How the name space behaves."""

    prefix = "tracker"
    read_networks: tuple[str, ...] = EVERYWHERE  # who may read on the tracker's port without a token
    write_networks: tuple[str, ...] = EVERYWHERE  # and who may put and delete
    keep_versions: int = 20  # overwritten or deleted versions of a name that are kept, at most
    keep_for: timedelta = timedelta(days=30)  # how long, at most
    keep_packed: bool = True  # keep uploads that came as gzip also as they came, to send them so
    largest_file: int = 0  # bytes; 0: as large as there is room
    fallback_url: str = ""  # another tracker, to which requests for missing files are sent

    def __post_init__(self) -> None:
        for field in ("read_networks", "write_networks"):
            for network in getattr(self, field):
                try:
                    ip_network(network)
                except ValueError as error:
                    raise SettingsError(self.key(field), str(error)) from None
        if self.fallback_url:
            try:
                check_fallback_url(self.fallback_url)
            except ValueError as error:
                raise SettingsError(self.key("fallback_url"), str(error)) from None


@provider(ISettingsSection)
@dataclass(frozen=True)
class TrackerEndpointSettings(EndpointSettings):
    """Where filetracker clients connect."""

    prefix = "endpoint.tracker"
    listen: str = "127.0.0.1:9999"


@lru_cache(maxsize=4096)
def is_inside(address: str, networks: tuple[str, ...]) -> bool:
    """Whether an IP address lies in one of the networks.

    What has no address (a Unix socket) is only inside where everybody is.
    """
    if set(networks) >= set(EVERYWHERE):
        return True
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None) or found
    return any(mapped in ip_network(network) for network in networks)

"""The settings of the tracker and of its endpoint."""

from dataclasses import dataclass
from datetime import timedelta

from zope.interface import provider

from librarian.interfaces import ISettingsSection, SettingsError
from librarian.net.networks import EVERYWHERE, Networks
from librarian.quantities import Size
from librarian.settings import Section
from librarian.tracker.fallback import check_fallback_url
from librarian.web.settings import EndpointSettings


@provider(ISettingsSection)
@dataclass(frozen=True)
class TrackerSettings(Section):
    """Settings of the name space."""

    prefix = "tracker"
    read_networks: Networks = EVERYWHERE  # clients that may read on the tracker's port without a token
    write_networks: Networks = EVERYWHERE  # clients that may put and delete there without a token
    keep_versions: int = 20  # the most past versions of a name that are kept
    keep_for: timedelta = timedelta(days=30)  # the longest time that a past version is kept
    keep_packed: bool = True  # store the gzip form of uploads that came so, too
    largest_file: Size = Size(0)  # bytes; 0: any size
    fallback_url: str = ""  # another tracker, to which requests for missing files are redirected

    def __post_init__(self) -> None:
        if self.fallback_url:
            try:
                check_fallback_url(self.fallback_url)
            except ValueError as error:
                raise SettingsError(self.key("fallback_url"), str(error)) from None


@provider(ISettingsSection)
@dataclass(frozen=True)
class TrackerEndpointSettings(EndpointSettings):
    """The port that filetracker clients connect to."""

    prefix = "endpoint.tracker"
    listen: str = "127.0.0.1:9999"

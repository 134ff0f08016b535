"""The settings of the ops endpoint, and of the operator's page."""

from dataclasses import dataclass
from datetime import timedelta

from zope.interface import provider

from librarian.interfaces import ISettingsSection
from librarian.settings import Section
from librarian.web.settings import EndpointSettings


@provider(ISettingsSection)
@dataclass(frozen=True)
class OverviewSettings(Section):
    """How old the last run of each task of upkeep may be; 0: any age."""

    prefix = "overview"
    gc_due: timedelta = timedelta(days=2)  # of `librarian gc`
    sweep_due: timedelta = timedelta(days=9)  # of the removal of bytes that no content names
    scrub_due: timedelta = timedelta(days=32)  # of the reading of all bytes
    backup_due: timedelta = timedelta(days=2)  # of `librarian backup`
    pack_due: timedelta = timedelta(days=9)  # of `librarian pack`


@provider(ISettingsSection)
@dataclass(frozen=True)
class OpsEndpointSettings(EndpointSettings):
    """The endpoint of metrics.  There is no log-in: access is limited by the address it listens on."""

    prefix = "endpoint.ops"
    listen: str = "127.0.0.1:9191"

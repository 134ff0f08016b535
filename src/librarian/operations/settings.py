"""The settings of the ops endpoint."""

from dataclasses import dataclass

from zope.interface import provider

from librarian.interfaces import ISettingsSection
from librarian.web.settings import EndpointSettings


@provider(ISettingsSection)
@dataclass(frozen=True)
class OpsEndpointSettings(EndpointSettings):
    """The endpoint of metrics.  There is no log-in: access is limited by the address it listens on."""

    prefix = "endpoint.ops"
    listen: str = "127.0.0.1:9191"

"""The endpoint for whoever watches the server."""

from dataclasses import dataclass

from pyramid.request import Request
from zope.interface import provider

from librarian.interfaces import ISettingsSection
from librarian.web.endpoints import Endpoint, EndpointSettings


@provider(ISettingsSection)
@dataclass(frozen=True)
class OpsEndpointSettings(EndpointSettings):
    """Where metrics are shown; guarded by where it listens, since they tell who stores how much."""

    prefix = "endpoint.ops"
    listen: str = "127.0.0.1:9191"


class OpsRoot:
    """``/`` of the ops endpoint."""

    def __init__(self, request: Request) -> None:
        self.request = request


endpoint = Endpoint(OpsEndpointSettings, OpsRoot, trusts_network=True)

"""The endpoint people look at: pages, JSON, and uploads by those who may."""

from dataclasses import dataclass

from pyramid.request import Request
from zope.interface import provider

from librarian.security.interfaces import IPrincipal
from librarian.settings import ISettingsSection
from librarian.web.endpoints import Endpoint, EndpointSettings
from librarian.web.identity import principal_of
from librarian.web.views import AppRoot


@provider(ISettingsSection)
@dataclass(frozen=True)
class AppEndpoint(EndpointSettings):
    """Where the web application listens."""

    prefix = "endpoint.app"
    listen: str = "127.0.0.1:6543"


class PeoplesEndpoint(Endpoint):
    """An endpoint on which one is somebody."""

    def principal(self, request: Request) -> IPrincipal:
        return principal_of(request, sessions=True)


endpoint = PeoplesEndpoint(AppEndpoint, AppRoot, transactional=True, for_browsers=True)

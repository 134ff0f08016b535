"""The endpoint of the web application: pages, JSON and uploads, each as far as the principal may."""

from dataclasses import dataclass

from zope.interface import provider

from librarian.interfaces import ISettingsSection
from librarian.web.endpoints import IdentifyingEndpoint
from librarian.web.settings import EndpointSettings
from librarian.web.views import AppRoot


@provider(ISettingsSection)
@dataclass(frozen=True)
class AppEndpoint(EndpointSettings):
    """Where the web application listens."""

    prefix = "endpoint.app"
    listen: str = "127.0.0.1:6543"


endpoint = IdentifyingEndpoint(AppEndpoint, AppRoot, transactional=True, for_browsers=True)

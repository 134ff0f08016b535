"""The endpoint of the web application: pages, JSON and uploads, each as far as the principal may."""

from librarian.web.endpoints import IdentifyingEndpoint
from librarian.web.settings import AppEndpointSettings
from librarian.web.views import AppRoot

endpoint = IdentifyingEndpoint(AppEndpointSettings, AppRoot, transactional=True, for_browsers=True)

"""The tracker's own endpoint, and the principal of its requests."""

from typing import Any

from pyramid.request import Request
from zope.component import getUtility
from zope.interface import implementer

from librarian.interfaces import ISettings
from librarian.net.networks import is_within
from librarian.security.interfaces import IPrincipal
from librarian.security.principals import ANONYMOUS
from librarian.tracker.settings import TrackerEndpointSettings, TrackerSettings
from librarian.tracker.views.routes import protocol_root
from librarian.web.identity import client_address, principal_of
from librarian.web.interfaces import IEndpoint


@implementer(IEndpoint)
class TrackerEndpoint:
    """A request with an API token acts as its owner, within its scopes; others by the client's network."""

    section = TrackerEndpointSettings
    transactional = False
    for_browsers = False
    trusts_network = True
    file_lane = True
    names_uploads = True
    unpacks_gzip = True

    def root(self, request: Request) -> Any:
        return protocol_root(request)

    def principal(self, request: Request) -> IPrincipal:
        if "Authorization" in request.headers:  # a wrong token is refused, not ignored
            return principal_of(request)
        return self._by_network(client_address(request))

    def admits_to_lane(self, address: str, credentials: bool) -> bool:
        # A token may cover some names only.
        return not credentials and self._by_network(address) is not ANONYMOUS

    def _by_network(self, address: str) -> IPrincipal:
        settings = getUtility(ISettings).section(TrackerSettings)
        if is_within(address, settings.write_networks):
            return getUtility(IPrincipal, "tracker-writer")
        if is_within(address, settings.read_networks):
            return getUtility(IPrincipal, "tracker-reader")
        return ANONYMOUS

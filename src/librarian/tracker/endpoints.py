"""The tracker's own endpoint, and who acts on it."""

from typing import Any

from pyramid.request import Request
from zope.component import getUtility
from zope.interface import implementer

from librarian.security.interfaces import IPrincipal
from librarian.security.principals import ANONYMOUS
from librarian.settings import ISettings
from librarian.tracker.settings import TrackerEndpointSettings, TrackerSettings, is_inside
from librarian.tracker.views import protocol_root
from librarian.web.endpoints import IEndpoint
from librarian.web.identity import place_of, principal_of


@implementer(IEndpoint)
class TrackerEndpoint:
    """Whoever has an API token acts as its owner, as far as it reaches; anybody else by where they are."""

    section = TrackerEndpointSettings
    transactional = False
    for_browsers = False
    trusts_network = True
    quick = False  # packing on the way takes its time

    def root(self, request: Request) -> Any:
        return protocol_root(request)

    def principal(self, request: Request) -> IPrincipal:
        if "Authorization" in request.headers:  # a wrong token is refused, not taken for none
            return principal_of(request)
        return self._by_network(place_of(request))

    def _by_network(self, address: str) -> IPrincipal:
        settings = getUtility(ISettings).section(TrackerSettings)
        if is_inside(address, settings.write_networks):
            return getUtility(IPrincipal, "tracker-writer")
        if is_inside(address, settings.read_networks):
            return getUtility(IPrincipal, "tracker-reader")
        return ANONYMOUS

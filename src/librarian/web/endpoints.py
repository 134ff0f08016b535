"""Endpoints: one process listens on several ports, and each port shows another side of the site.

Which endpoint a request meets is decided by the port it came in on, never by what it says of itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pyramid.request import Request
from zope.component import getUtilitiesFor, queryUtility
from zope.interface import implementer

from librarian.interfaces import ISettings, SettingsError
from librarian.security.interfaces import IPrincipal
from librarian.security.principals import ANONYMOUS
from librarian.web.identity import principal_of
from librarian.web.interfaces import IAppSection, IEndpoint, IEndpoints, ITakesFiles
from librarian.web.settings import EndpointSettings

ENDPOINT = "librarian.endpoint"  # in the WSGI environ: the IEndpoint that was found for it


@implementer(IEndpoint)
@dataclass(frozen=True)
class Endpoint:
    """An endpoint whose clients are all anonymous."""

    section: type[EndpointSettings]
    root: Callable[[Request], Any]
    transactional: bool = False
    for_browsers: bool = False
    trusts_network: bool = False
    file_lane: bool = False
    names_uploads: bool = False
    unpacks_gzip: bool = False

    def principal(self, request: Request) -> IPrincipal:
        return ANONYMOUS

    def admits_to_lane(self, address: str, credentials: bool) -> bool:
        return self.file_lane


class IdentifyingEndpoint(Endpoint):
    """An endpoint that takes credentials; session cookies where it is for browsers."""

    def principal(self, request: Request) -> IPrincipal:
        """The principal of the credentials of a request.  Raises CredentialsRefused."""
        return principal_of(request, sessions=self.for_browsers)


def split_listen(listen: str, key: str) -> tuple[str, int]:
    """Host and port of ``127.0.0.1:8000`` or ``[::1]:8000``.  Raises SettingsError naming `key`."""
    parts = urlsplit(f"//{listen}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port is None:
        raise SettingsError(key, f"{listen!r} is not host:port")
    return host, port


def url_at(host: str, port: int) -> str:
    """The URL at which this machine reaches a listening address."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # listens on all of them
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def endpoint_url(section: EndpointSettings) -> str:
    """The URL of an endpoint, by its settings; an endpoint that is closed would be at its usual port.

    Port 0 stays: which one is taken is known to the server alone, and no other installation is there.
    """
    listen = section.listen or type(section)().listen
    return url_at(*split_listen(listen, section.key("listen")))


def endpoint_addresses(settings: ISettings) -> dict[str, tuple[str, int]]:
    """Host and port of each endpoint that is shown, by name."""
    found = {}
    for name, endpoint in sorted(getUtilitiesFor(IEndpoint)):
        listen = settings.section(endpoint.section).listen
        if listen:
            found[name] = split_listen(listen, endpoint.section.key("listen"))
    return found


def stated_addresses(settings: ISettings, sections: Mapping[str, type[Any]]) -> dict[str, tuple[str, int]]:
    """The same, by the sections of endpoints among all `sections`, before there are endpoints.

    The section of the endpoint NAME has the name ``endpoint.NAME``.
    """
    found = {}
    for name, kind in sorted(sections.items()):
        listen = settings.section(kind).listen if issubclass(kind, EndpointSettings) else ""
        if listen:
            found[name.removeprefix("endpoint.")] = split_listen(listen, kind.key("listen"))
    return found


@implementer(IEndpoints)
class Endpoints:
    """The endpoint of each port."""

    def __init__(self, settings: ISettings) -> None:
        endpoints = dict(getUtilitiesFor(IEndpoint))
        self._by_port: dict[str, Any] = {}
        for name, (_host, port) in endpoint_addresses(settings).items():
            if str(port) in self._by_port and port:
                raise SettingsError(
                    endpoints[name].section.key("listen"), f"another endpoint has port {port} already"
                )
            self._by_port[str(port)] = endpoints[name]

    def by_environ(self, environ: Mapping[str, Any]) -> Any:
        return self._by_port.get(environ["SERVER_PORT"])


class NoSuchEndpoint:
    """The root behind a port that no setting names: nothing is found there."""


def endpoint_of(request: Request) -> Any:
    """The IEndpoint a request came in by, or None."""
    environ = request.environ
    if ENDPOINT not in environ:  # called several times for each request
        environ[ENDPOINT] = request.registry.getUtility(IEndpoints).by_environ(environ)
    return environ[ENDPOINT]


def root_factory(request: Request) -> Any:
    """Pyramid's root factory."""
    endpoint = endpoint_of(request)
    return NoSuchEndpoint() if endpoint is None else endpoint.root(request)


def in_transaction(request: Request) -> bool:
    """pyramid_tm's activate hook."""
    endpoint = endpoint_of(request)
    return endpoint is not None and endpoint.transactional and not _puts_file(request)


def _puts_file(request: Request) -> bool:
    name = request.environ.get("PATH_INFO", "").lstrip("/").partition("/")[0]
    if queryUtility(ITakesFiles, name) is not None:
        return True
    if request.method != "PUT":
        return False
    return ITakesFiles.providedBy(queryUtility(IAppSection, name))


def attempts(request: Request) -> int | None:
    """pyramid_retry's activate hook: once, or (None) as often as the settings say."""
    return None if in_transaction(request) else 1

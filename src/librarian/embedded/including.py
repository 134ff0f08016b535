"""``config.include("librarian")``: the library's application below a prefix of the host's."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

import transaction
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getGlobalSiteManager, getUtility

from librarian.app import make_app
from librarian.embedded.identification import HOST_USER, HostIdentification, host_user, principal_named
from librarian.embedded.settings import EmbeddedSettings
from librarian.interfaces import ISettings, SettingsError
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.settings import LibrarySettings
from librarian.security.interaction import acting_as
from librarian.settings import ROOT, Settings
from librarian.tree.interfaces import ITree
from librarian.tree.service import share_tree
from librarian.web.endpoints import ENDPOINT
from librarian.web.interfaces import IEndpoint, IIdentification
from librarian.web.settings import HostSettings

PAGES = "app"  # the endpoint that lies at the prefix itself
ROUTE = "librarian"
# What the host's machinery has put into the environ of its own request, and the library's must not find.
_HOSTS_OWN = ("bfg.", "pyramid.", "repoze.", "tm.", "webob.")


def includeme(config: Configurator) -> None:
    """Mount the library below the route prefix, and add ``request.library``.

    Raises SettingsError, and what make_app() raises.
    """
    prefix = "/" + config.route_prefix.strip("/") if config.route_prefix else ""
    values = {
        name: str(value) for name, value in config.registry.settings.items() if name.startswith(f"{ROOT}.")
    }
    settings = Settings(values).section(EmbeddedSettings)
    application = make_app({**urls_of(settings), **values})
    share_tree()
    if settings.host_authentication:
        getGlobalSiteManager().registerUtility(HostIdentification(), IIdentification)
    view = Mounted(application, prefix, mounted_endpoints(settings))
    config.add_route(ROUTE, "/*rest")
    config.add_route(f"{ROUTE}.prefix", "", inherit_slash=True)
    for route in (ROUTE, f"{ROUTE}.prefix"):
        config.add_view(view, route_name=route, require_csrf=False)
    config.add_request_method(library_of, "library", reify=True)


def urls_of(settings: EmbeddedSettings) -> dict[str, str]:
    """The settings that say where files are downloaded, as `mount_url` says it.  Raises SettingsError."""
    url = settings.mount_url
    if not url:
        return {}
    if not url.startswith(("http://", "https://")) or not url.endswith("/"):
        raise SettingsError(settings.key("mount_url"), f"{url!r} is no http URL that ends in a slash")
    download_url = f"{url}+public/"
    return {
        LibrarySettings.key("download_url"): download_url,
        LibrarySettings.key("secure_download_url"): download_url,
        LibrarySettings.key("own_hosts"): "false",  # the host's name is one
        LibrarySettings.key("use_https"): str(url.startswith("https:")),
        HostSettings.key("allowed_hosts"): urlsplit(url).hostname or "",
    }


def mounted_endpoints(settings: EmbeddedSettings) -> dict[str, Any]:
    """The endpoints that the host shows, by the first segment of their paths; the pages have none.

    Raises SettingsError for one that is not there, and for one that believes whoever reaches its address.
    """
    found = {"": getUtility(IEndpoint, PAGES)}
    for name in settings.mounted_endpoints:
        endpoint = getGlobalSiteManager().queryUtility(IEndpoint, name)
        if endpoint is None:
            raise SettingsError(settings.key("mounted_endpoints"), f"there is no endpoint {name!r}")
        if endpoint.trusts_network and not needs_token(name):
            raise SettingsError(settings.key("mounted_endpoints"), f"{name!r} trusts whoever reaches it")
        found[f"+{name}"] = endpoint
    return found


def needs_token(name: str) -> bool:
    """Whether the endpoint called `name` takes nothing without a token."""
    settings = getUtility(ISettings).section(LibrarySettings)
    return name in ("upload", "restricted-upload") and settings.upload_requires_token


class Mounted:
    """The view that hands a request of the host's to the library's own application."""

    def __init__(self, application: Any, prefix: str, endpoints: Mapping[str, Any]) -> None:
        self._application = application
        self._prefix = prefix.encode("utf-8").decode("latin-1")
        self._endpoints = endpoints

    def __call__(self, request: Request) -> Response:
        environ = self._environ(request)
        with getUtility(ITree).apart():
            return Request(environ).get_response(self._application)

    def _environ(self, request: Request) -> dict[str, Any]:
        environ = {name: value for name, value in request.environ.items() if not name.startswith(_HOSTS_OWN)}
        below = environ["PATH_INFO"][len(self._prefix) :] or "/"
        first, slash, rest = below[1:].partition("/")
        name = first if slash and first in self._endpoints else ""
        skipped = f"{self._prefix}/{name}" if name else self._prefix
        environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + skipped
        environ["PATH_INFO"] = f"/{rest}" if name else below
        environ[ENDPOINT] = self._endpoints[name]
        environ[HOST_USER] = host_user(request)
        return environ


@contextmanager
def transactions_of(request: Request) -> Iterator[None]:
    """Let the thread's transactions be those of the host's request, where it has a manager of its own.

    With pyramid_tm such a manager is ``request.tm``.
    """
    threads, before = transaction.manager, transaction.manager.manager
    hosts = getattr(request, "tm", threads)
    if hosts is not threads:
        threads.manager = hosts
    try:
        yield
    finally:
        threads.manager = before


def library_of(request: Request) -> Any:
    """``request.library``: the ILibraryFileAliasSet, open in this thread until the request is over.

    The host's user acts in it, and what is done belongs to the host's transaction.
    """
    opened = ExitStack()
    opened.enter_context(transactions_of(request))
    opened.enter_context(getUtility(ITree).session())
    opened.enter_context(acting_as(principal_named(host_user(request))))
    request.add_finished_callback(lambda request: opened.close())
    return getUtility(ILibraryFileAliasSet)

"""Ports of an installation, and the URLs under which others are told to find it."""

import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from librarian.commands.checking.engines import is_served
from librarian.commands.checking.findings import Finding, Installation, error, warning
from librarian.interfaces import SettingsError
from librarian.library.settings import LibrarySettings
from librarian.net.networks import EVERYWHERE, parse_address
from librarian.serving.interfaces import CannotListen
from librarian.serving.sockets import require_free
from librarian.settings import Section
from librarian.tree.settings import TreeSettings
from librarian.web.endpoints import split_listen, stated_addresses
from librarian.web.requests.hosts import is_loopback
from librarian.web.settings import AccelSettings, EndpointSettings, HostSettings, ProxySettings

SECONDS = 5  # for an answer
SOON_SECONDS = 14 * 86400  # before the end of a certificate
#: Endpoints that ask for no credentials: whoever reaches their address may use them.
TRUSTING = ("upload", "restricted", "restricted-upload", "tracker", "ops")
URLS = {
    "download_url": "public",
    "upload_url": "upload",
    "restricted_download_url": "restricted",
    "restricted_upload_url": "restricted-upload",
    "secure_download_url": "public",
}

Addresses = dict[str, tuple[str, int]]


def check_ports(at: Installation) -> Iterator[Finding]:
    """Findings on the addresses of endpoints; those of a server that runs are its own."""
    addresses, refused = _addresses(at)
    yield from refused
    seen: dict[int, str] = {}
    for name, (_host, port) in addresses.items():
        if port and port in seen:
            yield error(f"endpoint {name}", f"endpoint {seen[port]} has port {port} already")
        seen.setdefault(port, name)
    runs = TreeSettings not in at.refused and is_served(at.settings.section(TreeSettings).database_uri)
    for name, address in addresses.items():
        try:
            require_free({name: address})
        except CannotListen as taken:
            if not (runs and _answers(*address)):
                yield error(f"endpoint {name}", str(taken))


def _addresses(at: Installation) -> tuple[Addresses, list[Finding]]:
    found: Addresses = {}
    refused: list[Finding] = []
    for name, kind in at.sections.items():
        if kind not in at.refused:
            try:
                found.update(stated_addresses(at.settings, {name: kind}))
            except SettingsError as wrong:
                refused.append(error(wrong.key, wrong.why))
    return found, refused


def check_urls(at: Installation) -> Iterator[Finding]:
    """Findings on the URLs that the settings state: whether anything answers there, and its certificate."""
    if LibrarySettings in at.refused or any(issubclass(kind, EndpointSettings) for kind in at.refused):
        return
    addresses, _refused = _addresses(at)
    settings = at.settings.section(LibrarySettings)
    for name, endpoint in URLS.items():
        url = getattr(settings, name)
        if url:
            yield from _check_url(LibrarySettings.key(name), url, endpoint, addresses)
    secure = urlsplit(settings.secure_base)
    if settings.own_hosts and secure.scheme == "https" and secure.hostname and settings.secure_download_url:
        own = f"i1.restricted.{secure.hostname}"
        yield from _check_secure(LibrarySettings.key("own_hosts"), own, secure.port or 443)


def _check_url(what: str, url: str, endpoint: str, addresses: Addresses) -> Iterator[Finding]:
    split = urlsplit(url)
    if split.scheme not in ("http", "https") or not split.hostname or not url.endswith("/"):
        yield error(what, f"{url!r} is no URL such as https://files.example.org/ with a slash at its end")
        return
    port = split.port or (443 if split.scheme == "https" else 80)
    if any(each in (port, 0) for _host, each in addresses.values()) and _is_here(split.hostname):
        at_port = [name for name, (_host, each) in addresses.items() if each == port]
        if at_port and endpoint not in at_port:
            yield error(what, f"{url} is the address of endpoint {at_port[0]}, not of {endpoint}")
    elif endpoint in addresses or not _is_here(split.hostname):
        if split.scheme == "https":
            yield from _check_secure(what, split.hostname, port)
        elif why := _why_silent(split.hostname, port):
            yield error(what, f"nothing answers at {url}: {why}")


def _is_here(host: str) -> bool:
    address = parse_address(host)
    local = host == "localhost" or host.endswith(".localhost")
    return local or (address is not None and (address.is_loopback or address.is_unspecified))


def _why_silent(host: str, port: int) -> str:
    named = "localhost" if host.endswith(".localhost") else host  # RFC 6761, section 6.3
    try:
        socket.create_connection((named, port), SECONDS).close()
    except OSError as failed:
        return failed.strerror or str(failed)
    return ""


def _answers(host: str, port: int) -> bool:
    return not _why_silent({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port)  # noqa: S104


def _check_secure(what: str, host: str, port: int) -> Iterator[Finding]:
    """Whether a TLS server answers with a certificate that clients accept for `host`, and goes on to."""
    try:
        with (
            socket.create_connection((host, port), SECONDS) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secure,
        ):
            found: Any = secure.getpeercert()
    except ssl.SSLCertVerificationError as refused:
        yield error(what, f"the certificate of {host} port {port} is refused: {refused.verify_message}")
    except OSError as failed:
        yield error(what, f"nothing answers at {host} port {port}: {failed.strerror or failed}")
    else:
        left = ssl.cert_time_to_seconds(found["notAfter"]) - time.time()
        if left < SOON_SECONDS:
            yield warning(what, f"the certificate of {host} ends in {left / 86400:.0f} days")


def check_front_end(at: Installation) -> Iterator[Finding]:
    """Findings on what stands in front of the server, and on what stands open."""
    library = at.section_or_default(LibrarySettings)
    proxies = at.section_or_default(ProxySettings).trusted_proxies
    accel = at.section_or_default(AccelSettings)
    key = ProxySettings.key("trusted_proxies")
    if "https" in {urlsplit(getattr(library, name)).scheme for name in URLS} and not proxies:
        yield warning(key, "is empty, while URLs are of a TLS front end: what it says of clients is ignored")
    if set(proxies) & set(EVERYWHERE):
        yield error(key, "is every address: any client may then say that it is another one")
    if accel.accel_redirect and not proxies:
        yield error(AccelSettings.key("accel_redirect"), f"has no front end to answer: {key} is empty")
    yield from _check_open(at)


def _check_open(at: Installation) -> Iterator[Finding]:
    """Endpoints that believe whoever reaches them, at addresses that others reach."""
    allowed = at.section_or_default(HostSettings).allowed_hosts
    for name in TRUSTING:
        kind: type[Section] | None = at.sections.get(f"endpoint.{name}")
        if kind is None or kind in at.refused:
            continue
        listen = at.settings.section(kind).listen  # type: ignore[attr-defined]  # of an endpoint
        if listen and not is_loopback(listen) and not allowed:
            host, _port = split_listen(listen, kind.key("listen"))
            why = f"listens on {host} and asks for no credentials; a firewall must see to it,"
            yield warning(kind.key("listen"), f"{why} and {HostSettings.key('allowed_hosts')} is empty")

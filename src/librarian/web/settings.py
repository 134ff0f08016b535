"""The settings of the web layer: endpoints, front ends, names of this machine, and the access log."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from zope.interface import provider

from librarian.interfaces import ISettingsSection, SettingsError
from librarian.net.networks import Networks
from librarian.quantities import Size
from librarian.settings import Section

PROOF_FIELD = "x-librarian-front-end"  # by which a front end proves itself
PROOF = f"HTTP_{PROOF_FIELD.upper().replace('-', '_')}"  # as WSGI names it

_FIT = re.compile("(?!CHANGE-ME)[0-9A-Za-z_-]{16,200}")  # the one in examples/ is public


class EndpointSettings(Section):
    """Settings of one endpoint; each endpoint has a subclass with its own prefix and default."""

    listen: str  # host:port; port 0: whichever is free; empty: this endpoint is not shown


@provider(ISettingsSection)
@dataclass(frozen=True)
class AppEndpointSettings(EndpointSettings):
    """The endpoint of the web application."""

    prefix = "endpoint.app"
    listen: str = "127.0.0.1:6543"


@provider(ISettingsSection)
@dataclass(frozen=True)
class AccessLogSettings(Section):
    """The file of the access log."""

    access_log: str = ""  # a file; empty: nowhere
    access_log_format: str = "combined"  # or json

    def __post_init__(self) -> None:
        if self.access_log_format not in ("combined", "json"):
            raise SettingsError(self.key("access_log_format"), "is combined or json")


@provider(ISettingsSection)
@dataclass(frozen=True)
class ProxySettings(Section):
    """Front ends."""

    trusted_proxies: Networks = ()  # addresses or networks, such as 127.0.0.1 or 10.1.0.0/16


@provider(ISettingsSection)
@dataclass(frozen=True)
class HostSettings(Section):
    """Names of this machine."""

    # For endpoints that trust the network, beside addresses and localhost; `.example.org`: all below it.
    # None: any name will do where such an endpoint listens on other addresses than this machine's own.
    allowed_hosts: tuple[str, ...] = ()


@provider(ISettingsSection)
@dataclass(frozen=True)
class AccelSettings(Section):
    """Whether a front end sends the bytes."""

    accel_redirect: str = ""  # nginx's internal location of the byte store, such as /+bytes/; empty: no
    accel_secret: str = ""  # what the front end sends as X-Librarian-Front-End, a secret of the two

    def __post_init__(self) -> None:
        prefix = self.accel_redirect
        if prefix and not (prefix.startswith("/") and prefix.endswith("/")):
            raise SettingsError(self.key("accel_redirect"), "does not begin and end with a slash")
        if prefix and not self.accel_secret:
            raise SettingsError(self.key("accel_redirect"), f"needs {self.key('accel_secret')} beside it")
        if self.accel_secret and not _FIT.fullmatch(self.accel_secret):
            raise SettingsError(
                self.key("accel_secret"),
                "is not 16 to 200 letters, digits, - or _ (try: openssl rand -hex 32)",
            )

    def proved_by(self, environ: Mapping[str, Any]) -> bool:
        """Whether a WSGI request comes from the front end that sends the bytes."""
        stated = environ.get(PROOF, "")
        return bool(self.accel_redirect) and hmac.compare_digest(
            stated.encode("latin-1", "replace"), self.accel_secret.encode("ascii")
        )


@provider(ISettingsSection)
@dataclass(frozen=True)
class RedirectSettings(Section):
    """Whether clients fetch public files from the byte store themselves, where it is in the network."""

    redirect_downloads: bool = False  # to the bucket, with a signed URL
    # Bytes.  Smaller files are sent from here: two requests cost more than one.
    redirect_from: Size = Size(1 << 20)
    redirect_lifetime: timedelta = timedelta(minutes=15)  # of a URL; a download may go on after that

    def __post_init__(self) -> None:
        if not timedelta(seconds=1) <= self.redirect_lifetime <= timedelta(days=7):  # the most that S3 grants
            raise SettingsError(self.key("redirect_lifetime"), "is not between a second and 7 days")

    def redirects(self, size: int) -> bool:
        """Whether a file of `size` bytes is to be fetched from the store."""
        return self.redirect_downloads and size >= self.redirect_from

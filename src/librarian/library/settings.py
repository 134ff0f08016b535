"""The settings of the library: where its endpoints listen, and how it is reached from outside."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from zope.interface import provider

from librarian.settings import ISettings, ISettingsSection, Section
from librarian.web.endpoints import EndpointSettings, endpoint_url


@provider(ISettingsSection)
@dataclass(frozen=True)
class PublicEndpoint(EndpointSettings):
    """Where unrestricted files are downloaded."""

    prefix = "endpoint.public"
    listen: str = "127.0.0.1:8000"


@provider(ISettingsSection)
@dataclass(frozen=True)
class RestrictedEndpoint(EndpointSettings):
    """Where restricted files are downloaded without a token; guarded by where it listens."""

    prefix = "endpoint.restricted"
    listen: str = "127.0.0.1:8005"


@provider(ISettingsSection)
@dataclass(frozen=True)
class UploadEndpoint(EndpointSettings):
    """Where unrestricted files are added; guarded by where it listens."""

    prefix = "endpoint.upload"
    listen: str = "127.0.0.1:9090"


@provider(ISettingsSection)
@dataclass(frozen=True)
class RestrictedUploadEndpoint(EndpointSettings):
    """Where restricted files are added; guarded by where it listens."""

    prefix = "endpoint.restricted-upload"
    listen: str = "127.0.0.1:9095"


_ENDPOINTS: dict[str, type[EndpointSettings]] = {
    "download_url": PublicEndpoint,
    "upload_url": UploadEndpoint,
    "restricted_download_url": RestrictedEndpoint,
    "restricted_upload_url": RestrictedUploadEndpoint,
}


@provider(ISettingsSection)
@dataclass(frozen=True)
class LibrarySettings(Section):
    """How the library looks from outside.  Every URL ends in a slash; the first four, left empty, are
    where the endpoint of that kind listens, so that two installations on a machine are never mixed up."""

    download_url: str = ""
    upload_url: str = ""
    restricted_download_url: str = ""
    restricted_upload_url: str = ""
    secure_download_url: str = ""  # where a TLS front end shows it; empty: download_url, with https
    use_https: bool = False
    upload_requires_token: bool = False  # False: who reaches an upload endpoint may add files there
    token_lifetime: timedelta = timedelta(days=1)
    token_lifetime_max: timedelta = timedelta(days=7)

    def completed(self, settings: ISettings) -> "LibrarySettings":
        empty = {name: kind for name, kind in _ENDPOINTS.items() if not getattr(self, name)}
        found: dict[str, Any] = {name: endpoint_url(settings.section(kind)) for name, kind in empty.items()}
        return replace(self, **found)

    @property
    def secure_base(self) -> str:
        """Where the TLS front end is reached."""
        return self.secure_download_url or self.download_url.replace("http://", "https://", 1)

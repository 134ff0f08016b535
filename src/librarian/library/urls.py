"""Where files are downloaded from: URLs made from the settings."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from zope.interface import provider

from librarian.library.filenames import quoted
from librarian.library.http.endpoints import (
    PublicEndpoint,
    RestrictedEndpoint,
    RestrictedUploadEndpoint,
    UploadEndpoint,
)
from librarian.library.model import AliasRecord
from librarian.settings import ISettings, ISettingsSection, Section
from librarian.web.endpoints import EndpointSettings, endpoint_url

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


def _path(record: AliasRecord) -> str:
    return f"{record.id}/{quoted(record.filename)}"


def http_url(settings: LibrarySettings, record: AliasRecord) -> str:
    base = settings.restricted_download_url if record.restricted else settings.download_url
    return base + _path(record)


def https_url(settings: LibrarySettings, record: AliasRecord) -> str:
    if record.restricted:
        return settings.restricted_download_url.replace("http://", "https://", 1) + _path(record)
    return settings.secure_base + _path(record)


def own_host(settings: LibrarySettings, record: AliasRecord) -> str:
    """The host name that belongs to this file alone, so that no other file shares its origin."""
    host = urlsplit(settings.secure_base).hostname
    return f"i{record.id}.restricted.{host}" if record.restricted else f"i{record.id}.{host}"


def private_url(settings: LibrarySettings, record: AliasRecord) -> str:
    """The URL on the file's own host: https, unless the setting says there is no TLS here."""
    base = urlsplit(settings.secure_base)
    port = f":{base.port}" if base.port else ""
    return f"{base.scheme}://{own_host(settings, record)}{port}{base.path}{_path(record)}"

"""URLs at which files are downloaded, made from the settings."""

from urllib.parse import urlsplit

from librarian.library.filenames import quoted
from librarian.library.model.files import LibraryFileAlias
from librarian.library.settings import LibrarySettings


def _path(alias: LibraryFileAlias) -> str:
    return f"{alias.id}/{quoted(alias.filename)}"


def http_url(settings: LibrarySettings, alias: LibraryFileAlias) -> str:
    """The http URL of an alias, on the download endpoint of its space."""
    base = settings.restricted_download_url if alias.restricted else settings.download_url
    return base + _path(alias)


def https_url(settings: LibrarySettings, alias: LibraryFileAlias) -> str:
    """The https URL of an alias, on the download endpoint of its space."""
    if alias.restricted:
        return settings.restricted_download_url.replace("http://", "https://", 1) + _path(alias)
    return settings.secure_base + _path(alias)


def own_host(settings: LibrarySettings, alias: LibraryFileAlias) -> str:
    """The host name of this file alone: no other file has the same origin (RFC 6454, section 4)."""
    host = urlsplit(settings.secure_base).hostname
    return f"i{alias.id}.restricted.{host}" if alias.restricted else f"i{alias.id}.{host}"


def private_url(settings: LibrarySettings, alias: LibraryFileAlias) -> str:
    """The URL on the file's own host, where files have one; http if `secure_download_url` is an http URL."""
    if not settings.own_hosts:
        return settings.secure_base + _path(alias)
    base = urlsplit(settings.secure_base)
    port = f":{base.port}" if base.port else ""
    return f"{base.scheme}://{own_host(settings, alias)}{port}{base.path}{_path(alias)}"

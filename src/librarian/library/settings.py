"""The settings of the library: where its endpoints listen, and how it is reached from outside."""

from dataclasses import dataclass, make_dataclass, replace
from datetime import timedelta
from typing import Any

from zope.interface import directlyProvides, provider

from librarian.interfaces import ISettings, ISettingsSection, SettingsError
from librarian.quantities import Size, parse_duration
from librarian.settings import Section
from librarian.web.endpoints import endpoint_url
from librarian.web.settings import EndpointSettings


def _endpoint(name: str, listen: str) -> type[EndpointSettings]:
    """The section ``librarian.endpoint.<name>``; `listen` is where it is unless the site says otherwise."""
    kind = make_dataclass(
        f"{name.title().replace('-', '')}Endpoint",
        [("listen", str, listen)],
        bases=(EndpointSettings,),
        namespace={"prefix": f"endpoint.{name}"},
        frozen=True,
    )
    directlyProvides(kind, ISettingsSection)
    return kind


#: Downloads of public files.
PublicEndpoint = _endpoint("public", "127.0.0.1:8000")
#: Downloads of restricted files without a token, for those who reach its address.
RestrictedEndpoint = _endpoint("restricted", "127.0.0.1:8005")
#: Uploads of public files, for those who reach its address.
UploadEndpoint = _endpoint("upload", "127.0.0.1:9090")
#: Uploads of restricted files, for those who reach its address.
RestrictedUploadEndpoint = _endpoint("restricted-upload", "127.0.0.1:9095")

#: URLs that stay empty where their endpoint is closed.
UPLOADS = ("upload_url", "restricted_upload_url")

_ENDPOINTS: dict[str, type[EndpointSettings]] = {
    "download_url": PublicEndpoint,
    "upload_url": UploadEndpoint,
    "restricted_download_url": RestrictedEndpoint,
    "restricted_upload_url": RestrictedUploadEndpoint,
}


@provider(ISettingsSection)
@dataclass(frozen=True)
class LibrarySettings(Section):
    """The URLs of the library from outside.  Every URL ends in a slash.  The first four, if empty, are
    the addresses at which the endpoints listen, so that two installations on a machine stay apart."""

    download_url: str = ""  # of public files
    upload_url: str = ""  # where public files are added
    restricted_download_url: str = ""  # of restricted files, on the network that may read them
    restricted_upload_url: str = ""  # where restricted files are added
    secure_download_url: str = ""  # of a TLS front end; empty: download_url, with https
    # Whether each restricted file has a host name, and so an origin, of its own: below those of
    # secure_download_url, for which the name server and the certificate need wildcards.
    own_hosts: bool = True
    use_https: bool = False  # whether URLs of files are given out with https
    upload_requires_token: bool = False  # False: the network alone decides who may add files
    token_lifetime: timedelta = timedelta(days=1)  # of a link to a restricted file that says no other
    token_lifetime_max: timedelta = timedelta(days=7)  # the longest that a link may say
    expiry_notice: timedelta = timedelta(days=7)  # before a file's expiry, when the collector announces it

    def completed(self, settings: ISettings) -> "LibrarySettings":
        empty = {name: kind for name, kind in _ENDPOINTS.items() if not getattr(self, name)}
        found: dict[str, Any] = {name: endpoint_url(settings.section(kind)) for name, kind in empty.items()}
        for name in found:
            if name in UPLOADS and not settings.section(_ENDPOINTS[name]).listen:
                found[name] = ""  # what listens at the usual port is another installation's
        return replace(self, **found)

    @property
    def secure_base(self) -> str:
        """The URL of the TLS front end."""
        return self.secure_download_url or self.download_url.replace("http://", "https://", 1)


@provider(ISettingsSection)
@dataclass(frozen=True)
class CountingSettings(Section):
    """The interval at which the server counts the downloads in its own access log."""

    count_downloads_every: timedelta = timedelta(0)  # 0: never, `librarian count-downloads` does


@provider(ISettingsSection)
@dataclass(frozen=True)
class SweepSettings(Section):
    """The most files that one sweep may remove unconfirmed, the share or the number, whichever is more; and
    how long bytes stay."""

    sweep_max_share: float = 0.1  # of the files held; 1: all of them
    sweep_max_files: int = 1000  # number of files
    # How long bytes stay after nothing named them any more: a backup that leaves them where they are
    # (librarian backup --leave-bytes) is good for it.  The same on all nodes.
    sweep_after: timedelta = timedelta(0)

    def is_too_much(self, number: int, held: int) -> bool:
        """Whether a sweep that would remove `number` of `held` files has to be confirmed."""
        return number > self.sweep_max_files and number > self.sweep_max_share * held


@provider(ISettingsSection)
@dataclass(frozen=True)
class ResumableSettings(Section):
    """Uploads in several requests."""

    resumable_lifetime: timedelta = timedelta(days=1)  # from their beginning; what is left then is removed
    resumable_max_size: Size = Size(0)  # bytes of one; 0: what there is room for


@provider(ISettingsSection)
@dataclass(frozen=True)
class UploadLinkSettings(Section):
    """Links with which files are sent to the library without an account."""

    upload_link_lifetime: timedelta = timedelta(days=7)  # of an upload link that says no other
    upload_link_lifetime_max: timedelta = timedelta(days=90)  # the longest that one may say


UNREFERENCED = "unreferenced"  # kept while something refers to it; if nothing does, about a week
NEVER = "never"


@provider(ISettingsSection)
@dataclass(frozen=True)
class ExpirySettings(Section):
    """What an upload by URL, page or command gets that says nothing of its expiry."""

    default_expiry: str = UNREFERENCED  # or never, or how long: 30d

    def __post_init__(self) -> None:
        if self.default_expiry not in (UNREFERENCED, NEVER):
            try:
                lifetime = parse_duration(self.default_expiry)
            except ValueError as error:
                raise SettingsError(self.key("default_expiry"), str(error)) from None
            if lifetime < timedelta(hours=1):
                raise SettingsError(self.key("default_expiry"), "is less than an hour")


VERIFY_MODES = ("always", "daily", "never")


@provider(ISettingsSection)
@dataclass(frozen=True)
class ReadSettings(Section):
    """Whether bytes are verified when they are read."""

    verify_reads: str = "daily"  # always: large files too, while they are sent; daily: once; never

    def __post_init__(self) -> None:
        if self.verify_reads not in VERIFY_MODES:
            raise SettingsError(self.key("verify_reads"), f"is none of {', '.join(VERIFY_MODES)}")

"""Where the endpoints of the library listen, and so where it is reached unless the settings say otherwise."""

from dataclasses import dataclass

from zope.interface import provider

from librarian.settings import ISettingsSection
from librarian.web.endpoints import EndpointSettings


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

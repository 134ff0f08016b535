"""Where the faces of the library listen, and so where it is reached unless the settings say otherwise."""

from dataclasses import dataclass

from zope.interface import provider

from librarian.settings import ISettingsSection
from librarian.web.faces import FaceSettings


@provider(ISettingsSection)
@dataclass(frozen=True)
class PublicFace(FaceSettings):
    """Where unrestricted files are downloaded."""

    prefix = "face.public"
    listen: str = "127.0.0.1:8000"


@provider(ISettingsSection)
@dataclass(frozen=True)
class RestrictedFace(FaceSettings):
    """Where restricted files are downloaded without a token; guarded by where it listens."""

    prefix = "face.restricted"
    listen: str = "127.0.0.1:8005"


@provider(ISettingsSection)
@dataclass(frozen=True)
class UploadFace(FaceSettings):
    """Where unrestricted files are added; guarded by where it listens."""

    prefix = "face.upload"
    listen: str = "127.0.0.1:9090"


@provider(ISettingsSection)
@dataclass(frozen=True)
class RestrictedUploadFace(FaceSettings):
    """Where restricted files are added; guarded by where it listens."""

    prefix = "face.restricted-upload"
    listen: str = "127.0.0.1:9095"

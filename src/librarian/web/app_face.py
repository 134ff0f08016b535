"""The face people look at: pages, JSON, and uploads by those who may."""

from dataclasses import dataclass

from zope.interface import provider

from librarian.settings import ISettingsSection
from librarian.web.faces import Face, FaceSettings
from librarian.web.views import AppRoot


@provider(ISettingsSection)
@dataclass(frozen=True)
class AppFace(FaceSettings):
    """Where the web application listens."""

    prefix = "face.app"
    listen: str = "127.0.0.1:6543"


face = Face(AppFace, AppRoot, transactional=True)

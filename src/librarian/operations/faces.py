"""The face for whoever watches the server."""

from dataclasses import dataclass

from pyramid.request import Request
from zope.interface import provider

from librarian.settings import ISettingsSection
from librarian.web.faces import Face, FaceSettings


@provider(ISettingsSection)
@dataclass(frozen=True)
class OpsFaceSettings(FaceSettings):
    """Where metrics are shown; guarded by where it listens, since they tell who stores how much."""

    prefix = "face.ops"
    listen: str = "127.0.0.1:9191"


class OpsRoot:
    """``/`` of the ops face."""

    def __init__(self, request: Request) -> None:
        self.request = request


face = Face(OpsFaceSettings, OpsRoot, trusts_network=True)

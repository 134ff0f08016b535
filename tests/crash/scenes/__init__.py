"""All scenes."""

from tests.crash.scenes.folders import Cached, Exported, Imported, OnlyCopies, Spooled
from tests.crash.scenes.library import (
    Backups,
    BackupsWithoutSyncfs,
    Evolved,
    Files,
    FirstStart,
    Names,
    Pieces,
    Restored,
    Tracked,
    Upkeep,
)
from tests.crash.scenes.scene import Scene

__all__ = ["SCENES", "Scene"]

SCENES = (
    FirstStart,
    Files,
    Names,
    Tracked,
    Pieces,
    Upkeep,
    Evolved,
    Backups,
    BackupsWithoutSyncfs,
    Restored,
    Spooled,
    Exported,
    Imported,
    Cached,
    OnlyCopies,
)

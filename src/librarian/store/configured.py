"""The byte stores as the settings describe them, for a site to choose from in one line of ZCML::

<utility provides="librarian.store.interfaces.IByteStore"
         factory="librarian.store.configured.disk_store" />
"""

from dataclasses import dataclass
from pathlib import Path

from zope.component import getUtility

from librarian.interfaces import IClock, ISettings
from librarian.settings import Section
from librarian.store.disk.store import DiskStore
from librarian.store.memory import MemoryStore


@dataclass(frozen=True)
class StoreSettings(Section):
    """Where the bytes are, and how many there may be.  Sizes are in bytes; 0 sets no limit."""

    byte_store: Path = Path("var/bytes")
    byte_store_quota: int = 0
    byte_store_keep_free: int = 64 << 20  # so that a full store does not stop the database beside it


def disk_store() -> DiskStore:
    """The folder that ``librarian.byte_store`` names."""
    settings = getUtility(ISettings).section(StoreSettings)
    return DiskStore(
        settings.byte_store,
        getUtility(IClock),
        settings.byte_store_quota or None,
        keep_free=settings.byte_store_keep_free,
        list_fresh=True,
    )


def memory_store() -> MemoryStore:
    """An empty store that lasts as long as the process."""
    settings = getUtility(ISettings).section(StoreSettings)
    return MemoryStore(getUtility(IClock), settings.byte_store_quota or None)

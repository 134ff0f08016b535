"""The byte stores as the settings describe them, for a site to choose from in one line of ZCML::

<utility provides="librarian.store.interfaces.IByteStore"
         factory="librarian.store.service.disk_store" />
"""

from zope.component import getUtility

from librarian.interfaces import IClock, ISettings
from librarian.store.disk.store import DiskStore
from librarian.store.memory import MemoryStore
from librarian.store.settings import StoreSettings


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

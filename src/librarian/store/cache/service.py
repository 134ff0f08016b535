"""The cache that the settings describe."""

from zope.component import getUtility

from librarian.interfaces import ISettings
from librarian.store.cache.local import LocalCache
from librarian.store.cache.settings import CacheSettings


def configured_cache() -> LocalCache | None:
    """The cache in the folder ``librarian.byte_cache``; None if it is to have no bytes.

    Raises StoreUnavailable where the folder cannot be made.
    """
    settings = getUtility(ISettings).section(CacheSettings)
    if not settings.byte_cache_size:
        return None
    return LocalCache(settings.byte_cache, settings.byte_cache_size)

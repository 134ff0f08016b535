"""The byte stores as the settings describe them, for a site to choose from in one line of ZCML::

<utility provides="librarian.store.interfaces.IByteStore"
         factory="librarian.store.service.configured_store" />
"""

from importlib import import_module
from pathlib import Path
from typing import cast

from zope.component import getUtility

from librarian.interfaces import IClock, ISettings, SettingsError
from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import IByteStore
from librarian.store.memory import MemoryStore
from librarian.store.s3.address import SCHEME, SETTING, parse_address
from librarian.store.settings import StoreSettings


def configured_store() -> IByteStore:
    """The store that ``librarian.byte_store`` names: a bucket for ``s3://...``, otherwise a folder."""
    settings = getUtility(ISettings).section(StoreSettings)
    return s3_store() if settings.byte_store.startswith(SCHEME) else disk_store()


def s3_store() -> IByteStore:
    """The bucket that ``librarian.byte_store`` names.  Raises SettingsError, also where boto3 is missing."""
    settings = getUtility(ISettings).section(StoreSettings)
    address = parse_address(settings.byte_store)
    if settings.byte_store_quota:
        raise SettingsError("librarian.byte_store_quota", "is for a folder; set the bucket's where it is")
    try:
        service = import_module("librarian.store.s3.service")
    except ModuleNotFoundError as error:
        why = f"s3:// needs {error.name}, which `pip install librarian[s3]` installs"
        raise SettingsError(SETTING, why) from None
    return cast(IByteStore, service.store_at(address, settings.byte_store_keep_free))


def disk_store() -> DiskStore:
    """The folder that ``librarian.byte_store`` names."""
    settings = getUtility(ISettings).section(StoreSettings)
    return DiskStore(
        Path(settings.byte_store.strip()),
        getUtility(IClock),
        settings.byte_store_quota or None,
        keep_free=settings.byte_store_keep_free,
        list_fresh=True,
    )


def memory_store() -> MemoryStore:
    """An empty store that lasts as long as the process."""
    settings = getUtility(ISettings).section(StoreSettings)
    return MemoryStore(getUtility(IClock), settings.byte_store_quota or None)

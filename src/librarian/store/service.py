"""The byte stores as the settings describe them, for a site to choose from in one line of ZCML::

<utility provides="librarian.store.interfaces.IByteStore"
         factory="librarian.store.service.configured_store" />
"""

from importlib import import_module
from pathlib import Path
from typing import Any, cast

from zope.component import getUtility

from librarian.interfaces import IClock, ISettings, SettingsError
from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import IByteStore
from librarian.store.memory import MemoryStore
from librarian.store.moving.both import BothStores
from librarian.store.moving.settings import MovingSettings
from librarian.store.s3.address import SCHEME, SETTING, parse_address
from librarian.store.s3.interfaces import IKeptObjects
from librarian.store.settings import StoreSettings


def configured_store() -> IByteStore:
    """The store that ``librarian.byte_store`` names, and behind it ``librarian.byte_store_before``."""
    settings = getUtility(ISettings).section(StoreSettings)
    if settings.byte_store_quota and settings.byte_store.strip().startswith(SCHEME):
        raise SettingsError("librarian.byte_store_quota", "is for a folder; set the bucket's where it is")
    store = store_at(settings.byte_store)
    before = getUtility(ISettings).section(MovingSettings).byte_store_before
    return BothStores(store, store_at(before)) if before else store


def store_at(place: str) -> IByteStore:
    """The store at a place written as ``librarian.byte_store`` is: a bucket for ``s3://...``, otherwise a
    folder.  Raises SettingsError, also where boto3 is missing."""
    return _s3_store_at(place) if place.strip().startswith(SCHEME) else _disk_store_in(Path(place.strip()))


def _s3_store_at(place: str) -> IByteStore:
    address = parse_address(place)
    settings = getUtility(ISettings).section(StoreSettings)
    return cast(IByteStore, _s3_service().store_at(address, settings.byte_store_keep_free))


def kept_at(place: str) -> IKeptObjects:
    """What is held at ``s3://...``, for one who has no site and no tree.  Raises as store_at()."""
    return cast(IKeptObjects, _s3_service().kept_at(parse_address(place)))


def _s3_service() -> Any:
    try:
        return import_module("librarian.store.s3.service")
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        why = f"s3:// needs {missing}, which `pip install librarian[s3]` installs"
        raise SettingsError(SETTING, why) from None


def disk_store() -> DiskStore:
    """The folder that ``librarian.byte_store`` names."""
    return _disk_store_in(Path(getUtility(ISettings).section(StoreSettings).byte_store.strip()))


def _disk_store_in(folder: Path) -> DiskStore:
    settings = getUtility(ISettings).section(StoreSettings)
    return DiskStore(
        folder,
        getUtility(IClock),
        settings.byte_store_quota or None,
        keep_free=settings.byte_store_keep_free,
        list_fresh=True,
    )


def memory_store() -> MemoryStore:
    """An empty store that lasts as long as the process."""
    settings = getUtility(ISettings).section(StoreSettings)
    return MemoryStore(getUtility(IClock), settings.byte_store_quota or None)

"""The settings of the byte store."""

from dataclasses import dataclass
from pathlib import Path

from zope.interface import provider

from librarian.interfaces import ISettingsSection
from librarian.settings import Section


@provider(ISettingsSection)
@dataclass(frozen=True)
class StoreSettings(Section):
    """The place of the bytes, and their limits.  Sizes are in bytes; 0 sets no limit."""

    byte_store: Path = Path("var/bytes")
    byte_store_quota: int = 0
    byte_store_keep_free: int = 64 << 20  # so that a full store does not stop the database beside it

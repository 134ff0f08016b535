"""The settings of the local cache."""

from dataclasses import dataclass
from pathlib import Path

from zope.interface import provider

from librarian.interfaces import ISettingsSection
from librarian.quantities import Size
from librarian.settings import Section


@provider(ISettingsSection)
@dataclass(frozen=True)
class CacheSettings(Section):
    """Where bytes of a remote store are kept near at hand, and how many.  A size of 0: nowhere."""

    byte_cache: Path = Path("var/byte-cache")  # a folder for copies of what an object store has
    byte_cache_size: Size = Size(10 << 30)  # bytes

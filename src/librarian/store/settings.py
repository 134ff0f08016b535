"""The settings of the byte store."""

from dataclasses import dataclass

from zope.interface import provider

from librarian.interfaces import ISettingsSection
from librarian.quantities import Size
from librarian.settings import Section


@provider(ISettingsSection)
@dataclass(frozen=True)
class StoreSettings(Section):
    """The place of the bytes, and their limits.  Sizes are in bytes; 0 sets no limit.

    The limits are those of the local disk; a bucket has its own where it is.
    """

    byte_store: str = "var/bytes"  # a folder, or s3://bucket/prefix?endpoint=...
    byte_store_quota: Size = Size(0)  # of all files together
    byte_store_keep_free: Size = Size(64 << 20)  # so that a full store does not stop the database beside it

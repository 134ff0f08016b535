"""The setting of a move."""

from dataclasses import dataclass

from zope.interface import provider

from librarian.interfaces import ISettingsSection
from librarian.settings import Section


@provider(ISettingsSection)
@dataclass(frozen=True)
class MovingSettings(Section):
    """Where bytes are that ``librarian.byte_store`` may not have yet.  Empty: nowhere else."""

    byte_store_before: str = ""  # as byte_store

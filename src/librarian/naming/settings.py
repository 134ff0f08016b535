"""The settings of the named tree."""

from dataclasses import dataclass

from zope.interface import provider

from librarian.interfaces import ISettingsSection
from librarian.settings import Section


@provider(ISettingsSection)
@dataclass(frozen=True)
class NamingSettings(Section):
    """Settings of the named tree."""

    prefix = "naming"
    # A number and not an age: a file that changes once a year keeps its history, and one that a script
    # replaces every minute does not fill the disk.
    keep_versions: int = 20  # old versions of an entry that are kept

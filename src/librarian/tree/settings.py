"""The settings of the tree."""

from dataclasses import dataclass
from datetime import timedelta

from zope.interface import provider

from librarian.interfaces import ISettingsSection
from librarian.quantities import Size
from librarian.settings import Section


@provider(ISettingsSection)
@dataclass(frozen=True)
class TreeSettings(Section):
    """The place of the tree."""

    database_uri: str = "file://var/tree/Data.fs"  # any URI that zodburi knows: file, zeo, postgres, zconfig
    # Whether a server makes a database that is not there; false: it refuses to start, as where a disk is
    # not mounted.  Commands never make one.
    make_database: bool = True
    # How long a database outside of this process may be silent before requests are refused with 503.
    database_patience: timedelta = timedelta(seconds=0.6)
    # Kept free beside a file:// database, so that `librarian gc` and `pack` work on a full disk; 0: nothing.
    reserve: Size = Size(16 << 20)
    share_database: bool = True  # whether commands may use the file:// database of a running server

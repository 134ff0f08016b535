"""The tree this process is configured with."""

from dataclasses import dataclass
from datetime import timedelta

from zope.component import getUtility
from zope.interface import provider

from librarian.settings import ISettings, ISettingsSection, Section
from librarian.tree.interfaces import ITree
from librarian.tree.opening import Tree


@provider(ISettingsSection)
@dataclass(frozen=True)
class TreeSettings(Section):
    """Where the tree is."""

    database_uri: str = "file://var/tree/Data.fs"  # any URI that zodburi knows: file, zeo, postgres, zconfig
    # How long a database outside of this process may be silent before requests are refused with 503.
    database_patience: timedelta = timedelta(seconds=0.6)
    # Kept free beside a file:// database, so that `librarian gc` and `pack` work on a full disk; 0: nothing.
    reserve: int = 16 << 20
    share_database: bool = True  # whether a server with a file:// database lets commands in beside it


def configured_tree() -> Tree:
    """The tree that ``librarian.database_uri`` names; for ZCML."""
    settings = getUtility(ISettings).section(TreeSettings)
    return Tree.from_uri(settings.database_uri, settings.reserve)


def share_tree() -> None:
    """Let commands in, unless the settings say otherwise, and keep a reserve; for servers."""
    getUtility(ITree).keep_reserve()
    if getUtility(ISettings).section(TreeSettings).share_database:
        getUtility(ITree).share()


def watch_tree() -> None:
    """Never wait for a database that is away; for servers."""
    patience = getUtility(ISettings).section(TreeSettings).database_patience
    getUtility(ITree).watch(patience.total_seconds())

"""The tree this process is configured with."""

from dataclasses import dataclass

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
    share_database: bool = True  # whether a server with a file:// database lets commands in beside it


def configured_tree() -> Tree:
    """The tree that ``librarian.database_uri`` names; for ZCML."""
    return Tree.from_uri(getUtility(ISettings).section(TreeSettings).database_uri)


def share_tree() -> None:
    """Let commands in, unless the settings say otherwise; for servers."""
    if getUtility(ISettings).section(TreeSettings).share_database:
        getUtility(ITree).share()

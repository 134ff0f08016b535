"""The directives ``settings`` and ``start``, for applications that have the library in their process.

Their namespace is ``http://namespaces.zope.org/librarian``.  Actions of ZCML run in the order of the
files; these two have places of their own, so that an application may write its files in any order: settings
are there before any utility is made, and the library is started when all of them are.
"""

from typing import Any

from zope.component import getGlobalSiteManager

from librarian.app import read_ini, start_components
from librarian.interfaces import ISettings
from librarian.settings import ROOT, Settings

FIRST, LAST = -1000, 1000  # zope.configuration's own actions have the order 0


def settings(_context: Any, ini: str | None = None, **values: str) -> None:
    """Register the settings of the process; unknown names are refused by `start`.  Raises SettingsError."""
    found = read_ini(ini) if ini is not None else {}
    found.update({f"{ROOT}.{name}": value for name, value in values.items()})
    _context.action(
        discriminator=("librarian", "settings"),
        callable=getGlobalSiteManager().registerUtility,
        args=(Settings(found), ISettings, "", _context.info),
        order=FIRST,
    )


def start(_context: Any) -> None:
    """Start the library in this process, as start_components()."""
    _context.action(discriminator=("librarian", "start"), callable=start_components, order=LAST)

"""The site of an ini file, opened: shared by the commands that work inside the library."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from zope.component import getUtility

from librarian.app import configure_components, read_ini
from librarian.commands.common.usual import SAID, usual_ini_or_first
from librarian.library.opening import open_library
from librarian.tree.interfaces import ITree, TreeUnreadable
from librarian.tree.opening import UNREADABLE
from librarian.tree.settings import TreeSettings

NO_MAKING = TreeSettings.key("make_database")

log = logging.getLogger(__name__)


def _ini_option(must_exist: bool) -> Callable[[Any], Any]:
    return click.option(
        "-c",
        "--config",
        "ini",
        envvar="LIBRARIAN_INI",
        show_envvar=True,
        default=usual_ini_or_first,
        show_default=f"the first here of {SAID}",
        type=click.Path(exists=must_exist, dir_okay=False),
        help="The ini file of the installation.",
    )


ini_option = _ini_option(must_exist=True)
ini_file_option = _ini_option(must_exist=False)  # of commands that can do without


@contextmanager
def opened_site(ini: str, *, united: bool = True) -> Iterator[Any]:
    """The library of the installation that `ini` describes, open in this thread; ITree and all
    other utilities are there.  `united` as for configure_components().  Raises NoTree where no server
    has made a library yet, TreeUnreadable for what is found to be damaged."""
    configure_components({**read_ini(ini), NO_MAKING: "false"}, united=united)
    try:
        with open_library() as library:
            yield library
    except UNREADABLE as error:
        log.info("tree unreadable", exc_info=True)
        raise TreeUnreadable(error) from error
    finally:
        # A FileStorage saves its index when it is closed; without it the next start is slower, and says so.
        getUtility(ITree).close()

"""open_library(): the library for code that serves no request."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from zope.component import getUtility

from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.security.interaction import acting_as
from librarian.security.interfaces import IPrincipal
from librarian.security.principals import SYSTEM
from librarian.tree.interfaces import ITree


@contextmanager
def open_library(principal: IPrincipal = SYSTEM) -> Iterator[Any]:
    """Open a database session in this thread, acting as `principal`; yields the ILibraryFileAliasSet.

    For scripts, threads and components of other applications, once the site's components are
    configured.  What is not committed when the `with` ends is aborted.
    """
    with getUtility(ITree).session(), acting_as(principal):
        yield getUtility(ILibraryFileAliasSet)

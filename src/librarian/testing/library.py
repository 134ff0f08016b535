"""Things that happen to files only with time, for documents that want them now."""

from typing import Any

from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.tree.interfaces import ITree


def delete_content(alias: Any) -> None:
    """Delete the file behind an alias, as the collector does a week after its expiry."""
    getUtility(ITree).branch("library").delete_content(removeSecurityProxy(alias).record)

"""The folders of the named tree as places for files that come by upload links."""

from itertools import count
from pathlib import PurePath
from typing import Any

from zope.component import getUtility
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.library.drops.interfaces import IPlacesFiles
from librarian.library.operations import Library
from librarian.library.service import BoundAlias
from librarian.naming.interfaces import INamedTree, NotRestricted


@implementer(IPlacesFiles)
class Placing:
    """See IPlacesFiles; the permissions are those of the folders on the way."""

    def check(self, folder: str, restricted: bool) -> None:
        found = getUtility(INamedTree).folder(folder)
        found.put  # noqa: B018  # through its security proxy: raises Unauthorized
        if found.restricted and not restricted:
            raise NotRestricted(folder)

    def place(self, folder: str, filename: str, alias: Any) -> str:
        found = getUtility(INamedTree).folder(folder)
        entry = found.put(self._free_name(found, filename), BoundAlias(alias, Library()))
        path: str = removeSecurityProxy(entry).path
        return path

    @staticmethod
    def _free_name(folder: Any, filename: str) -> str:
        """`filename`, or with a number: a sender without an account replaces nothing."""
        taken = removeSecurityProxy(folder).children
        stem, suffix = PurePath(filename).stem, PurePath(filename).suffix
        others = (f"{stem}-{number}{suffix}" for number in count(2))
        return filename if filename not in taken else next(name for name in others if name not in taken)


placing = Placing()

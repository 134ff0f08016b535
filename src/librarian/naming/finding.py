"""Files by their path in the named tree, for the library's search."""

from collections.abc import Sequence

from zope.component import getUtility
from zope.interface import implementer
from zope.security.interfaces import Unauthorized

from librarian.library.catalogue.interfaces import IFileFinder
from librarian.naming.interfaces import INamedFolder, INamedTree, NotThere

MOST = 50  # files of a folder


@implementer(IFileFinder)
class PathFinder:
    """The file at a path, or the files in the folder there."""

    title = "path"

    def find(self, words: str) -> Sequence[int]:
        stated = words.strip().removeprefix("/tree")
        if "/" not in stated:
            return []
        try:
            found = getUtility(INamedTree)["/" + stated.strip("/")]
        except (NotThere, Unauthorized, ValueError):
            return []
        if INamedFolder.providedBy(found):
            return [each.alias_id for each in found.listing(limit=MOST) if not INamedFolder.providedBy(each)]
        return [found.alias_id]


path_finder = PathFinder()

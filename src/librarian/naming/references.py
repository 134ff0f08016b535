"""The files that the named tree keeps from the garbage collector."""

from zope.component import getUtility
from zope.interface import implementer

from librarian.library.interfaces import IFileReferences
from librarian.library.service import HeldInSubtree
from librarian.naming.model import NamingSubtree
from librarian.tree.interfaces import ITree


@implementer(IFileReferences)
class HeldByEntries(HeldInSubtree):
    """The files of all versions of all entries."""

    def holders(self, alias_id: int) -> list[str]:
        subtree: NamingSubtree = getUtility(ITree).subtree("naming")
        found = []
        for reason in subtree.holds.reasons(alias_id):
            uid, _, number = reason.partition(":")
            found.append(f"named tree: {subtree.entries[int(uid)].path} version {number}")
        return found


references = HeldByEntries("naming")

"""The collector's question to a system: which of these files do you hold?"""

from zope.component import getUtility
from zope.interface import implementer

from librarian.library.holds import FileHolds
from librarian.library.interfaces import IFileReferences
from librarian.tree.interfaces import ITree


@implementer(IFileReferences)
class HeldInSubtree:
    """The files that the `FileHolds` in attribute `attribute` of a subtree holds.

    Made with the subtree's name, in a system's own module, and registered in its ZCML::

        references = HeldInSubtree("tracker")
    """

    def __init__(self, subtree: str, attribute: str = "holds") -> None:
        self._subtree = subtree
        self._attribute = attribute

    def held_among(self, alias_ids: frozenset[int]) -> set[int]:
        return self._holds.held_among(alias_ids)

    def holders(self, alias_id: int) -> list[str]:
        return [f"{self._subtree}: {reason}" for reason in self._holds.reasons(alias_id)]

    @property
    def _holds(self) -> FileHolds:
        holds: FileHolds = getattr(getUtility(ITree).subtree(self._subtree), self._attribute)
        return holds


#: Files held by name from outside: ``librarian hold``.
outside = HeldInSubtree("library")

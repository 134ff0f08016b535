"""The subtree ``mirrors`` of the tree."""

from zope.component import getUtility

from librarian.library.service import HeldInSubtree
from librarian.mirrors.model.distributions import MirrorsSubtree, number_files
from librarian.tree.interfaces import ITree
from librarian.tree.subtree import Subtree, store_new_class_names

SUBTREE = "mirrors"
PROBER = "mirror-prober"  # the system principal the prober acts as
subtree = Subtree(SUBTREE, MirrorsSubtree, (number_files, store_new_class_names))
references = HeldInSubtree(SUBTREE)


def mirrors_subtree() -> MirrorsSubtree:
    """The subtree, of the connection of the thread that asks."""
    found: MirrorsSubtree = getUtility(ITree).subtree(SUBTREE)
    return found

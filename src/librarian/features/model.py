"""Rules as the tree keeps them."""

from BTrees.OOBTree import OOBTree
from persistent import Persistent

from librarian.tree.subtree import Subtree, store_new_class_names


class FeatureSubtree(Persistent):
    """The subtree ``features``; `rules`: (flag, scope) -> (priority, value)."""

    def __init__(self) -> None:
        self.rules = OOBTree()


subtree = Subtree(
    "features",
    FeatureSubtree,
    (store_new_class_names, store_new_class_names),
    {
        "librarian.tree.features.FeatureBranch": FeatureSubtree,
        "librarian.tree.features.FeatureSubtree": FeatureSubtree,
    },
)

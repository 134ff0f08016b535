"""Subtrees of the tree that only one document knows."""

from collections.abc import Iterator
from contextlib import contextmanager

from zope.component import getGlobalSiteManager

from librarian.tree.interfaces import ISubtree
from librarian.tree.subtree import Subtree


@contextmanager
def known(subtree: Subtree) -> Iterator[None]:
    """Register a subtree for the length of a `with`, as ZCML does for good."""
    registry = getGlobalSiteManager()
    registry.registerUtility(subtree, ISubtree, subtree.name)
    try:
        yield
    finally:
        registry.unregisterUtility(subtree, ISubtree, subtree.name)

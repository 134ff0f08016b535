"""Branches of the tree that only one document knows."""

from collections.abc import Iterator
from contextlib import contextmanager

from zope.component import getGlobalSiteManager

from librarian.tree.branch import Branch
from librarian.tree.interfaces import IBranch


@contextmanager
def known(branch: Branch) -> Iterator[None]:
    """Register a branch for the length of a `with`, as ZCML does for good."""
    registry = getGlobalSiteManager()
    registry.registerUtility(branch, IBranch, branch.name)
    try:
        yield
    finally:
        registry.unregisterUtility(branch, IBranch, branch.name)

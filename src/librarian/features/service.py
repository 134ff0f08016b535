"""The rules of the tree as a utility."""

from collections.abc import Iterator

from BTrees.OOBTree import OOBTree
from zope.component import getUtility
from zope.interface import implementer

from librarian.features.interfaces import DEFAULT_SCOPE, FeatureRule, IFeatureRules
from librarian.tree.interfaces import ITree


@implementer(IFeatureRules)
class FeatureRules:
    """The rules of the subtree ``features``."""

    def __init__(self) -> None:
        self._tree = getUtility(ITree)

    def __iter__(self) -> Iterator[FeatureRule]:
        for (flag, scope), (priority, value) in self._rules.items():
            yield FeatureRule(flag, scope, priority, value)

    def set(self, rule: FeatureRule) -> None:
        self._rules[rule.flag, rule.scope] = (rule.priority, rule.value)

    def unset(self, flag: str, scope: str = DEFAULT_SCOPE) -> bool:
        return self._rules.pop((flag, scope), None) is not None

    @property
    def _rules(self) -> OOBTree:
        return self._tree.subtree("features").rules

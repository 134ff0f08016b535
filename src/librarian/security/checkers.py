"""Checkers that raise NoActingPrincipal, and that guard the members of a mapping's views.

zope.security's own looks for the interaction first, and where a thread has none dies of an
AttributeError, which hasattr() and getattr() with a default take for an absent attribute.  It also takes
what dict.values() and dict.items() return for harmless, and lets the objects in it out unguarded.
"""

from collections.abc import ItemsView, ValuesView
from functools import lru_cache
from typing import Any

from zope.security.checker import Checker, CheckerPublic
from zope.security.management import queryInteraction
from zope.security.proxy import Proxy, getChecker, getObject

from librarian.security.interfaces import NoActingPrincipal

# What a mapping's values() and items() return; a persistent mapping's are those of collections.abc.
_VIEWS = frozenset((type({}.values()), type({}.items()), ValuesView, ItemsView))


class ActorChecker(Checker):
    """A checker that does both; so do the checkers of its results, and of theirs."""

    # A proxy in C spells check() and check_getattr() as x[object] = name, and proxy() as x[value],
    # because slots are faster than methods.

    def __setitem__(self, thing: Any, name: str) -> None:
        try:
            super().__setitem__(thing, name)
        except AttributeError:
            _refuse_without_interaction(self.get_permissions, name)
            raise

    def check(self, thing: Any, name: str) -> None:
        self[thing] = name

    def check_getattr(self, thing: Any, name: str) -> None:
        self[thing] = name

    def check_setattr(self, thing: Any, name: str) -> None:
        if queryInteraction() is None:
            _refuse_without_interaction(self.set_permissions, name)
        super().check_setattr(thing, name)

    def __getitem__(self, value: Any) -> Any:
        # A list of the members is guarded member by member; so are the pairs in it.
        members = list(value) if type(value) in _VIEWS else value
        return _guarded_alike(super().__getitem__(members))

    def proxy(self, value: Any) -> Any:
        return self[value]


def _refuse_without_interaction(permissions: Any, name: str) -> None:
    if queryInteraction() is None and permissions.get(name, CheckerPublic) is not CheckerPublic:
        raise NoActingPrincipal(name) from None


def _guarded_alike(result: Any) -> Any:
    if type(result) is not Proxy:
        return result
    checker = getChecker(result)
    return Proxy(getObject(result), _actor_checker(checker)) if type(checker) is Checker else result


@lru_cache(maxsize=4096)
def _actor_checker(checker: Any) -> ActorChecker:
    # The dictionaries are shared, so that what ZCML adds to a class later counts here as well.
    return ActorChecker(checker.get_permissions, checker.set_permissions)

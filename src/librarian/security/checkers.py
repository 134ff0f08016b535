"""Checkers that ask this package's policy, and that guard the members of a mapping's views.

zope.security's own asks the interaction of the thread, which may be one of the policy that an application
around the library has set, and that may permit everything.  Where a thread has no interaction it dies of an
AttributeError, which hasattr() and getattr() with a default take for an absent attribute.  It also takes
what dict.values() and dict.items() return for harmless, and lets the objects in it out unguarded.
"""

from collections.abc import ItemsView, ValuesView
from functools import lru_cache
from typing import Any

from zope.security.checker import (
    Checker,
    CheckerPublic,
    ProxyFactory,
    _checkers,
    defineChecker,
    undefineChecker,
)
from zope.security.interfaces import Unauthorized
from zope.security.proxy import Proxy, getChecker, getObject

from librarian.security.interaction import current_interaction
from librarian.security.interfaces import NoActingPrincipal

# What a mapping's values() and items() return; a persistent mapping's are those of collections.abc.
_VIEWS = frozenset((type({}.values()), type({}.items()), ValuesView, ItemsView))


class ActorChecker(Checker):
    """A checker that does these three; so do the checkers of its results, and of theirs."""

    # A proxy in C spells check() and check_getattr() as x[object] = name, and proxy() as x[value],
    # because slots are faster than methods.

    def __setitem__(self, thing: Any, name: str) -> None:
        if not _is_permitted(self.get_permissions, thing, name):
            super().__setitem__(thing, name)

    def check(self, thing: Any, name: str) -> None:
        self[thing] = name

    def check_getattr(self, thing: Any, name: str) -> None:
        self[thing] = name

    def check_setattr(self, thing: Any, name: str) -> None:
        if not _is_permitted(self.set_permissions, thing, name):
            super().check_setattr(thing, name)

    def __getitem__(self, value: Any) -> Any:
        # A list of the members is guarded member by member; so are the pairs in it.
        members = list(value) if type(value) in _VIEWS else value
        return _guarded_alike(super().__getitem__(members))

    def proxy(self, value: Any) -> Any:
        return self[value]


def _is_permitted(permissions: Any, thing: Any, name: str) -> bool:
    """Whether the acting principals have the permission that `name` needs; False where it needs none.

    What needs none is public, harmless, or forbidden to all.  Raises Unauthorized where they have it not,
    NoActingPrincipal where no principal acts.
    """
    permission = permissions.get(name, CheckerPublic)
    if permission is CheckerPublic:
        return False
    interaction = current_interaction()
    if interaction is None:
        raise NoActingPrincipal(name)
    if not interaction.checkPermission(permission, thing):
        raise Unauthorized(thing, name, permission)
    return True


def guarded(thing: Any) -> Any:
    """`thing` in a security proxy with the checker of its class, as all of its results will be."""
    return _guarded_alike(ProxyFactory(thing))


def guard_classes(package: str) -> None:
    """Let the classes of `package` that have a checker have one of this module, for whoever proxies them."""
    for kind, checker in list(_checkers.items()):
        if type(checker) is Checker and f"{kind.__module__}.".startswith(f"{package}."):
            undefineChecker(kind)
            defineChecker(kind, _actor_checker(checker))


def _guarded_alike(result: Any) -> Any:
    if type(result) is not Proxy:
        return result
    checker = getChecker(result)
    return Proxy(getObject(result), _actor_checker(checker)) if type(checker) is Checker else result


@lru_cache(maxsize=4096)
def _actor_checker(checker: Any) -> ActorChecker:
    # The dictionaries are shared, so that what ZCML adds to a class later counts here as well.
    return ActorChecker(checker.get_permissions, checker.set_permissions)

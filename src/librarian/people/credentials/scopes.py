"""The scopes that tokens can have."""

import re
from collections.abc import Iterable, Iterator

from zope.component import queryUtility
from zope.interface import implementer

from librarian.people.credentials.interfaces import IScope, NoSuchScope
from librarian.people.credentials.person_principal import GrantedScope

_PARAMETER = re.compile(r"[\x21-\x7e]{1,200}")


@implementer(IScope)
class Scope:
    """The scope that a ``<tokenscope>`` declares."""

    def __init__(self, name: str, title: str, permissions: Iterable[str], parameter: str) -> None:
        self.name = name
        self.title = title
        self.permissions = frozenset(permissions)
        self.parameter = parameter


def granted_scope(text: str) -> GrantedScope:
    """Read ``upload``, ``tracker:read`` or ``tracker:read:contest/1``.  Raises NoSuchScope."""
    for name, parameter in _readings(text):
        scope = queryUtility(IScope, name)
        if scope is not None and (not parameter or (scope.parameter and _PARAMETER.fullmatch(parameter))):
            return GrantedScope(name, parameter, scope.permissions)
    raise NoSuchScope(text)


def _readings(text: str) -> Iterator[tuple[str, str]]:
    yield text, ""
    for colon in range(len(text) - 1, 0, -1):
        if text[colon] == ":":
            yield text[:colon], text[colon + 1 :]


def still_granted(texts: Iterable[str]) -> list[GrantedScope]:
    """The scopes of a token; those that nothing declares any more give nothing."""
    found = []
    for text in texts:
        try:
            found.append(granted_scope(text))
        except NoSuchScope:
            continue
    return found

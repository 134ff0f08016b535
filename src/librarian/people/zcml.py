"""``<celebrity>`` and ``<tokenscope>``."""

from collections.abc import Iterable
from typing import Any

from zope.component.zcml import handler
from zope.configuration.fields import Bool, Tokens
from zope.interface import Interface
from zope.schema import TextLine
from zope.security.zcml import Permission

from librarian.people.credentials.interfaces import IScope
from librarian.people.credentials.scopes import Scope
from librarian.people.interfaces import ICelebrity
from librarian.people.service import Celebrity


class ICelebrityDirective(Interface):
    """A team that code refers to."""

    name = TextLine(title="The name of the team", required=True)
    title = TextLine(title="The display name that it is made with", required=True)


def celebrity(_context: Any, name: str, title: str) -> None:
    _context.action(
        discriminator=("celebrity", name),
        callable=handler,
        args=("registerUtility", Celebrity(name, title), ICelebrity, name, _context.info),
    )


class ITokenScope(Interface):
    """How far an API token may reach."""

    name = TextLine(title="As in ``upload`` or ``tracker:read``", required=True)
    title = TextLine(title="What a token with it may do", required=True)
    permissions = Tokens(title="What it may be used for", value_type=Permission(), required=False)
    everything = Bool(title="Whether it may be used for all that its owner may do", required=False)
    parameter = TextLine(title="What it can be narrowed to, as in ``prefix``", required=False)


def tokenscope(
    _context: Any,
    name: str,
    title: str,
    permissions: Iterable[str] = (),
    everything: bool = False,
    parameter: str = "",
) -> None:
    reach = {"*"} if everything else set(permissions)
    _context.action(
        discriminator=("tokenscope", name),
        callable=handler,
        args=("registerUtility", Scope(name, title, reach, parameter), IScope, name, _context.info),
    )

"""``<celebrity>`` and ``<tokenscope>``."""

from collections.abc import Iterable
from typing import Any

from zope.component.zcml import handler

from librarian.people.credentials.interfaces import IScope
from librarian.people.credentials.scopes import Scope
from librarian.people.interfaces import ICelebrity
from librarian.people.service import Celebrity


def celebrity(_context: Any, name: str, title: str) -> None:
    """Register an ICelebrity; the team itself is made with the database or at the next start."""
    _context.action(
        discriminator=("celebrity", name),
        callable=handler,
        args=("registerUtility", Celebrity(name, title), ICelebrity, name, _context.info),
    )


def tokenscope(
    _context: Any,
    name: str,
    title: str,
    permissions: Iterable[str] = (),
    everything: bool = False,
    parameter: str = "",
) -> None:
    """Register an IScope."""
    reach = {"*"} if everything else set(permissions)
    _context.action(
        discriminator=("tokenscope", name),
        callable=handler,
        args=("registerUtility", Scope(name, title, reach, parameter), IScope, name, _context.info),
    )

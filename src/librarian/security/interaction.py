"""The principal that acts in a thread.

zope.security keeps one interaction per thread and refuses a second.  Here they nest, so that a
request that acts for a person can do one step as a script and go on as the person.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from zope.interface import implementer
from zope.security.interfaces import IParticipation
from zope.security.management import endInteraction, newInteraction, queryInteraction, thread_local

from librarian.security.interfaces import IPrincipal
from librarian.security.principals import ANONYMOUS


@implementer(IParticipation)
class Participation:
    """A principal's part in an interaction."""

    def __init__(self, principal: IPrincipal) -> None:
        self.principal = principal
        self.interaction: Any = None


@contextmanager
def acting_as(principal: IPrincipal) -> Iterator[IPrincipal]:
    """Everything this thread does inside the `with` is checked against `principal`.

    It nests; on leaving, the principal that acted before acts again.  It does not reach into threads that are
    started inside it, nor into a generator that is consumed after it was left.
    """
    before = queryInteraction()
    if before is not None:
        endInteraction()
    try:
        newInteraction(Participation(principal))
        yield principal
    finally:
        endInteraction()
        if before is not None:
            # restoreInteraction() goes back one step only, and only from the outermost level.
            thread_local.interaction = before


def current_principal() -> IPrincipal:
    """The principal that acts in this thread; ANONYMOUS without an interaction."""
    interaction = queryInteraction()
    if interaction is None or not interaction.participations:
        return ANONYMOUS
    principal: IPrincipal = interaction.participations[0].principal
    return principal

"""The principal that acts in a thread.

zope.security keeps one interaction per thread and refuses a second.  Here they nest, so that a
request that acts for a person can do one step as a script and go on as the person.

Interactions of this module are of this package's policy, whatever policy an application around the
library has set for itself.  In an interaction of that application its principals count as what an adapter
to IPrincipal makes of them; without such an adapter they are anonymous here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from zope.interface import implementer
from zope.security.interfaces import IParticipation
from zope.security.management import queryInteraction, thread_local

from librarian.security.interfaces import IPrincipal, NoActingPrincipal
from librarian.security.policy import SecurityPolicy
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
    # Not newInteraction(): it makes one of the policy that the process has set.
    thread_local.interaction = SecurityPolicy(Participation(principal))
    try:
        yield principal
    finally:
        thread_local.interaction = before


def current_interaction() -> SecurityPolicy | None:
    """The interaction of this thread under this package's policy; None where nothing acts.

    Raises nothing; an application's interaction is translated anew for each call.
    """
    found = queryInteraction()
    if found is None or isinstance(found, SecurityPolicy):
        return found
    principals = (IPrincipal(one.principal, ANONYMOUS) for one in found.participations)
    return SecurityPolicy(*map(Participation, principals))


def current_principal() -> IPrincipal:
    """The principal that acts in this thread; ANONYMOUS without an interaction."""
    interaction = current_interaction()
    if interaction is None or not interaction.participations:
        return ANONYMOUS
    principal: IPrincipal = interaction.participations[0].principal
    return principal


def is_permitted(permission: str, thing: Any) -> bool:
    """Whether the principals that act in this thread have `permission` on `thing`.

    Raises NoActingPrincipal where none acts.
    """
    interaction = current_interaction()
    if interaction is None:
        raise NoActingPrincipal(permission)
    return interaction.checkPermission(permission, thing)

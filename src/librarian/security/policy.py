"""The one security policy, for requests, components and scripts."""

from typing import Any

import transaction
from zope.component import queryAdapter
from zope.interface import implementer, provider
from zope.security.checker import CheckerPublic
from zope.security.interfaces import (
    PUBLIC_PERMISSION_NAME,
    IInteraction,
    IParticipation,
    ISecurityPolicy,
)
from zope.security.management import queryInteraction
from zope.security.proxy import removeSecurityProxy

from librarian.security.interfaces import IAuthorization, IPrincipal

ADMINS = "admins"  # the team whose members have every permission that a person can have
REMEMBERED = 1000  # decisions one interaction keeps at most


def is_admin(principal: IPrincipal) -> bool:
    """Whether a member of the team ``admins`` acts."""
    return principal.in_team_named(ADMINS)


def is_allowed(principal: IPrincipal, permission: str, thing: Any) -> bool:
    """Whether `principal` has `permission` on `thing`, which is not proxied."""
    granted = principal.grants(permission)
    if granted is not None:
        return granted
    authorization = queryAdapter(thing, IAuthorization, permission)
    known = principal.reaches(permission)
    if authorization is None:
        return known and is_admin(principal)
    if known:
        return authorization.checkAuthenticated(principal)
    return authorization.checkUnauthenticated()


@provider(ISecurityPolicy)
@implementer(IInteraction)
class SecurityPolicy:
    """An interaction of this policy; every participant must have the permission.

    A positive decision is kept for the object until the transaction ends or a membership changes, so
    that what was permitted at the beginning of a transaction can be finished.  A negative one is not kept.
    """

    def __init__(self, *participations: IParticipation) -> None:
        self.participations: list[Any] = []
        # (id of the object, permission) -> the object, kept so that its id stays its own
        self._yes: dict[tuple[int, str], Any] = {}
        self._transaction: Any = None
        for participation in participations:
            self.add(participation)

    def add(self, participation: Any) -> None:
        if participation.interaction is not None:
            raise ValueError(f"{participation!r} already belongs to an interaction")
        participation.interaction = self
        self.participations.append(participation)
        self.forget()

    def remove(self, participation: Any) -> None:
        if participation.interaction is not self:
            raise ValueError(f"{participation!r} does not belong to this interaction")
        self.participations.remove(participation)
        participation.interaction = None
        self.forget()

    def forget(self) -> None:
        """Ask again for everything."""
        self._yes = {}

    def checkPermission(self, permission: Any, object: Any) -> bool:  # noqa: A002  # IInteraction's name
        if permission is CheckerPublic or permission == PUBLIC_PERMISSION_NAME:
            return True
        thing = removeSecurityProxy(object)
        self._forget_what_is_old()
        key = (id(thing), permission)
        if key in self._yes:
            return True
        allowed = bool(self.participations) and all(
            is_allowed(participation.principal, permission, thing) for participation in self.participations
        )
        if allowed:
            self._yes[key] = thing
        return allowed

    def _forget_what_is_old(self) -> None:
        now = transaction.get()
        if self._transaction is not now or len(self._yes) >= REMEMBERED:
            self._transaction = now
            self.forget()


def forget_decisions() -> None:
    """Drop what this thread's interaction remembers; for a changed membership."""
    interaction = queryInteraction()
    if isinstance(interaction, SecurityPolicy):
        interaction.forget()

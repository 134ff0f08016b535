"""Permissions of a webhook: its owner's and administrators'; and whether its owner may still be told."""

from typing import Any

from zope.component import adapter, queryUtility
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.events.interfaces import IWebhook
from librarian.people.credentials.person_principal import PersonPrincipal
from librarian.people.interfaces import IPersonSet
from librarian.security.authorization import AdminsOnly
from librarian.security.interfaces import IAuthorization, IPrincipal
from librarian.security.policy import is_admin


@implementer(IAuthorization)
@adapter(IWebhook)
class OwnWebhook(AdminsOnly):
    """librarian.events.Hook: the owner and administrators."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        return self.thing.owner == principal.id or super().checkAuthenticated(principal)


def may_be_told(webhook: Any) -> bool:
    """Whether the owner of a webhook may have what it asks for, as of now.

    A disabled person is told nothing, and of everything only an administrator.  Scripts are no persons.
    """
    kind, _colon, name = webhook.owner.partition(":")
    people = queryUtility(IPersonSet)
    if kind != "person" or people is None:
        return True
    person = removeSecurityProxy(people).getByName(name)
    if person is None or not person.active:
        return False
    return not webhook.everything or is_admin(PersonPrincipal(person))

"""Who sends a request, as the application around the library says."""

from pyramid.request import Request
from zope.component import getUtility
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.embedded.interfaces import IHostUser
from librarian.people.credentials.person_principal import PersonPrincipal
from librarian.people.identity import Identification
from librarian.people.interfaces import IPersonSet
from librarian.security.interaction import acting_as, current_principal
from librarian.security.interfaces import IPrincipal
from librarian.security.principals import ANONYMOUS, SYSTEM
from librarian.web.interfaces import IIdentification
from librarian.web.requests.mounting import local_path

HOST_USER = "librarian.host_user"  # in the WSGI environ: the name of the person, or None


@implementer(IHostUser)
class AuthenticatedUser:
    """The user whom the host's security policy has authenticated."""

    def __init__(self, request: Request) -> None:
        self.name = request.authenticated_userid


def host_user(request: Request) -> str | None:
    """The name of the person who sends a host's request; None for a stranger."""
    user = request.registry.queryAdapter(request, IHostUser) or AuthenticatedUser(request)
    return user.name


def principal_named(name: str | None) -> IPrincipal:
    """The principal of the active person called `name`, else ANONYMOUS.  The tree must be open."""
    if name is None:
        return ANONYMOUS
    with acting_as(SYSTEM):
        person = removeSecurityProxy(getUtility(IPersonSet)).getByName(name)
    return PersonPrincipal(person) if person is not None and person.active else ANONYMOUS


@implementer(IIdentification)
class HostIdentification:
    """The host's users; programs may still send the API tokens and passwords of the library."""

    own_login = False

    def __init__(self) -> None:
        self._own = Identification()

    def principal(self, request: Request, *, sessions: bool = False) -> IPrincipal:
        if request.headers.get("Authorization") is not None:
            return self._own.principal(request)
        return principal_named(request.environ.get(HOST_USER)) if sessions else ANONYMOUS

    def account_links(self, request: Request) -> list[tuple[str, str]]:
        principal = current_principal()
        if principal.person is None:
            return []
        return [(principal.title, local_path(f"/people/{principal.person.name}"))]

    def session_secret(self, request: Request) -> str | None:
        return None

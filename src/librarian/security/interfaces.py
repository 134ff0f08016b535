"""Security: the acting principal, permissions on objects, and the errors of both.

Each thread that does something has an *interaction*, in which one *principal* acts: the sender of a
request, or with `acting_as` any other.  A principal is the anonymous one, a person, a script that ZCML
declares (``<systemprincipal>``), or the program itself (``system``), which has every permission.

A *permission* is a name such as ``librarian.Edit``.  ZCML says for each attribute of a class or utility
which permission it needs; an attribute that ZCML does not name cannot be used at all.  Utilities that
hold data are registered by ``<securedutility>``, which wraps them in a security proxy, and the results of
a proxied object are proxied in their turn.

A typical decision: a view calls ``getUtility(ILibraryFileAliasSet)[id].filename``.  The proxy around the
alias finds that ``filename`` needs ``librarian.View`` and asks the *policy* whether the acting principal
has it on this alias.  The policy first asks the principal: a script knows at once (`grants`), and an API
token is limited to the permissions of its scopes (`reaches`).  For a person it then looks up the
*authorization* of the object, an adapter to IAuthorization that is named by the permission, and asks it
about the principal.  An object without one leaves the permission to members of the team ``admins``.  A
refusal is zope.security's Unauthorized, over HTTP a 401 or 403; a thread without an interaction gets
NoActingPrincipal.

What cannot be undone is recorded in the audit log (`audit`): the event, the principal, the address it
came from, at the time at which the transaction has committed.

The package knows no system above it.  A principal answers by name whether it is in a team
(`in_team_named`), so that an authorization needs nothing but a name.
"""

from typing import Any

from zope.interface import Attribute, Interface
from zope.security.interfaces import NoInteraction

from librarian.interfaces import LibrarianError

# ruff: noqa: N805  # zope.interface methods are written without self


class NoActingPrincipal(LibrarianError, NoInteraction):
    """A protected attribute was used in a thread in which no principal acts."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no principal acts in this thread, so {name!r} cannot be checked; use acting_as()")
        self.name = name


class CredentialsRefused(LibrarianError):
    """The credentials that came with a request identify no principal; base of the errors that say why."""


class NoSuchPrincipal(LibrarianError, LookupError):
    """No ``<systemprincipal>`` declares this id."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no system principal is called {name!r}")
        self.name = name


class IPrincipal(Interface):
    """An actor: the anonymous one, a person, a script, or the program itself."""

    id: str = Attribute("Unique: ``anonymous``, ``system``, ``system:<name>`` or ``person:<name>``.")
    title: str = Attribute("What a page shows.")
    description: str = Attribute("A sentence about it.")
    authenticated: bool = Attribute("False for the anonymous principal alone.")
    person: Any = Attribute("The IPerson behind it, unproxied, or None.")

    def grants(permission: str) -> bool | None:
        """What is decided before any object is looked at: True and False are final,
        None leaves the decision to the object's IAuthorization."""

    def reaches(permission: str) -> bool:
        """Whether the credential may be used for `permission` at all.

        Where it may not, its bearer has what the anonymous principal has."""

    def inTeam(team: Any) -> bool:
        """Whether a person acts who belongs to the ITeam `team`, directly or through other teams."""

    def in_team_named(name: str) -> bool:
        """Whether a person acts who belongs to the team called `name`, directly or through other teams."""

    def has_scope(scope: str) -> bool:
        """Whether the credential used reaches as far as `scope`; a password reaches everywhere."""


class IAuthorization(Interface):
    """Decides about one permission on one object.

    Registered as an adapter of the (unproxied) object, named by the permission.  Where there is
    none, only members of the team ``admins`` have the permission.
    """

    def checkAuthenticated(principal: IPrincipal) -> bool:
        """Whether `principal`, which is authenticated, has the permission."""

    def checkUnauthenticated() -> bool:
        """Whether every principal has it, authenticated or not."""

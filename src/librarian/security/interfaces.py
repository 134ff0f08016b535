"""Who acts, what they may do, and how either is refused."""

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

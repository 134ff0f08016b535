"""How somebody proves who they are: passwords, API tokens and sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from zope.interface import Attribute, Interface

from librarian.interfaces import LibrarianError
from librarian.people.interfaces import IPerson
from librarian.security.interfaces import CredentialsRefused, IPrincipal

# ruff: noqa: N805  # zope.interface methods are written without self


class WrongCredentials(CredentialsRefused, ValueError):
    """Nobody has these; it is not said whether the name or the secret is wrong."""

    def __init__(self) -> None:
        super().__init__("wrong name or password, or a token that is not valid")


class TooManyFailures(CredentialsRefused, RuntimeError):
    """So many log-ins have failed here that nothing is checked for a while."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many failed log-ins; try again in {retry_after} s")
        self.retry_after = retry_after  # seconds


class WeakPassword(LibrarianError, ValueError):
    """A password that is too easily guessed."""

    def __init__(self, why: str) -> None:
        super().__init__(f"choose another password: {why}")
        self.why = why


class NoSuchScope(LibrarianError, ValueError):
    """Nothing declares this scope."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"there is no scope {scope!r}")
        self.scope = scope


class BadToken(LibrarianError, ValueError):
    """A token cannot be made so: without a title or scope, or for too long."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class NoSuchToken(LibrarianError, LookupError):
    """The person has no token with this id."""

    def __init__(self, token_id: str) -> None:
        super().__init__(f"there is no token {token_id!r}")
        self.token_id = token_id


class IScope(Interface):
    """How far a token may reach; a utility named by the scope, from ``<tokenscope>``."""

    name: str = Attribute("As in ``upload`` or ``tracker:read``.")
    title: str = Attribute("What a token with it may do.")
    permissions: frozenset[str] = Attribute("The permissions it may be used for; ``*`` is all.")
    parameter: str = Attribute("What ``<name>:<...>`` narrows it to, as in ``prefix``; empty: nothing.")


class IApiToken(Interface):
    """A secret for programs, of which only the hash is kept."""

    id: str = Attribute("Names the token, and is no secret.")
    title: str = Attribute("What its owner calls it.")
    scopes: Sequence[str] = Attribute("How far it reaches, at most as far as its owner.")
    date_created: datetime = Attribute("Aware, in UTC.")
    expires: datetime = Attribute("From then on it is worth nothing.")
    revoked: datetime | None = Attribute("Since when it is worth nothing, if it was taken back.")
    last_used: date | None = Attribute("The last day (UTC) it was used on.")


class ISession(Interface):
    """A browser that somebody has logged in with."""

    id: str = Attribute("Names the session, and is no secret.")
    date_created: datetime = Attribute("Aware, in UTC.")
    expires: datetime = Attribute("From then on it is worth nothing.")
    address: str = Attribute("The IP address it was begun from.")


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token at the one moment at which its secret is known."""

    id: str
    secret: str


class ICredentials(Interface):
    """What one person can prove themselves with."""

    person: IPerson = Attribute("Whose they are.")
    has_password: bool = Attribute("Whether they can log in with a password.")

    def setPassword(password: str) -> None:
        """Replace the password, and end all sessions; tokens stay.  Raises WeakPassword."""

    def removePassword() -> None:
        """No log-in with a password any more, as for a robot; sessions end."""

    def tokens() -> Sequence[IApiToken]:
        """All that are not forgotten yet, newest first; the dead stay visible for 30 days."""

    def newToken(title: str, scopes: Sequence[str], lifetime: timedelta | None = None) -> NewToken:
        """Make a token; its secret is told here and never again.

        Raises NoSuchScope, and BadToken for a `lifetime` beyond the configured maximum."""

    def revokeToken(token_id: str) -> None:
        """Make it worth nothing, at once and for good.  Raises NoSuchToken."""

    def sessions() -> Sequence[ISession]:
        """The live ones, newest first."""

    def endSessions() -> None:
        """Log out everywhere."""


class ICredentialSet(Interface):
    """Everybody's credentials: a secured utility."""

    def of(person: Any) -> ICredentials:
        """Those of an IPerson."""


class IAuthenticator(Interface):
    """Tells who somebody is.  Not secured: it is asked before anybody acts.

    The tree must be open.  Whatever is wrong (no such person, a wrong secret, somebody disabled)
    is the same WrongCredentials, after the same amount of work.
    """

    def by_password(name: str, password: str, address: str) -> IPrincipal:
        """Who has this name, or e-mail address, and password.

        `address` is the IP address it comes from; failures are counted by it and by name.
        Raises WrongCredentials and TooManyFailures."""

    def by_token(secret: str) -> IPrincipal:
        """Who has this API token; the principal reaches as far as its scopes.
        Raises WrongCredentials."""

    def by_session(secret: str) -> IPrincipal:
        """Who logged in and got `secret`.  Raises WrongCredentials."""

    def begin_session(principal: IPrincipal, address: str) -> str:
        """The secret of a new session for a person who has just given a password."""

    def end_session(secret: str) -> None:
        """Log out.  A session that is not there has ended already."""

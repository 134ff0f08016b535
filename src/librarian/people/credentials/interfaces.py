"""Credentials: passwords, API tokens and sessions, by which a person is identified.

A person can have one password, up to 100 API tokens, and up to 50 sessions.  Of none of them is the secret
stored: of a password there is an argon2id hash, of a token or session the SHA-256 of its 256 random bits.

A *password* is for people: it is typed into the log-in form, or sent by a program as Basic (RFC 7617) with
the name or the e-mail address.  An *API token* is for programs: it is sent as Bearer (RFC 6750), expires,
and has *scopes*.  A scope is declared by a system in ZCML (``<tokenscope>``) and stands for permissions; a
token is good for the permissions of its scopes that its owner has at the time of use.  A *session* belongs
to a browser: log-in begins it, its secret is the value of a cookie, and log-out, a new password or the
disabling of the person ends it on the server.

All three go through one utility, IAuthenticator, which gives an IPrincipal or raises an error that does
not tell whether the name or the secret was wrong.  Failed passwords are counted by name, by address and
by both; beyond a few, further tries have to wait, which is TooManyFailures.

ICredentialSet gives what a person, and a member of ``admins``, can do with the credentials of that person.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from zope.interface import Attribute, Interface

from librarian.interfaces import LibrarianError
from librarian.people.interfaces import IPerson
from librarian.security.interfaces import CredentialsRefused, IPrincipal

# ruff: noqa: N805  # zope.interface methods are written without self


class WrongCredentials(CredentialsRefused, ValueError):
    """No active person has these; the message does not say whether the name or the secret is wrong."""

    def __init__(self) -> None:
        super().__init__("wrong name or password, or a token that is not valid")


class TooManyFailures(CredentialsRefused, RuntimeError):
    """Too many log-ins have failed for this name or address; nothing is checked for `retry_after` seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many failed log-ins; try again in {retry_after} s")
        self.retry_after = retry_after  # seconds


class NotTheCurrentPassword(LibrarianError, ValueError):
    """A person who would change the own password has stated another than the current one."""

    def __init__(self) -> None:
        super().__init__("This is not your current password.")


class WeakPassword(LibrarianError, ValueError):
    """A password that is too easily guessed."""

    def __init__(self, why: str) -> None:
        super().__init__(f"choose another password: {why}")
        self.why = why


class NoSuchScope(LibrarianError, ValueError):
    """No ``<tokenscope>`` declares this scope."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"there is no scope {scope!r}")
        self.scope = scope


class BadToken(LibrarianError, ValueError):
    """A token cannot be made: it has no title or scope, lives too long, or is one too many."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class NoSuchToken(LibrarianError, LookupError):
    """The person has no token with this id."""

    def __init__(self, token_id: str) -> None:
        super().__init__(f"there is no token {token_id!r}")
        self.token_id = token_id


class IScope(Interface):
    """The scope of a token; a utility named by the scope, from ``<tokenscope>``."""

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
    expires: datetime = Attribute("Aware, in UTC; it is not valid from then on.")
    revoked: datetime | None = Attribute("When it was revoked; None otherwise.")
    last_used: date | None = Attribute("The last day (UTC) it was used on.")


class ISession(Interface):
    """A log-in by a browser."""

    id: str = Attribute("Names the session, and is no secret.")
    date_created: datetime = Attribute("Aware, in UTC.")
    expires: datetime = Attribute("Aware, in UTC; it is not valid from then on.")
    address: str = Attribute("The IP address it was begun from.")


@dataclass(frozen=True, slots=True)
class NewToken:
    """A new token with its secret, which is not stored."""

    id: str
    secret: str


FailureKey = tuple[str, ...]  # a kind, and what is counted of it: ("name", "rita")


@dataclass(frozen=True, slots=True)
class FailureCount:
    """Failed log-ins for one key."""

    number: int
    last: datetime  # when the latest failed; aware, in UTC


#: The counts of keys, None where there was no failure.
Counts = Mapping[FailureKey, FailureCount | None]
FailureCheck = Callable[[Counts], None]


def NO_CHECK(counts: Counts) -> None:  # a constant
    """A FailureCheck that refuses nothing."""


class IFailureCounts(Interface):
    """Keeps counts of failed log-ins; an hour after the last failure a count begins again at 1."""

    def get(key: FailureKey) -> FailureCount | None:
        """The count for `key`; None if there was no failure."""

    def add(keys: Sequence[FailureKey], now: datetime, check: FailureCheck = NO_CHECK) -> Counts:
        """Count one failure for each of `keys`, all at once; gives their counts before (forgiven: None).

        `check` is called with these first.  No other thread or process counts meanwhile, and what it raises
        is raised here, with nothing counted.
        """

    def take_back(before: Counts, now: datetime, forgotten: FailureKey) -> None:
        """Undo an add() at `now` that gave `before`, and drop the count for the key `forgotten`, one of them;
        what others added to the rest since stays."""

    def __len__() -> int:
        """The number of counts, which is bounded."""


class ICredentials(Interface):
    """The credentials of one person."""

    person: IPerson = Attribute("Whose they are.")
    has_password: bool = Attribute("Whether they can log in with a password.")

    def setPassword(password: str) -> None:
        """Replace the password, and end all sessions; tokens stay.  Raises WeakPassword."""

    def removePassword() -> None:
        """Allow no more log-ins with a password, as for a robot; sessions end."""

    def tokens() -> Sequence[IApiToken]:
        """All, newest first; expired and revoked ones stay in the list for 30 days."""

    def newToken(title: str, scopes: Sequence[str], lifetime: timedelta | None = None) -> NewToken:
        """Make a token; the result is the only place of its secret.

        Raises NoSuchScope, and BadToken for a `lifetime` beyond the configured maximum."""

    def revokeToken(token_id: str) -> None:
        """End the validity of a token, at once and for good.  Raises NoSuchToken."""

    def sessions() -> Sequence[ISession]:
        """The live ones, newest first."""

    def endSessions() -> None:
        """Log out everywhere."""


class ICredentialSet(Interface):
    """The credentials of all persons: a secured utility."""

    def of(person: Any) -> ICredentials:
        """Those of an IPerson."""


class IAuthenticator(Interface):
    """Identifies the principal that credentials belong to.  Not secured: it is asked before any acts.

    The tree must be open.  An unknown name, a wrong secret and a disabled person are the same
    WrongCredentials, after the same amount of work.
    """

    def by_password(name: str, password: str, address: str) -> IPrincipal:
        """The principal of the person with this name, or e-mail address, and password.

        `address` is the IP address it comes from; failures are counted by it and by name.
        Raises WrongCredentials and TooManyFailures."""

    def by_token(secret: str) -> IPrincipal:
        """The principal of the owner of this API token, limited to its scopes.
        Raises WrongCredentials."""

    def by_session(secret: str) -> IPrincipal:
        """The principal that began the session with this secret.  Raises WrongCredentials."""

    def begin_session(principal: IPrincipal, address: str) -> str:
        """Begin a session of a person who has just given a password; returns its secret."""

    def end_session(secret: str) -> None:
        """End the session with this secret; without effect if there is none."""

"""Time-limited tokens: a secret in a URL that lets its bearer download one restricted file.

ITimeLimitedTokenSet.allocate() makes a token for a URL and ILibraryFileAlias.getURL(include_token=True) makes
one and the URL at once.  A token opens one path, for its lifetime and, if that is asked, for a number of
downloads.  Only its SHA-256 is stored, so the database discloses no token; lists show an id made of that,
which is also what revoke() takes.  Tokens are committed in independent transactions: a URL works as soon as
it is given out, even if the transaction in which it was asked for aborts.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from zope.interface import Attribute, Interface

from librarian.interfaces import LibrarianError

# ruff: noqa: N805  # interface methods have no self


class InvalidLifetime(LibrarianError, ValueError):
    """The lifetime is not more than nothing, or exceeds the setting ``librarian.token_lifetime_max``."""

    def __init__(self, lifetime: timedelta, longest: timedelta) -> None:
        allowed, asked = (str(duration).removesuffix(", 0:00:00") for duration in (longest, lifetime))
        super().__init__(f"the lifetime of a token must be more than 0 and at most {allowed}, not {asked}")
        self.lifetime = lifetime
        self.longest = longest


class InvalidUses(LibrarianError, ValueError):
    """A number of uses below one."""

    def __init__(self, max_uses: int) -> None:
        super().__init__(f"a token is good for at least one use, not {max_uses}")
        self.max_uses = max_uses


class NoSuchToken(LibrarianError, LookupError):
    """No token has this id: it was revoked, purged, or never made."""

    def __init__(self, token_id: str) -> None:
        super().__init__(f"no token has the id {token_id}")
        self.token_id = token_id


class ITimeLimitedToken(Interface):
    """The stored facts of a token; the token itself is not stored."""

    id = Attribute("16 hex digits, the beginning of its SHA-256, by which lists name it.")
    path = Attribute("The path it opens, canonically quoted.")
    alias_id = Attribute("The id in that path.")
    created = Attribute("When it was allocated, aware, in UTC.")
    expires = Attribute("When it stops working, aware, in UTC; at that moment it opens nothing.")
    max_uses = Attribute("How many downloads it allows; None: any number.")
    uses = Attribute("How many downloads were counted.  Without max_uses, at most one a minute is.")
    asked_by = Attribute("The id of the principal who asked for it.")
    last_used = Attribute("When it was last used, to the minute; None: never.")


class ITimeLimitedTokenSet(Interface):
    """All tokens that are not purged yet."""

    def allocate(url: str, lifetime: timedelta | None = None, max_uses: int | None = None) -> str:
        """A new token, 32 characters, for the file at `url`; committed when this returns.

        `lifetime` is the setting token_lifetime unless given, token_lifetime_max at most.
        Raises InvalidLifetime, InvalidUses.
        """

    def __iter__() -> Iterator[Any]:
        """Every ITimeLimitedToken."""

    def of_alias(alias_id: int) -> list[Any]:
        """The tokens of one file, oldest first."""

    def revoke(token_id: str) -> None:
        """Revoke one token, when the caller's transaction commits.  Raises NoSuchToken."""

    def revoke_all(alias_id: int | None = None) -> int:
        """Revoke all tokens, or all of one file; returns their number."""

    def purge(limit: int = 1000) -> int:
        """Remove up to `limit` expired tokens, the oldest first; returns their number."""

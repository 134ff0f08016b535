"""Making, checking, counting and revoking time-limited tokens; see tokens.interfaces."""

import hashlib
import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ZODB.POSException import POSError
from zope.component import getUtility
from zope.event import notify
from zope.interface import implementer

from librarian.interfaces import IClock, ISettings, LibrarianError
from librarian.library.events.files import LinkUsed
from librarian.library.model.client_downloads import Piece
from librarian.library.model.subtree import LibrarySubtree
from librarian.library.model.tokens import TimeLimitedToken
from librarian.library.settings import LibrarySettings
from librarian.library.tokens.active_answers import ActiveAnswers, Bearer, SharedActiveAnswers
from librarian.library.tokens.interfaces import (
    InvalidLifetime,
    InvalidUses,
    ITimeLimitedTokenSet,
    NoSuchToken,
)
from librarian.periodic import ProcessSettings
from librarian.security.audit import record_at_commit, record_event
from librarian.security.interaction import current_principal
from librarian.tree.interfaces import ITree

# Digits and consonants, so that no words result.
ALPHABET = "0123456789bcdfghjklmnpqrstvwxzBCDFGHJKLMNPQRSTVWXZ"
LENGTH = 32  # characters of log2(50) bits each: 180 bits

# The resolution of "last used", so that not every download writes to the database.
LAST_USED_STEP = timedelta(minutes=1)
log = logging.getLogger(__name__)


def token_hash(token: str) -> bytes:
    """The key under which a token is stored: its SHA-256."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


@implementer(ITimeLimitedTokenSet)
class TimeLimitedTokenSet:
    """All tokens that have not been purged."""

    def __init__(self) -> None:
        self._tree = getUtility(ITree)
        self._clock = getUtility(IClock)
        self._settings = getUtility(ISettings)
        self._corrections = ThreadPoolExecutor(
            1, "token-corrections"
        )  # one thread, so in order; started when needed
        folder = self._settings.section(ProcessSettings).shared_folder
        self._active = SharedActiveAnswers(Path(folder, "answers")) if folder else ActiveAnswers()

    @property
    def _subtree(self) -> LibrarySubtree:
        subtree: LibrarySubtree = self._tree.subtree("library")
        return subtree

    def allocate(self, url: str, lifetime: timedelta | None = None, max_uses: int | None = None) -> str:
        token = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        facts = {
            "created": self._clock.now(),
            "lifetime": self._checked_lifetime(lifetime),
            "max_uses": _checked_uses(max_uses),
            "asked_by": current_principal().id,
        }
        key, path = token_hash(token), TimeLimitedToken.path_of(url)
        made = TimeLimitedToken(key, path, **facts)
        self._tree.run_together(lambda: self._subtree.add_token(TimeLimitedToken(key, path, **facts)))
        record_event("token made", token=made.id, alias=made.alias_id, expires=made.expires.isoformat())
        return token

    def _checked_lifetime(self, lifetime: timedelta | None) -> timedelta:
        settings = self._settings.section(LibrarySettings)
        if lifetime is None:
            return settings.token_lifetime
        if not timedelta(0) < lifetime <= settings.token_lifetime_max:
            raise InvalidLifetime(lifetime, settings.token_lifetime_max)
        return lifetime

    def admits(self, token: str, path: str, client: str) -> bool:
        """Whether `token` lets `client`, a client_key(), download `path` now.  No use is counted."""
        known = self._subtree.tokens.get(token_hash(token))
        return known is not None and known.path == path and known.alive_for(self._clock.now(), client)

    def use(self, token: str, path: str, client: str, pieces: Sequence[Piece], size: int) -> int | None:
        """Count `pieces` that `client` is about to be sent of a file of `size` bytes.

        Returns the number of the use they belong to, which ended() takes, or None: they may not be sent.
        Of many clients at the same time exactly as many succeed as there are uses.  A client that comes back
        before the end of its broken connection was noticed waits for that, a second at most.
        """
        key, now = token_hash(token), self._clock.now()
        known = self._subtree.tokens.get(key)
        if known is None or known.path != path or not known.alive_for(now, client):
            return None
        if known.max_uses is None and known.last_used and now - known.last_used < LAST_USED_STEP:
            return 0

        def count() -> int | None:
            fresh = self._subtree.tokens.get(key)
            return None if fresh is None else self._use(fresh, now, client, pieces, size)

        first = known.last_used is None
        counted = self._count(count, (key, client))
        if counted is not None and first:
            record_event("token used first", token=known.id, alias=known.alias_id)
        return counted

    def _use(
        self, token: TimeLimitedToken, now: datetime, client: str, pieces: Sequence[Piece], size: int
    ) -> int | None:
        """Count pieces, and announce a use that they begin."""
        before, counted = token.uses, token.use(now, client, pieces, size)
        alias = self._subtree.aliases.get(token.alias_id)
        if token.uses > before and alias is not None:
            notify(LinkUsed(alias, link=token.id, uses=token.uses))
        return counted

    def _count(self, count: Callable[[], int | None], bearer: Bearer) -> int | None:
        """Do `count` in a transaction beside this thread's, again if it gave None and an answer has ended
        since."""
        counted = self._tree.run_together(count)
        if counted is None and self._active.ends_soon(bearer):
            counted = self._tree.run_together(count)
        if counted:
            self._active.begin(bearer)
        return counted

    def ended(self, token: str, client: str, use: int, unsent: Piece | None, in_flight: int) -> None:
        """An answer that use() counted is over: `unsent` of it was not sent and may be asked for again.

        The `in_flight` bytes before that may have been lost on the way.  Returns at once, as the server
        calls it in a thread that must not wait for the database.
        """
        key, now = token_hash(token), self._clock.now()

        def correct() -> None:
            known = self._subtree.tokens.get(key)
            if known is not None and unsent is not None:
                known.take_back(now, client, use, unsent, in_flight)

        if unsent is None:
            self._active.end((key, client))
        else:
            self._corrections.submit(self._correct, correct, (key, client))

    def _correct(self, correction: Callable[[], None], bearer: Bearer) -> None:
        try:
            self._tree.run_independently(correction)
        except (LibrarianError, POSError) as error:  # uncorrected, the client may repeat fewer bytes
            log.warning("token not corrected error=%s", error)
        finally:
            self._active.end(bearer)

    def __iter__(self) -> Iterator[TimeLimitedToken]:
        return iter(self._subtree.tokens.values())

    def of_alias(self, alias_id: int) -> list[TimeLimitedToken]:
        return self._subtree.tokens_of(alias_id)

    def revoke(self, token_id: str) -> None:
        found = self._subtree.tokens_called(token_id)
        if not found:
            raise NoSuchToken(token_id)
        self._subtree.drop_token(found[0])
        record_at_commit("token revoked", token=token_id, alias=found[0].alias_id)

    def revoke_all(self, alias_id: int | None = None) -> int:
        doomed = list(self if alias_id is None else self.of_alias(alias_id))
        for token in doomed:
            self._subtree.drop_token(token)
            record_at_commit("token revoked", token=token.id, alias=token.alias_id)
        return len(doomed)

    def purge(self, limit: int = 1000) -> int:
        doomed = list(self._subtree.expired_tokens(self._clock.now(), limit))
        for token in doomed:
            self._subtree.drop_token(token)
        return len(doomed)


def _checked_uses(max_uses: int | None) -> int | None:
    if max_uses is not None and max_uses < 1:
        raise InvalidUses(max_uses)
    return max_uses


def describe_token(token: Any) -> dict[str, Any]:
    """An ITimeLimitedToken as a JSON object; times as in RFC 3339."""
    return {
        "id": token.id,
        "alias_id": token.alias_id,
        "path": token.path,
        "created": token.created.isoformat(timespec="seconds"),
        "expires": token.expires.isoformat(timespec="seconds"),
        "uses": token.uses,
        "max_uses": token.max_uses,
        "asked_by": token.asked_by,
        "last_used": token.last_used and token.last_used.isoformat(timespec="seconds"),
    }

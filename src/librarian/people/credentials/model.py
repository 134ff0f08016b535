"""Credentials as they are stored: hashes, never the secrets themselves."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from BTrees.IOBTree import IOBTree
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from zope.interface import implementer

from librarian.people.credentials.interfaces import IApiToken, ISession, NoSuchToken

TOKEN_PREFIX = "lbr_"  # noqa: S105  # lets scanners for leaked secrets recognise one
REMEMBERED_WHEN_DEAD = timedelta(days=30)
BUCKETS = 1024  # of failed log-ins
MOST_IN_BUCKET = 20  # counts
MOST_SESSIONS = 50  # of one person; the oldest end first


def new_secret(prefix: str = "") -> str:
    """256 random bits, safe in URLs, headers and cookies."""
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """The SHA-256 of a secret in hex, which is what is stored of it.

    A fast hash is enough for 256 random bits, which cannot be searched; and as tokens and sessions are
    looked up by the hash, the time of a look-up tells nothing about the secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


@implementer(IApiToken)
class ApiToken(Persistent):
    """One API token of one person."""

    revoked: datetime | None = None

    def __init__(
        self,
        subtree: "CredentialsSubtree",
        owner: str,
        title: str,
        scopes: Iterable[str],
        created: datetime,
        expires: datetime,
        sha256: str,
    ) -> None:
        self.__parent__ = subtree
        self.id = secrets.token_hex(6)
        self.owner = owner  # the person's name
        self.title = title
        self.scopes = tuple(scopes)
        self.date_created = created
        self.expires = expires
        self.sha256 = sha256

    def __repr__(self) -> str:
        return f"<ApiToken {self.id} of {self.owner}>"

    @property
    def last_used(self) -> date | None:
        found: date | None = self.__parent__.last_uses.get(self.sha256)
        return found

    def died(self, now: datetime) -> datetime | None:
        """The time when it expired or was revoked; None while it is valid at `now`."""
        if self.revoked is not None:
            return self.revoked
        return self.expires if self.expires <= now else None


@implementer(ISession)
class Session(Persistent):
    """One log-in of one person."""

    def __init__(self, owner: str, created: datetime, expires: datetime, address: str, sha256: str) -> None:
        self.id = secrets.token_hex(6)
        self.owner = owner
        self.date_created = created
        self.expires = expires
        self.address = address
        self.sha256 = sha256

    def __repr__(self) -> str:
        return f"<Session {self.id} of {self.owner}>"


class Account(Persistent):
    """The credentials of one person."""

    password_hash: str | None = None

    def __init__(self, subtree: "CredentialsSubtree", name: str) -> None:
        self.__parent__ = subtree
        self.name = name
        self._tokens = OOBTree()  # id -> ApiToken
        self._sessions = OOBTree()  # id -> Session

    def __repr__(self) -> str:
        return f"<Account {self.name}>"

    def tokens(self) -> list[ApiToken]:
        """All API tokens, also expired and revoked ones, newest first."""
        return _newest_first(self._tokens.values())

    def sessions(self, now: datetime) -> list[Session]:
        """The sessions that have not expired at `now`, newest first."""
        return _newest_first(session for session in self._sessions.values() if now < session.expires)

    def add_token(self, token: ApiToken, now: datetime) -> None:
        """Store a token, and remove those that ended too long ago to be listed."""
        for old in self.tokens():
            died = old.died(now)
            if died is not None and died + REMEMBERED_WHEN_DEAD < now:
                del self._tokens[old.id]
                self.__parent__.forget_token(old.sha256)
        self._tokens[token.id] = token
        self.__parent__.tokens[token.sha256] = token

    def token(self, token_id: str) -> ApiToken:
        """The token with this id.  Raises NoSuchToken."""
        if token_id not in self._tokens:
            raise NoSuchToken(token_id)
        found: ApiToken = self._tokens[token_id]
        return found

    def add_session(self, session: Session, now: datetime) -> None:
        """Store a session; of more than MOST_SESSIONS the oldest are ended."""
        if self._p_jar is not None:
            # Not beside a change of password, which ends all sessions it can see.
            self._p_jar.readCurrent(self)
        keep = self.sessions(now)[: MOST_SESSIONS - 1]
        self._end([old for old in self._sessions.values() if old not in keep])
        self._sessions[session.id] = session
        self.__parent__.sessions[session.sha256] = session

    def end_sessions(self) -> None:
        """End all sessions of the person."""
        self._end(list(self._sessions.values()))

    def end_session(self, session: Session) -> None:
        """End one session."""
        self._end([session])

    def _end(self, sessions: Sequence[Session]) -> None:
        for session in sessions:
            del self._sessions[session.id]
            del self.__parent__.sessions[session.sha256]


def _newest_first(things: Iterable[Any]) -> list[Any]:
    return sorted(things, key=lambda thing: (thing.date_created, thing.id), reverse=True)


class FailureBucket(Persistent):
    """Counts of failed log-ins for keys that have their first bits in common: MOST_IN_BUCKET at most, those
    touched longest ago go first.  Two that count in the same bucket conflict, and one counts again."""

    def __init__(self) -> None:
        self.counts: Mapping[bytes, tuple[int, float]] = {}  # key -> number, time of the latest (POSIX)

    def keep(self, key: bytes, count: tuple[int, float] | None, forgiven: float) -> None:
        """Store or drop the count for `key`, and drop those whose latest failure is not after `forgiven`."""
        others = {other: held for other, held in self.counts.items() if other != key and held[1] > forgiven}
        kept = others if count is None else {**others, key: count}
        newest = sorted(kept, key=lambda each: kept[each][1])[-MOST_IN_BUCKET:]
        self.counts = {each: kept[each] for each in newest}


class CredentialsSubtree(Persistent):
    """The subtree ``credentials``: accounts by person, tokens and sessions by the hash of their secret."""

    failures: Any = None  # IOBTree, made when it is first needed: number of a bucket -> FailureBucket

    def __init__(self) -> None:
        self._accounts = OOBTree()  # name of a person -> Account
        self.tokens = OOBTree()  # sha256 of the secret, hex -> ApiToken
        self.sessions = OOBTree()  # sha256 of the secret, hex -> Session
        # Apart from the tokens, so that using one is never in conflict with revoking it.
        self.last_uses = OOBTree()  # sha256 of a token's secret, hex -> date of its last use
        self.signing_key = secrets.token_bytes(32)

    def forget_token(self, sha256: str) -> None:
        """Remove a token and the date of its last use; `sha256` of its secret, hex."""
        del self.tokens[sha256]
        self.last_uses.pop(sha256, None)

    def sign(self, secret: str) -> str:
        """The secret with a signature (HMAC-SHA-256), so that made-up cookies need no look-up."""
        signature = hmac.new(self.signing_key, secret.encode(), hashlib.sha256).digest()
        return f"{secret}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"

    def is_signed(self, secret: str) -> bool:
        """Whether sign() made it; the time depends on the length alone."""
        try:
            return hmac.compare_digest(self.sign(secret.rpartition(".")[0]).encode(), secret.encode())
        except UnicodeEncodeError:
            return False

    def failure(self, key: Sequence[str]) -> tuple[int, float] | None:
        """The number of failed log-ins for a key, and the time of the latest (POSIX); None for none."""
        number, stored = self._place_of(key)
        bucket = None if self.failures is None else self.failures.get(number)
        return None if bucket is None else bucket.counts.get(stored)

    def keep_failure(self, key: Sequence[str], count: tuple[int, float] | None, forgiven: float) -> None:
        """Store or drop what failure() gives; counts that were last touched before `forgiven` may go."""
        number, stored = self._place_of(key)
        if self.failures is None:
            self.failures = IOBTree()
        if number not in self.failures:
            self.failures[number] = FailureBucket()
        self.failures[number].keep(stored, count, forgiven)

    def _place_of(self, key: Sequence[str]) -> tuple[int, bytes]:
        """The number of the bucket for a key, and the key as it is stored: a hash with a secret.

        People type passwords into the field for the name; and none can choose which keys are in a bucket.
        """
        text = "\0".join(key).encode("utf-8", "surrogatepass")
        stored = hashlib.blake2b(text, key=self.signing_key, digest_size=16).digest()
        return int.from_bytes(stored[:2]) % BUCKETS, stored

    def query(self, name: str) -> Account | None:
        """The account of the person `name`; None if it never had credentials."""
        return self._accounts.get(name)

    def account(self, name: str) -> Account:
        """The account of the person `name`, made if it is missing."""
        found: Account | None = self._accounts.get(name)
        if found is None:
            found = self._accounts[name] = Account(self, name)
        return found


_FORMER = "librarian.security.credentials.model"
FORMER_NAMES = {
    f"{_FORMER}.CredentialsBranch": CredentialsSubtree,
    **{f"{_FORMER}.{kind.__name__}": kind for kind in (CredentialsSubtree, Account, ApiToken, Session)},
}

"""The credentials of a person, and the first administrator."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from zope.component import getUtility
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import IClock, ISettings
from librarian.people.credentials.interfaces import BadToken, ICredentials, ICredentialSet, NewToken
from librarian.people.credentials.model import (
    FORMER_NAMES,
    TOKEN_PREFIX,
    Account,
    ApiToken,
    CredentialsSubtree,
    Session,
    digest,
    new_secret,
)
from librarian.people.credentials.passwords import check_strength, generate_password, hash_password
from librarian.people.credentials.scopes import granted_scope
from librarian.people.interfaces import ICelebrities, IPerson, IPersonSet
from librarian.people.settings import PeopleSettings
from librarian.security.audit import record_at_commit
from librarian.tree.interfaces import ITree
from librarian.tree.subtree import Subtree, store_new_class_names

log = logging.getLogger(__name__)

SUBTREE = "credentials"
subtree = Subtree(SUBTREE, CredentialsSubtree, (store_new_class_names, store_new_class_names), FORMER_NAMES)

MOST_TOKENS = 100  # of one person


def the_subtree() -> CredentialsSubtree:
    """The subtree of credentials in this thread's tree.  Valid until its session ends."""
    found: CredentialsSubtree = getUtility(ITree).subtree(SUBTREE)
    return found


def _now() -> datetime:
    return getUtility(IClock).now()


@implementer(ICredentials)
class Credentials:
    """The credentials of one person, over the stored account."""

    def __init__(self, person: IPerson) -> None:
        self.person = person

    @property
    def has_password(self) -> bool:
        account = self._known()
        return account is not None and account.password_hash is not None

    def setPassword(self, password: str) -> None:
        check_strength(password, self.person.name, self.person.display_name, self.person.email)
        self._change_password(hash_password(password))
        log.info("password set person=%s", self.person.name)
        record_at_commit("password set", person=self.person.name)

    def removePassword(self) -> None:
        self._change_password(None)
        log.info("password removed person=%s", self.person.name)
        record_at_commit("password removed", person=self.person.name)

    def tokens(self) -> list[ApiToken]:
        account = self._known()
        return [] if account is None else account.tokens()

    def newToken(self, title: str, scopes: Sequence[str], lifetime: timedelta | None = None) -> NewToken:
        now = _now()
        secret = new_secret(TOKEN_PREFIX)
        names = [str(granted_scope(scope)) for scope in dict.fromkeys(scopes)]
        expires = now + _lifetime(lifetime)
        token = ApiToken(the_subtree(), self.person.name, _title(title), names, now, expires, digest(secret))
        if not names:
            raise BadToken("a token needs at least one scope")
        account = self._account()
        if len([one for one in account.tokens() if one.died(now) is None]) >= MOST_TOKENS:
            raise BadToken(f"one person can have {MOST_TOKENS} tokens; revoke one first")
        account.add_token(token, now)
        log.info("token created person=%s token=%s", self.person.name, token.id)
        record_at_commit("API token made", person=self.person.name, token=token.id, scopes=names)
        return NewToken(token.id, secret)

    def revokeToken(self, token_id: str) -> None:
        token = self._account().token(token_id)
        if token.revoked is None:
            token.revoked = _now()
            log.info("token revoked person=%s token=%s", self.person.name, token.id)
            record_at_commit("API token revoked", person=self.person.name, token=token.id)

    def sessions(self) -> list[Session]:
        account = self._known()
        return [] if account is None else account.sessions(_now())

    def endSessions(self) -> None:
        self._account().end_sessions()

    def _change_password(self, password_hash: str | None) -> None:
        account = self._account()
        account.password_hash = password_hash
        account.end_sessions()

    def _known(self) -> Account | None:
        return the_subtree().query(self.person.name)

    def _account(self) -> Account:
        return the_subtree().account(self.person.name)


def _title(title: str) -> str:
    shown = title.strip()
    if not 1 <= len(shown) <= 100 or not shown.isprintable():
        raise BadToken("a token needs a title of 1 to 100 characters that can be shown")
    return shown


def _lifetime(wanted: timedelta | None) -> timedelta:
    settings = getUtility(ISettings).section(PeopleSettings)
    lifetime = settings.token_lifetime if wanted is None else wanted
    if not timedelta(0) < lifetime <= settings.max_token_lifetime:
        raise BadToken(f"a token lives for at most {settings.max_token_lifetime.days} days")
    return lifetime


@implementer(ICredentialSet)
class CredentialSet:
    """The credentials of all persons."""

    def of(self, person: Any) -> Credentials:
        return Credentials(removeSecurityProxy(person))


def create_first_admin() -> str | None:
    """Make the person ``admin`` in a database without an active administrator.

    Returns the generated password, which is not stored, or None if there is an administrator.

    Meant for `ITree.run`, as SYSTEM.
    """
    admins = removeSecurityProxy(getUtility(ICelebrities)).admins
    if admins.people():
        return None
    people = removeSecurityProxy(getUtility(IPersonSet))
    person = people.getByName("admin") or people.new("admin", "Administrator")
    person.enable()
    admins.addMember(person)
    password = generate_password()
    Credentials(person).setPassword(password)
    return password

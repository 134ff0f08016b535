"""The principal that a password, a token or a session belongs to."""

import logging
from datetime import datetime
from functools import cached_property
from typing import Any

from zope.component import getUtility
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import IClock, ISettings
from librarian.people.credentials.failures import FileCounts, MemoryCounts
from librarian.people.credentials.failures_in_tree import TreeCounts
from librarian.people.credentials.interfaces import IAuthenticator, IFailureCounts, WrongCredentials
from librarian.people.credentials.model import ApiToken, CredentialsSubtree, Session, digest, new_secret
from librarian.people.credentials.passwords import CheckedLately, hash_password, is_outdated, matches
from librarian.people.credentials.person_principal import PersonPrincipal
from librarian.people.credentials.scopes import still_granted
from librarian.people.credentials.service import the_subtree
from librarian.people.credentials.throttle import Throttle
from librarian.people.interfaces import IPersonSet
from librarian.people.settings import PeopleSettings
from librarian.periodic import ProcessSettings
from librarian.security.audit import record_at_commit, record_event
from librarian.security.interfaces import IPrincipal
from librarian.tree.interfaces import ITree

log = logging.getLogger(__name__)

LONGEST_NAME = 254  # characters of an e-mail address (RFC 5321, section 4.5.3.1.3); more is cut off


@implementer(IAuthenticator)
class Authenticator:
    """Looks credentials up in the tree; remembers right passwords in this process."""

    def __init__(self) -> None:
        self._checked = CheckedLately()

    @cached_property
    def _throttle(self) -> Throttle:
        return Throttle(_failure_counts())

    def by_password(self, name: str, password: str, address: str) -> IPrincipal:
        now, asked = _now(), name.strip().lower()[:LONGEST_NAME]
        person = _find(asked)
        stored = _password_hash(person)
        if stored is not None and self._checked.knows(stored, password, now):
            return PersonPrincipal(person)
        before = self._throttle.begin(asked, address, now)
        if not matches(stored, password):
            known = None if person is None else person.name
            log.info("log-in refused person=%s address=%s", known or "-", address)
            record_event("log-in refused", person=known)
            raise WrongCredentials()
        self._throttle.succeeded(asked, address, now, before)
        self._checked.remember(str(stored), password, now)
        return PersonPrincipal(person)

    def by_token(self, secret: str) -> IPrincipal:
        now = _now()
        token: ApiToken | None = the_subtree().tokens.get(digest(secret))
        person = None if token is None else _active(_people().getByName(token.owner))
        if token is None or person is None or token.died(now) is not None:
            raise WrongCredentials()
        _note_use(token, now)
        return PersonPrincipal(person, still_granted(token.scopes))

    def by_session(self, secret: str) -> IPrincipal:
        session = _session(secret)
        person = None if session is None else _active(_people().getByName(session.owner))
        if session is None or person is None or session.expires <= _now():
            raise WrongCredentials()
        return PersonPrincipal(person)

    def begin_session(self, principal: IPrincipal, address: str) -> str:
        now, secret, name = _now(), the_subtree().sign(new_secret()), principal.person.name
        expires = now + getUtility(ISettings).section(PeopleSettings).session_lifetime
        session = Session(name, now, expires, address, digest(secret))
        the_subtree().account(name).add_session(session, now)
        log.info("logged in person=%s session=%s address=%s", name, session.id, address)
        record_at_commit("logged in", person=name, session=session.id)
        return secret

    def end_session(self, secret: str) -> None:
        session = _session(secret)
        if session is not None:
            the_subtree().account(session.owner).end_session(session)
            log.info("logged out person=%s session=%s", session.owner, session.id)
            record_at_commit("logged out", person=session.owner, session=session.id)


def _failure_counts() -> IFailureCounts:
    """Where all processes that this one shares the tree with have them."""
    tree, settings = getUtility(ITree), getUtility(ISettings)
    if tree.is_elsewhere:
        return TreeCounts(tree)
    path = settings.section(PeopleSettings).failed_logins
    folder = settings.section(ProcessSettings).shared_folder
    if not path and folder:
        path = f"{folder}/failed-logins"
    return FileCounts(path) if path else MemoryCounts()


def _now() -> datetime:
    return getUtility(IClock).now()


def _session(secret: str) -> Session | None:
    found: CredentialsSubtree = the_subtree()
    return found.sessions.get(digest(secret)) if found.is_signed(secret) else None


def _people() -> Any:
    return removeSecurityProxy(getUtility(IPersonSet))


def _find(asked: str) -> Any:
    people = _people()
    return _active(people.getByEmail(asked) if "@" in asked else people.getByName(asked))


def _active(person: Any) -> Any:
    return person if person is not None and person.active else None


def _password_hash(person: Any) -> str | None:
    account = None if person is None else the_subtree().query(person.name)
    return None if account is None else account.password_hash


def _note_use(token: ApiToken, now: datetime) -> None:
    """Store the day of use if it is another day: a token may be used for every download, and a download
    must not write to the tree."""
    today, sha256 = now.date(), token.sha256
    if token.last_used == today:
        return

    def work() -> None:
        uses = the_subtree().last_uses
        if uses.get(sha256) != today:
            uses[sha256] = today

    getUtility(ITree).run_independently(work)


def renew_hash(person_name: str, password: str) -> None:
    """Store a new hash of a password that was just right, if the parameters of argon2 have changed."""
    account = the_subtree().query(person_name)
    if account is not None and account.password_hash is not None and is_outdated(account.password_hash):
        account.password_hash = hash_password(password)

"""Passwords, tokens and sessions: what is refused, what ends when, and what is never shown."""

import threading
import time
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import transaction
from ZODB.POSException import ConflictError
from zope.component import getGlobalSiteManager, getUtility
from zope.interface.verify import verifyObject
from zope.security.interfaces import ForbiddenAttribute, Unauthorized
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import ISettings
from librarian.people.credentials.authentication import Authenticator, renew_hash
from librarian.people.credentials.interfaces import (
    BadToken,
    IApiToken,
    IAuthenticator,
    ICredentials,
    ICredentialSet,
    ISession,
    NoSuchScope,
    NoSuchToken,
    TooManyFailures,
    WrongCredentials,
)
from librarian.people.credentials.model import MOST_SESSIONS
from librarian.people.credentials.passwords import (
    hash_password,
)
from librarian.people.credentials.person_principal import PersonPrincipal
from librarian.people.credentials.scopes import granted_scope
from librarian.people.credentials.service import MOST_TOKENS, create_first_admin, the_subtree
from librarian.people.interfaces import IPersonSet
from librarian.security.interaction import acting_as
from librarian.security.principals import ANONYMOUS
from librarian.settings import Settings
from librarian.tree.service import Tree
from tests.people.test_people import PeopleTestCase
from tests.security.zcml import TreeTestCase

GOOD = "seven green bottles"
HASH = hash_password(GOOD)  # once, since it takes its time by design
HERE, THERE = "192.0.2.1", "192.0.2.2"


class CredentialsTestCase(PeopleTestCase):
    """Bob has a password."""

    def setUp(self) -> None:
        super().setUp()
        self.door = getUtility(IAuthenticator)
        self.credentials = getUtility(ICredentialSet)
        self.bobs = self.credentials.of(self.bob)
        the_subtree().account("bob").password_hash = HASH
        transaction.commit()

    def log_in(self, name: str = "bob", password: str = GOOD, address: str = HERE) -> str:
        try:
            return self.door.by_password(name, password, address).id
        except (WrongCredentials, TooManyFailures) as error:
            return type(error).__name__

    def uses(self, secret: str) -> str:
        try:
            return self.door.by_token(secret).id
        except WrongCredentials:
            return "refused"


class Passwords(CredentialsTestCase):
    def test_by_name_and_by_address_in_whichever_case(self) -> None:
        for name in ("bob", "BOB", " bob ", "bob@example.com", "Bob@Example.COM"):
            self.assertEqual(self.log_in(name), "person:bob")

    def test_everything_wrong_is_the_same_refusal(self) -> None:
        self.credentials.of(self.amy).removePassword()
        for name, password in (
            ("bob", "wrong"),
            ("bob", ""),
            ("bob", GOOD + "\0"),
            ("bob", "x" * 100_000),
            ("amy", GOOD),
            ("missing", GOOD),
            ("missing@example.com", GOOD),
            ("admins", GOOD),
            ("", ""),
            ("x" * 100_000, GOOD),
            ("\ud800", "\ud800"),
        ):
            with self.subTest(name[:10]):
                self.assertEqual(
                    self.log_in(name, password, address=f"192.0.2.{len(name) % 200}"), "WrongCredentials"
                )

    def test_a_disabled_person_is_refused_everywhere_and_at_once(self) -> None:
        token = self.bobs.newToken("t", ["read"]).secret
        session = self.door.begin_session(PersonPrincipal(self.bob), HERE)
        self.assertEqual(self.log_in(), "person:bob")
        self.bob.disable()
        self.assertEqual([self.log_in(), self.uses(token)], ["WrongCredentials", "refused"])
        self.assertRaises(WrongCredentials, self.door.by_session, session)

    def test_a_new_password_ends_the_old_one_though_it_was_just_right(self) -> None:
        self.assertEqual(self.log_in(), "person:bob")
        self.bobs.setPassword("eight brown bottles")
        self.assertEqual(self.log_in(), "WrongCredentials")
        self.assertEqual(self.log_in(password="eight brown bottles"), "person:bob")

    def test_failures_slow_down_and_the_right_password_does_not_help(self) -> None:
        for _time in range(5):
            self.log_in(password="wrong")
        self.assertEqual(self.log_in(), "TooManyFailures")
        self.assertEqual(self.log_in(address=THERE), "person:bob")
        self.clock.move(seconds=1)
        self.assertEqual(self.log_in(), "person:bob")

    def test_a_password_in_steady_use_is_not_slowed_by_guesses_of_others(self) -> None:
        self.assertEqual(self.log_in(), "person:bob")
        for _time in range(6):
            self.log_in(password="wrong")
        self.assertEqual(self.log_in(), "person:bob")

    def test_an_unknown_name_takes_as_long_as_a_wrong_password(self) -> None:
        def seconds(name: str, number: int) -> float:
            begun = time.perf_counter()
            self.log_in(name, "wrong", address=f"203.0.113.{number}")
            return time.perf_counter() - begun

        # By turns, so that what else the machine does slows both.
        pairs = [(seconds("bob", number), seconds("missing", number + 100)) for number in range(9)]
        known, unknown = (median(column) for column in zip(*pairs, strict=True))
        # One that skips the hash is a hundred times faster; the slack is for a busy machine.
        self.assertGreater(unknown, known / 3)
        self.assertLess(unknown, known * 3)

    def test_an_old_hash_is_renewed(self) -> None:
        weak = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$"
        account = the_subtree().account("bob")
        account.password_hash = weak
        renew_hash("bob", GOOD)
        self.assertNotEqual(account.password_hash, weak)
        self.assertEqual(self.log_in(), "person:bob")
        kept = account.password_hash
        renew_hash("bob", GOOD)
        renew_hash("amy", GOOD)
        self.assertEqual((account.password_hash, the_subtree().query("amy")), (kept, None))

    def test_no_hash_comes_out(self) -> None:
        self.assertRaises(ForbiddenAttribute, getattr, self.bobs, "_account")
        self.assertNotIn(
            "argon2", repr(self.bobs) + repr(self.bob) + repr(vars(removeSecurityProxy(self.bob)))
        )


class Tokens(CredentialsTestCase):
    def test_only_the_hash_is_kept(self) -> None:
        secret = self.bobs.newToken("laptop", ["upload"]).secret
        transaction.commit()
        storage = removeSecurityProxy(self.tree)._database.storage
        kept = b"".join(storage.load(oid, "")[0] for oid in storage.changes._data)
        self.assertNotIn(secret.encode(), kept)
        self.assertIn(b"upload", kept)

    def test_it_ends_at_its_time_or_when_revoked(self) -> None:
        hour = self.bobs.newToken("an hour", ["read"], timedelta(hours=1))
        other = self.bobs.newToken("revoked", ["read"])
        self.assertEqual([self.uses(hour.secret), self.uses(other.secret)], ["person:bob", "person:bob"])
        self.bobs.revokeToken(other.id)
        self.clock.move(minutes=59, seconds=59)
        self.assertEqual([self.uses(hour.secret), self.uses(other.secret)], ["person:bob", "refused"])
        self.clock.move(seconds=1)
        self.assertEqual(self.uses(hour.secret), "refused")

    def test_what_no_token_is(self) -> None:
        for secret in ("", "lbr_", "lbr_" + "x" * 43, "\ud800", "x" * 100_000):
            self.assertEqual(self.uses(secret), "refused")

    def test_what_cannot_be_made(self) -> None:
        for title, scopes, lifetime, error in (
            ("t", ["nonsense"], None, NoSuchScope),
            ("t", ["read:this"], None, NoSuchScope),
            ("t", [], None, BadToken),
            ("", ["read"], None, BadToken),
            ("a\nb", ["read"], None, BadToken),
            ("t" * 101, ["read"], None, BadToken),
            ("t", ["read"], timedelta(days=367), BadToken),
            ("t", ["read"], timedelta(0), BadToken),
            ("t", ["read"], timedelta(days=-1), BadToken),
        ):
            with self.subTest(title[:5], scopes=scopes):
                self.assertRaises(error, self.bobs.newToken, title, scopes, lifetime)
        self.assertEqual(self.bobs.tokens(), [])

    def test_a_number_of_them(self) -> None:
        for _number in range(MOST_TOKENS):
            self.bobs.newToken("t", ["read"])
        self.assertRaises(BadToken, self.bobs.newToken, "t", ["read"])
        self.bobs.revokeToken(self.bobs.tokens()[0].id)
        self.bobs.newToken("t", ["read"])

    def test_the_dead_are_forgotten_after_a_month(self) -> None:
        old = self.bobs.newToken("old", ["read"], timedelta(days=1))
        self.clock.move(days=31, seconds=1)
        self.bobs.newToken("new", ["read"])
        self.assertEqual([token.title for token in self.bobs.tokens()], ["new"])
        self.assertRaises(NoSuchToken, self.bobs.revokeToken, old.id)
        self.assertEqual(len(the_subtree().tokens), 1)

    def test_the_day_of_use_is_written_once_a_day(self) -> None:
        secret = self.bobs.newToken("t", ["read"]).secret
        transaction.commit()
        storage = removeSecurityProxy(self.tree)._database.storage
        written = []
        for _step in range(3):
            for _time in range(3):
                self.uses(secret)
                transaction.begin()
                written.append(storage.lastTransaction())
            self.clock.move(days=1)
        self.assertEqual(len(set(written)), 3)
        self.assertEqual(str(self.bobs.tokens()[0].last_used), "2026-03-03")

    def test_using_one_is_never_in_conflict_with_revoking_it(self) -> None:
        new = self.bobs.newToken("t", ["read"])
        transaction.commit()
        self.bobs.revokeToken(new.id)
        thread = threading.Thread(target=self._use_elsewhere, args=(new.secret,))
        thread.start()
        thread.join()
        transaction.commit()
        self.assertEqual(self.uses(new.secret), "refused")
        self.assertEqual(str(self.bobs.tokens()[0].last_used), "2026-03-01")

    def _use_elsewhere(self, secret: str) -> None:
        with self.tree.session():
            self.assertEqual(self.uses(secret), "person:bob")

    def test_other_persons_neither_see_nor_revoke_them(self) -> None:
        token_id = self.bobs.newToken("t", ["read"]).id
        for principal in (ANONYMOUS, PersonPrincipal(self.people["cyd"])):
            with acting_as(principal):
                self.assertRaises(Unauthorized, lambda: list(self.bobs.tokens()))
                self.assertRaises(Unauthorized, lambda: self.bobs.revokeToken(token_id))
                self.assertRaises(Unauthorized, lambda: self.bobs.setPassword(GOOD))
        for principal in (PersonPrincipal(self.bob), PersonPrincipal(self.amy)):
            with acting_as(principal):
                self.assertEqual(len(self.bobs.tokens()), 1)

    def test_a_narrow_token_makes_no_wider_one(self) -> None:
        for scopes in (["read"], ["upload", "upload-restricted"]):
            principal = self.door.by_token(self.bobs.newToken("t", scopes).secret)
            with acting_as(principal):
                self.assertRaises(Unauthorized, lambda: self.bobs.newToken("wider", ["all"]))
        with acting_as(self.door.by_token(self.bobs.newToken("t", ["all"]).secret)):
            self.bobs.newToken("more", ["read"])


class Scopes(CredentialsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.configure(
            '<tokenscope name="tracker:read" title="Read" permissions="librarian.View" parameter="prefix" />'
        )

    def reach(self, *scopes: str) -> Any:
        return self.door.by_token(self.bobs.newToken("t", scopes).secret)

    def test_a_narrowed_scope_ends_at_a_slash(self) -> None:
        principal = self.reach("tracker:read:contest/1")
        for wanted, covered in {
            "tracker:read:contest/1": True,
            "tracker:read:contest/1/a.in": True,
            "tracker:read:contest/10": False,
            "tracker:read:contest": False,
            "tracker:read": False,
            "tracker:write:contest/1": False,
            "upload": False,
        }.items():
            self.assertEqual(principal.has_scope(wanted), covered, wanted)

    def test_an_open_scope_covers_what_is_narrower(self) -> None:
        principal = self.reach("tracker:read")
        self.assertTrue(principal.has_scope("tracker:read:anything/at/all"))
        self.assertFalse(principal.has_scope("tracker:readme"))

    def test_everything(self) -> None:
        principal = self.reach("all")
        self.assertTrue(principal.has_scope("tracker:read:x"))
        self.assertTrue(principal.reaches("librarian.Admin"))
        self.assertTrue(PersonPrincipal(self.bob).has_scope("tracker:read:x"))

    def test_permissions_add_up(self) -> None:
        principal = self.reach("upload", "read")
        reached = [name for name in ("Upload", "View", "Edit") if principal.reaches(f"librarian.{name}")]
        self.assertEqual(reached, ["Upload", "View"])

    def test_what_is_no_scope(self) -> None:
        for text in (
            "",
            ":",
            "upload:x",
            "tracker",
            "tracker:read:a b",
            "tracker:read:\n",
            "tracker:read:" + "x" * 201,
        ):
            self.assertRaises(NoSuchScope, granted_scope, text)

    def test_a_scope_that_is_declared_no_more_gives_nothing(self) -> None:
        secret = self.bobs.newToken("t", ["tracker:read", "upload"]).secret
        the_subtree().account("bob").tokens()[0].scopes = ("gone", "upload")
        self.assertEqual([str(scope) for scope in self.door.by_token(secret).scopes], ["upload"])


class Sessions(CredentialsTestCase):
    def begin(self) -> str:
        return self.door.begin_session(PersonPrincipal(self.bob), HERE)

    def alive(self, secret: str) -> bool:
        try:
            return bool(self.door.by_session(secret).person.name == "bob")
        except WrongCredentials:
            return False

    def test_each_log_in_has_its_own_and_logging_out_ends_one(self) -> None:
        first, second = self.begin(), self.begin()
        self.assertNotEqual(first, second)
        self.door.end_session(first)
        self.door.end_session(first)
        self.assertEqual([self.alive(first), self.alive(second)], [False, True])

    def test_only_what_was_signed_here_is_looked_up(self) -> None:
        secret = self.begin()
        value, _dot, signature = secret.rpartition(".")
        turned = f"{value}.{signature[::-1]}"
        for made_up in ("", ".", value, f"{value}.", f"x{secret}", f"{secret}=", turned, "\ud800."):
            self.assertFalse(the_subtree().is_signed(made_up), made_up)
            self.assertFalse(self.alive(made_up))
        the_subtree().signing_key = b"another"
        self.assertFalse(self.alive(secret))

    def test_it_ends_after_a_week(self) -> None:
        secret = self.begin()
        self.clock.move(days=7, seconds=-1)
        self.assertTrue(self.alive(secret))
        self.clock.move(seconds=1)
        self.assertFalse(self.alive(secret))
        self.assertEqual(self.bobs.sessions(), [])

    def test_a_new_password_and_logging_out_everywhere_end_all(self) -> None:
        for end in (lambda: self.bobs.setPassword(GOOD), self.bobs.endSessions, self.bobs.removePassword):
            secrets = [self.begin(), self.begin()]
            end()
            self.assertEqual([self.alive(secret) for secret in secrets], [False, False])
        self.assertEqual(len(the_subtree().sessions), 0)

    def test_none_begins_beside_a_change_of_password(self) -> None:
        secret = self.begin()
        self.tree.run_independently(
            lambda: self.credentials.of(self.people["bob"]).setPassword("eight brown bottles")
        )
        self.assertRaises(ConflictError, transaction.commit)
        transaction.abort()
        self.assertFalse(self.alive(secret))

    def test_their_number_is_bounded_and_the_oldest_ends_first(self) -> None:
        secrets = []
        for _number in range(MOST_SESSIONS + 5):
            secrets.append(self.begin())
            self.clock.move(seconds=1)
        self.assertEqual([self.alive(secret) for secret in secrets].count(True), MOST_SESSIONS)
        self.assertFalse(self.alive(secrets[4]))
        self.assertTrue(self.alive(secrets[5]))

    def test_a_session_is_no_token_and_a_token_no_session(self) -> None:
        self.assertEqual(self.uses(self.begin()), "refused")
        self.assertFalse(self.alive(self.bobs.newToken("t", ["all"]).secret))

    def test_the_contracts_hold(self) -> None:
        self.begin()
        self.bobs.newToken("t", ["read"])
        for contract, thing in (
            (IAuthenticator, self.door),
            (ICredentialSet, self.credentials),
            (ICredentials, self.bobs),
            (IApiToken, self.bobs.tokens()[0]),
            (ISession, self.bobs.sessions()[0]),
        ):
            self.assertTrue(verifyObject(contract, removeSecurityProxy(thing)))


class SharedFailures(CredentialsTestCase):
    def test_one_process_refuses_what_another_has_counted(self) -> None:
        file = Path(self.enterContext(TemporaryDirectory())) / "failed-logins"
        settings = Settings({"librarian.people.failed_logins": str(file)})
        getGlobalSiteManager().registerUtility(settings, ISettings)
        self.enterContext(mock.patch.object(Tree, "is_elsewhere", False))
        one, other = Authenticator(), Authenticator()
        for _time in range(5):
            self.assertRaises(WrongCredentials, one.by_password, "bob", "wrong", HERE)
        self.assertRaises(TooManyFailures, other.by_password, "bob", GOOD, HERE)
        self.clock.move(seconds=1)
        self.assertEqual(other.by_password("bob", GOOD, HERE).id, "person:bob")


class FirstStart(TreeTestCase):
    def test_an_administrator_is_made_once(self) -> None:
        password = self.tree.run(create_first_admin)
        self.assertEqual(len(str(password)), 16)
        self.assertIsNone(self.tree.run(create_first_admin))
        principal = getUtility(IAuthenticator).by_password("admin", password, HERE)
        self.assertEqual(principal.id, "person:admin")
        with acting_as(principal):
            getUtility(IPersonSet).new("bob", "Bob")

    def test_it_helps_a_database_that_lost_all_of_them(self) -> None:
        self.tree.run(create_first_admin)
        removeSecurityProxy(getUtility(IPersonSet)["admin"]).active = False
        transaction.commit()
        password = self.tree.run(create_first_admin)
        self.assertEqual(getUtility(IAuthenticator).by_password("admin", password, HERE).id, "person:admin")

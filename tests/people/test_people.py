"""People and teams: odd names, odd shapes of membership, and who may change what."""

import random
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ZODB.POSException import ConflictError
from zope.component import getUtility
from zope.interface.verify import verifyObject
from zope.security.interfaces import ForbiddenAttribute, Unauthorized
from zope.security.management import checkPermission
from zope.security.proxy import removeSecurityProxy

from librarian.people.credentials.person_principal import PersonPrincipal
from librarian.people.interfaces import (
    BadDisplayName,
    BadEmail,
    BadName,
    EmailTaken,
    ICelebrities,
    IPerson,
    IPersonSet,
    ITeam,
    ITeamSet,
    LastMember,
    MembershipCycle,
    NameTaken,
    NoSuchPerson,
    NotAMember,
)
from librarian.people.names import valid_display_name, valid_email, valid_name
from librarian.people.service import add_missing_celebrities
from librarian.security.interaction import acting_as
from librarian.security.principals import ANONYMOUS
from tests.security.zcml import TreeTestCase


class PeopleTestCase(TreeTestCase):
    """Four people; amy is an administrator."""

    def setUp(self) -> None:
        super().setUp()
        self.people, self.teams = getUtility(IPersonSet), getUtility(ITeamSet)
        for name in ("amy", "bob", "cyd", "dan"):
            self.people.new(name, name.title(), f"{name}@example.com")
        self.amy, self.bob = self.people["amy"], self.people["bob"]
        self.admins = getUtility(ICelebrities).admins
        self.admins.addMember(self.amy)
        transaction.commit()


class Names(PeopleTestCase):
    def test_what_is_no_name(self) -> None:
        for name in ("", "A", "-a", ".a", "a b", "a/b", "a\n", "ä", "a" * 65, "..", "a%2f"):
            with self.subTest(name):
                self.assertRaises(BadName, self.people.new, name, "Some Person")
                self.assertRaises(BadName, self.teams.new, name, "Some")

    def test_what_is_no_display_name(self) -> None:
        for name in ("", "  ", "a\nb", "a\x00", "\u2028x\u2028y", "x" * 201, "\ud800"):
            with self.subTest(name):
                self.assertRaises(BadDisplayName, self.people.new, "eve", name)
        self.assertIsNone(self.people.getByName("eve"))
        with self.assertRaises(BadDisplayName):
            self.bob.display_name = "a\tb"

    def test_what_is_no_address(self) -> None:
        for email in (
            "",
            "a",
            "a@",
            "@b",
            "a b@c",
            "a@b\nBcc: x@y",
            "a@-b",
            "a@b@c",
            "a@b.",
            "é@b.c",
            "a@" + "b" * 250,
        ):
            with self.subTest(email):
                self.assertRaises(BadEmail, self.bob.setEmail, email)
        self.assertEqual(self.bob.email, "bob@example.com")

    def test_people_and_teams_share_one_name_space(self) -> None:
        self.assertRaises(NameTaken, self.teams.new, "bob", "Bob and friends")
        self.assertRaises(NameTaken, self.people.new, "admins", "Ad Mins")
        self.assertRaises(NameTaken, self.people.new, "bob", "Bob the other")

    def test_an_address_belongs_to_one_person_in_whichever_case(self) -> None:
        self.assertRaises(EmailTaken, self.amy.setEmail, "BOB@example.com")
        self.bob.setEmail("Bob@Example.com")
        self.assertEqual(self.people.getByEmail("bob@EXAMPLE.com").name, "bob")
        self.bob.setEmail(None)
        self.amy.setEmail("bob@example.com")
        self.assertIsNone(self.people.getByEmail("amy@example.com"))

    def test_an_unknown_name(self) -> None:
        self.assertIsNone(self.people.getByName("admins"))
        self.assertIsNone(self.teams.getByName("bob"))
        with self.assertRaises(NoSuchPerson) as caught:
            self.people["missing"]
        self.assertEqual(str(caught.exception), "there is no 'missing'")
        self.assertRaises(NoSuchPerson, self.teams.__getitem__, "bob")

    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
    @given(st.text(max_size=80))
    def test_any_text_is_taken_or_refused(self, text: str) -> None:
        for check, refusal in (
            (valid_name, BadName),
            (valid_display_name, BadDisplayName),
            (valid_email, BadEmail),
        ):
            try:
                self.assertTrue(check(text))
            except refusal:
                pass


class Membership(PeopleTestCase):
    def chain(self, length: int) -> list[Any]:
        teams = [self.teams.new(f"team{number}", "Team") for number in range(length)]
        for outer, inner in pairwise(teams):
            outer.addMember(inner)
        return teams

    def test_it_reaches_through_any_depth(self) -> None:
        teams = self.chain(50)
        teams[-1].addMember(self.bob)
        self.assertTrue(self.bob.inTeam(teams[0]))
        self.assertEqual([person.name for person in teams[0].people()], ["bob"])

    def test_no_cycle_of_any_length(self) -> None:
        teams = self.chain(5)
        for inner in teams:
            with self.assertRaises(MembershipCycle) as caught:
                inner.addMember(teams[0])
            self.assertEqual((caught.exception.team, caught.exception.member), (inner.name, "team0"))

    def test_many_ways_lead_to_one_membership(self) -> None:
        top, left, right, bottom = (
            self.teams.new(name, "Team") for name in ("top", "left", "right", "bottom")
        )
        for outer, inner in ((top, left), (top, right), (left, bottom), (right, bottom)):
            outer.addMember(inner)
        bottom.addMember(self.bob)
        self.assertEqual([person.name for person in top.people()], ["bob"])
        left.removeMember(bottom)
        self.assertTrue(self.bob.inTeam(top))
        right.removeMember(bottom)
        self.assertFalse(self.bob.inTeam(top))

    def test_joining_twice_is_once_and_leaving_twice_is_refused(self) -> None:
        team = self.teams.new("readers", "Readers")
        team.addMember(self.bob)
        team.addMember(self.bob)
        self.assertEqual([member.name for member in team.members()], ["bob"])
        team.removeMember(self.bob)
        self.assertRaises(NotAMember, team.removeMember, self.bob)

    def test_members_belongs_to_themselves(self) -> None:
        self.assertTrue(self.bob.inTeam(self.bob))
        self.assertFalse(self.bob.inTeam(self.amy))

    def test_membership_survives_the_connection(self) -> None:
        def elsewhere() -> bool:
            return bool(self.people["amy"].inTeam(self.admins))

        self.assertTrue(self.tree.run_independently(elsewhere))

    def test_random_joining_and_leaving_keeps_both_sides_the_same(self) -> None:
        dice = random.Random(7)
        teams = [self.teams.new(f"t{number}", "Team") for number in range(6)]
        members = [*teams, *self.people]
        for _step in range(400):
            team, member = dice.choice(teams), dice.choice(members)
            try:
                (team.addMember if dice.random() < 0.6 else team.removeMember)(member)
            except (MembershipCycle, NotAMember):
                pass
            for one in teams:
                for other in members:
                    self.assertEqual(other in one.members(), one in other.teams())


class TheLastAdministrator(PeopleTestCase):
    def test_cannot_leave(self) -> None:
        self.assertRaises(LastMember, self.admins.removeMember, self.amy)
        self.assertTrue(self.amy.inTeam(self.admins))
        self.admins.addMember(self.bob)
        self.admins.removeMember(self.amy)
        self.assertFalse(self.amy.inTeam(self.admins))

    def test_cannot_be_disabled(self) -> None:
        self.assertRaises(LastMember, self.amy.disable)
        self.assertTrue(self.amy.active)

    def test_disabled_persons_do_not_count(self) -> None:
        self.admins.addMember(self.bob)
        self.bob.disable()
        self.assertRaises(LastMember, self.amy.disable)
        self.bob.enable()
        self.amy.disable()

    def test_cannot_leave_by_a_side_door(self) -> None:
        operators = self.teams.new("operators", "Operators")
        operators.addMember(self.bob)
        self.admins.addMember(operators)
        self.admins.removeMember(self.amy)
        self.assertRaises(LastMember, operators.removeMember, self.bob)
        self.assertRaises(LastMember, self.bob.disable)
        self.assertTrue(self.bob.inTeam(self.admins))


class AtTheSameMoment(PeopleTestCase):
    """Another transaction commits in the middle of ours."""

    def meanwhile(self, work: Callable[[], object]) -> None:
        self.tree.run_independently(lambda: (work(), None)[1])
        self.assertRaises(ConflictError, transaction.commit)
        transaction.abort()

    def test_a_name_is_given_once(self) -> None:
        self.people.new("eve", "Eve")
        self.meanwhile(lambda: self.teams.new("eve", "Eve's friends"))
        self.assertIsNone(self.people.getByName("eve"))

    def test_an_address_is_given_once(self) -> None:
        self.bob.setEmail("both@example.com")
        self.meanwhile(lambda: self.people["cyd"].setEmail("both@example.com"))
        self.assertEqual(self.people.getByEmail("both@example.com").name, "cyd")

    def test_two_teams_do_not_join_each_other(self) -> None:
        for name in ("one", "other"):
            self.teams.new(name, "Team")
        transaction.commit()
        self.teams["one"].addMember(self.teams["other"])
        self.meanwhile(lambda: self.teams["other"].addMember(self.teams["one"]))
        self.assertRaises(MembershipCycle, self.teams["one"].addMember, self.teams["other"])

    def test_two_administrators_do_not_remove_each_other(self) -> None:
        for leave in (self.remove, self.disable):
            self.admins.addMember(self.bob)
            self.bob.enable()
            transaction.commit()
            leave("amy")
            self.meanwhile(partial(leave, "bob"))
            self.assertRaises(LastMember, leave, "amy")

    def remove(self, name: str) -> None:
        getUtility(ICelebrities).admins.removeMember(self.people[name])

    def disable(self, name: str) -> None:
        self.people[name].disable()

    def test_people_join_one_team_without_waiting_for_each_other(self) -> None:
        readers = self.teams.new("readers", "Readers")
        transaction.commit()
        readers.addMember(self.bob)
        self.tree.run_independently(lambda: self.teams["readers"].addMember(self.people["cyd"]))
        transaction.commit()
        self.assertEqual([member.name for member in readers.members()], ["bob", "cyd"])


class WhoMay(PeopleTestCase):
    """Amy is in `admins`, bob has no role, cyd owns the team `readers`."""

    def setUp(self) -> None:
        super().setUp()
        self.readers = self.teams.new("readers", "Readers", owner=self.people["cyd"])
        transaction.commit()

    def allowed(self, action: Any) -> list[str]:
        found = []
        for name in ("anonymous", "amy", "bob", "cyd"):
            with acting_as(ANONYMOUS if name == "anonymous" else PersonPrincipal(self.people[name])):
                try:
                    action()
                    found.append(name)
                except Unauthorized:
                    pass
                finally:
                    transaction.abort()
        return found

    def test_read_and_change_people(self) -> None:
        expected = {
            "display_name": (lambda: self.bob.display_name, ["anonymous", "amy", "bob", "cyd"]),
            "teams": (lambda: [self.bob.teams()], ["amy", "bob", "cyd"]),
            "email": (lambda: self.bob.email, ["amy", "bob"]),
            "change email": (lambda: self.bob.setEmail("b@example.com"), ["amy", "bob"]),
            "change name": (lambda: setattr(self.bob, "display_name", "B"), ["amy", "bob"]),
            "disable": (lambda: [self.bob.disable()], ["amy"]),
            "list": (lambda: list(self.people), ["amy", "bob", "cyd"]),
            "find by address": (lambda: self.people.getByEmail("x@y"), ["amy"]),
            "create": (lambda: self.people.new("eve", "Eve"), ["amy"]),
        }
        for what, (action, who) in expected.items():
            with self.subTest(what):
                self.assertEqual(self.allowed(action), who)

    def test_read_and_change_teams(self) -> None:
        expected = {
            "name": (lambda: self.readers.name, ["anonymous", "amy", "bob", "cyd"]),
            "members": (lambda: [self.readers.members()], ["amy", "bob", "cyd"]),
            "join": (lambda: self.readers.addMember(self.bob), ["amy", "cyd"]),
            "join admins": (lambda: self.admins.addMember(self.bob), ["amy"]),
            "create": (lambda: self.teams.new("more", "More"), ["amy"]),
        }
        for what, (action, who) in expected.items():
            with self.subTest(what):
                self.assertEqual(self.allowed(action), who)

    def test_attributes_with_a_method_cannot_be_set(self) -> None:
        for thing, name in (
            (self.bob, "email"),
            (self.bob, "active"),
            (self.bob, "name"),
            (self.readers, "owner"),
        ):
            self.assertRaises(ForbiddenAttribute, setattr, thing, name, "x")
        self.assertRaises(ForbiddenAttribute, getattr, self.readers, "_members")

    def test_a_new_membership_counts_at_once(self) -> None:
        with acting_as(PersonPrincipal(self.bob)):
            self.assertFalse(checkPermission("librarian.Edit", self.readers))
            removeSecurityProxy(self.admins).addMember(self.bob)
            self.assertTrue(checkPermission("librarian.Edit", self.readers))
            removeSecurityProxy(self.admins).removeMember(self.bob)
            self.assertFalse(checkPermission("librarian.Edit", self.readers))

    def test_the_contracts_hold(self) -> None:
        for contract, thing in (
            (IPerson, self.bob),
            (ITeam, self.readers),
            (IPersonSet, self.people),
            (ITeamSet, self.teams),
            (ICelebrities, getUtility(ICelebrities)),
        ):
            self.assertTrue(verifyObject(contract, removeSecurityProxy(thing)))


class Celebrities(PeopleTestCase):
    def test_one_that_a_newer_site_declares_is_added(self) -> None:
        self.configure('<celebrity name="librarians" title="Librarians" />')
        famous = getUtility(ICelebrities)
        self.assertRaises(NoSuchPerson, famous.__getitem__, "librarians")
        for _time in range(2):
            add_missing_celebrities()
        self.assertEqual([team.display_name for team in famous], ["Administrators", "Librarians"])

    def test_a_team_that_no_system_declares_is_none(self) -> None:
        self.teams.new("crew", "Crew")
        self.assertRaises(NoSuchPerson, getUtility(ICelebrities).__getitem__, "crew")

    def test_a_person_of_that_name_is_not_the_team(self) -> None:
        self.people.new("librarians", "Libby")
        self.configure('<celebrity name="librarians" title="Librarians" />')
        add_missing_celebrities()
        self.assertFalse(self.people["librarians"].in_team_named("librarians"))

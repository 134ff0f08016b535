"""The policy: who decides, in which order, and for how long a decision is kept."""

from typing import Any

import transaction
from zope.component import getGlobalSiteManager
from zope.interface import Interface, implementer
from zope.security.checker import CheckerPublic, ProxyFactory
from zope.security.management import checkPermission, endInteraction, queryInteraction

from librarian.security.authorization import Authenticated, Everyone, OwnerOrAdmins, TeamOrAdmins
from librarian.security.interaction import Participation, acting_as, current_interaction, is_permitted
from librarian.security.interfaces import IAuthorization, IPrincipal
from librarian.security.policy import REMEMBERED, SecurityPolicy, forget_decisions
from librarian.security.principals import ANONYMOUS, SYSTEM, ScriptPrincipal
from tests.security.zcml import ConfiguredTestCase


class IDoor(Interface):
    """What is guarded here."""


@implementer(IDoor)
class Door:
    """A door with an owner."""

    owner: Any = None


class ReadersOrAdmins(TeamOrAdmins):
    """Members of ``readers`` and ``admins``."""

    team = "readers"


@implementer(IPrincipal)
class Member:
    """A member of some teams, which are their names here; it counts how often that is asked."""

    id = title = description = "member"
    authenticated = True
    person = None

    def __init__(self, *teams: str) -> None:
        self.teams = teams
        self.asked = 0

    def grants(self, permission: str) -> bool | None:
        return None

    def reaches(self, permission: str) -> bool:
        return True

    def inTeam(self, team: Any) -> bool:
        return self.in_team_named(team)

    def in_team_named(self, name: str) -> bool:
        self.asked += 1
        return name in self.teams

    def has_scope(self, scope: str) -> bool:
        return True


class Guarded(ConfiguredTestCase):
    """A door, and teams to open it."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(transaction.abort)
        self.door = Door()

    def guard(self, factory: Any, permission: str = "librarian.View") -> None:
        getGlobalSiteManager().registerAdapter(factory, (IDoor,), IAuthorization, permission)


class Deciding(Guarded):
    def may(self, principal: IPrincipal, permission: Any = "librarian.View") -> bool:
        with acting_as(principal):
            return bool(checkPermission(permission, self.door))

    def who_may(self) -> dict[str, bool]:
        principals = {
            "anonymous": ANONYMOUS,
            "known": Member(),
            "owner": Member("owner"),
            "reader": Member("readers"),
            "admin": Member("admins"),
            "clerk": ScriptPrincipal("clerk", ["librarian.View"]),
            "robot": ScriptPrincipal("robot", []),
            "system": SYSTEM,
        }
        return {name: self.may(principal) for name, principal in principals.items()}

    def assert_allowed(self, *names: str) -> None:
        self.assertEqual([name for name, may in self.who_may().items() if may], list(names))

    def test_without_an_authorization_only_admins(self) -> None:
        self.assert_allowed("admin", "clerk", "system")

    def test_everyone_does_not_include_a_script_without_the_grant(self) -> None:
        self.guard(Everyone)
        self.assert_allowed("anonymous", "known", "owner", "reader", "admin", "clerk", "system")

    def test_known_people(self) -> None:
        self.guard(Authenticated)
        self.assert_allowed("known", "owner", "reader", "admin", "clerk", "system")

    def test_a_team_or_admins(self) -> None:
        self.guard(ReadersOrAdmins)
        self.assert_allowed("reader", "admin", "clerk", "system")

    def test_owner_or_admins(self) -> None:
        self.guard(OwnerOrAdmins)
        self.assert_allowed("admin", "clerk", "system")
        self.door.owner = "owner"
        self.assert_allowed("owner", "admin", "clerk", "system")

    def test_the_name_of_the_permission_counts(self) -> None:
        self.guard(Everyone, "librarian.Edit")
        self.assertEqual(self.may(Member()), False)
        self.assertEqual(self.may(Member(), "librarian.Edit"), True)

    def test_public_is_for_all_under_either_name(self) -> None:
        robot = ScriptPrincipal("robot", [])
        with acting_as(robot):
            interaction = queryInteraction()
        for public in (CheckerPublic, "zope.Public"):
            self.assertTrue(interaction.checkPermission(public, self.door))

    def test_the_authorization_sees_the_object_itself(self) -> None:
        seen = []

        class Looking(Everyone):
            def __init__(self, thing: Any) -> None:
                seen.append(thing)

        self.guard(Looking)
        proxied = ProxyFactory(self.door)
        with acting_as(ANONYMOUS):
            self.assertTrue(checkPermission("librarian.View", proxied))
        self.assertIs(type(seen[0]), Door)

    def test_all_participants_need_it_and_no_participant_has_nothing(self) -> None:
        both = SecurityPolicy(Participation(SYSTEM), Participation(Member()))
        self.assertEqual(both.checkPermission("librarian.View", self.door), False)
        self.assertEqual(SecurityPolicy().checkPermission("librarian.View", self.door), False)

    def test_who_joins_is_asked_for_what_was_allowed_before(self) -> None:
        policy = SecurityPolicy(Participation(SYSTEM))
        self.assertTrue(policy.checkPermission("librarian.View", self.door))
        joined = Participation(Member())
        policy.add(joined)
        self.assertFalse(policy.checkPermission("librarian.View", self.door))
        policy.remove(joined)
        self.assertTrue(policy.checkPermission("librarian.View", self.door))

    def test_a_participation_belongs_to_one_interaction(self) -> None:
        participation = Participation(SYSTEM)
        policy = SecurityPolicy(participation)
        self.assertRaises(ValueError, SecurityPolicy, participation)
        policy.remove(participation)
        self.assertRaises(ValueError, policy.remove, participation)
        SecurityPolicy(participation)


class Remembering(Guarded):
    def setUp(self) -> None:
        super().setUp()
        self.admin = Member("admins")
        self.enterContext(acting_as(self.admin))

    def check(self) -> bool:
        return bool(is_permitted("librarian.View", self.door))

    def test_a_yes_is_asked_once_for_each_object_and_permission(self) -> None:
        for _time in range(3):
            self.assertTrue(self.check())
        self.assertEqual(self.admin.asked, 1)
        self.assertTrue(is_permitted("librarian.Edit", self.door))
        self.assertTrue(is_permitted("librarian.View", Door()))
        self.assertEqual(self.admin.asked, 3)

    def test_a_no_is_asked_again(self) -> None:
        self.admin.teams = ()
        self.assertFalse(self.check())
        self.admin.teams = ("admins",)
        self.assertTrue(self.check())

    def test_it_ends_with_the_transaction(self) -> None:
        for end in (transaction.commit, transaction.abort):
            self.admin.teams = ("admins",)
            self.assertTrue(self.check())
            self.admin.teams = ()
            end()
            self.assertFalse(self.check())

    def test_it_ends_when_a_membership_changes(self) -> None:
        self.assertTrue(self.check())
        self.admin.teams = ()
        forget_decisions()
        self.assertFalse(self.check())

    def test_another_object_at_the_same_address_is_another_object(self) -> None:
        class Once(Everyone):
            def checkAuthenticated(self, principal: IPrincipal) -> bool:
                return self.thing.owner == "first"

        self.guard(Once)
        first = Door()
        first.owner = "first"
        self.assertTrue(is_permitted("librarian.View", first))
        del first
        for _time in range(50):
            self.assertFalse(is_permitted("librarian.View", Door()))

    def test_memory_is_bounded(self) -> None:
        for _number in range(REMEMBERED * 3):
            is_permitted("librarian.View", Door())
        interaction = current_interaction()
        assert interaction is not None
        self.assertLessEqual(len(interaction._yes), REMEMBERED)

    def test_forgetting_without_an_interaction_does_nothing(self) -> None:
        endInteraction()  # of zope.security, which drops ours
        forget_decisions()

"""People and teams as utilities."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime

from zope.component import getUtility
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import IClock
from librarian.security.authorization import AdminsOnly
from librarian.security.interfaces import ICelebrities, IPrincipal
from librarian.security.people.interfaces import (
    IMembershipChanged,
    IParticipant,
    IPersonSet,
    ITeamSet,
    NoSuchPerson,
)
from librarian.security.people.model import People, Person, Team, new_people
from librarian.security.policy import forget_decisions, is_admin
from librarian.tree.interfaces import ITree
from librarian.tree.subtree import Subtree

log = logging.getLogger(__name__)

SUBTREE = "people"
subtree = Subtree(SUBTREE, lambda: new_people(datetime.now(UTC)))


class _Set:
    """Reaches the subtree of whichever thread it is used in."""

    @property
    def _people(self) -> People:
        people: People = getUtility(ITree).subtree(SUBTREE)
        return people

    def _now(self) -> datetime:
        return getUtility(IClock).now()


@implementer(IPersonSet)
class PersonSet(_Set):
    """Everybody."""

    def new(self, name: str, display_name: str, email: str | None = None) -> Person:
        person = Person(self._people, name, display_name, self._now())
        self._people.add_person(person)
        if email is not None:
            person.setEmail(email)
        log.info("person created person=%s", name)
        return person

    def getByName(self, name: str) -> Person | None:
        return self._people.persons.get(name)

    def getByEmail(self, email: str) -> Person | None:
        return self._people.by_email(email)

    def __getitem__(self, name: str) -> Person:
        person = self.getByName(name)
        if person is None:
            raise NoSuchPerson(name)
        return person

    def __iter__(self) -> Iterator[Person]:
        return iter(self._people.persons.values())

    def __len__(self) -> int:
        return len(self._people.persons)


@implementer(ITeamSet)
class TeamSet(_Set):
    """Every team."""

    def new(self, name: str, display_name: str, owner: IParticipant | None = None) -> Team:
        team = Team(self._people, name, display_name, self._now(), removeSecurityProxy(owner))
        self._people.add_team(team)
        log.info("team created team=%s", name)
        return team

    def getByName(self, name: str) -> Team | None:
        return self._people.teams.get(name)

    def __getitem__(self, name: str) -> Team:
        team = self.getByName(name)
        if team is None:
            raise NoSuchPerson(name)
        return team

    def __iter__(self) -> Iterator[Team]:
        return iter(self._people.teams.values())

    def __len__(self) -> int:
        return len(self._people.teams)


@implementer(ICelebrities)
class Celebrities(_Set):
    """Looks the well-known teams up by name."""

    @property
    def admins(self) -> Team:
        return self._people.teams["admins"]

    @property
    def vcs_imports(self) -> Team:
        return self._people.teams["vcs-imports"]

    @property
    def mirror_admins(self) -> Team:
        return self._people.teams["mirror-admins"]


class OneselfOrAdmins(AdminsOnly):
    """The person the object is, and ``admins``."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        return principal.inTeam(self.thing) or is_admin(principal)


def membership_changed(event: IMembershipChanged) -> None:
    """What was allowed a moment ago may not be now."""
    forget_decisions()
    log.info("membership changed participant=%s", event.participant.name)

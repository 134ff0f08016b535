"""People and teams as utilities."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from zope.component import getUtilitiesFor, getUtility, queryUtility
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import IClock
from librarian.people.interfaces import (
    ICelebrities,
    ICelebrity,
    IMembershipChanged,
    IParticipant,
    IPersonSet,
    ITeamSet,
    NoSuchPerson,
)
from librarian.people.model import FORMER_NAMES, People, Person, Team, new_people
from librarian.security.policy import ADMINS, forget_decisions
from librarian.tree.interfaces import ITree
from librarian.tree.subtree import Subtree, store_new_class_names

log = logging.getLogger(__name__)

SUBTREE = "people"
subtree = Subtree(
    SUBTREE,
    lambda: new_people(_declared_celebrities(), datetime.now(UTC)),
    (store_new_class_names,),
    FORMER_NAMES,
)


class _Set:
    """Base of the utilities; the subtree is that of the thread in which they are used."""

    @property
    def _people(self) -> People:
        people: People = getUtility(ITree).subtree(SUBTREE)
        return people

    def _now(self) -> datetime:
        return getUtility(IClock).now()


@implementer(IPersonSet)
class PersonSet(_Set):
    """All persons."""

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
    """All teams."""

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


@implementer(ICelebrity)
@dataclass(frozen=True)
class Celebrity:
    """What ``<celebrity>`` declares."""

    name: str
    title: str


@implementer(ICelebrities)
class Celebrities(_Set):
    """The teams that ``<celebrity>`` declares, by name."""

    @property
    def admins(self) -> Team:
        return self[ADMINS]

    def __getitem__(self, name: str) -> Team:
        team = self._people.teams.get(name) if queryUtility(ICelebrity, name) else None
        if team is None:
            raise NoSuchPerson(name)
        return team

    def __iter__(self) -> Iterator[Team]:
        return (self[name] for name in sorted(_declared_celebrities()))

    def __len__(self) -> int:
        return len(_declared_celebrities())


def _declared_celebrities() -> dict[str, str]:
    return {name: celebrity.title for name, celebrity in getUtilitiesFor(ICelebrity)}


def add_missing_celebrities() -> None:
    """Make the teams that a site declares and its database does not have yet.

    Meant for `ITree.run`, as SYSTEM.
    """
    people: People = getUtility(ITree).subtree(SUBTREE)
    for name in people.add_celebrities(_declared_celebrities(), getUtility(IClock).now()):
        log.info("team created team=%s", name)


def membership_changed(event: IMembershipChanged) -> None:
    """Decide anew about every permission that this thread's interaction has granted."""
    forget_decisions()
    log.info("membership changed participant=%s", event.participant.name)

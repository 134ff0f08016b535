"""People and teams as utilities."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

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

P = TypeVar("P", Person, Team)

SUBTREE = "people"
subtree = Subtree(
    SUBTREE,
    lambda: new_people(_declared_celebrities(), getUtility(IClock).now()),
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


class _ParticipantSet(_Set, Generic[P]):
    """Look-ups by name, which persons and teams have in common."""

    @property
    def _by_name(self) -> Mapping[str, P]:
        raise NotImplementedError

    def getByName(self, name: str) -> P | None:
        return self._by_name.get(name)

    def __getitem__(self, name: str) -> P:
        found = self.getByName(name)
        if found is None:
            raise NoSuchPerson(name)
        return found

    def __iter__(self) -> Iterator[P]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)


@implementer(IPersonSet)
class PersonSet(_ParticipantSet[Person]):
    """All persons."""

    def new(self, name: str, display_name: str, email: str | None = None) -> Person:
        person = Person(self._people, name, display_name, self._now())
        self._people.add_person(person)
        if email is not None:
            person.setEmail(email)
        log.info("person created person=%s", name)
        return person

    def getByEmail(self, email: str) -> Person | None:
        return self._people.by_email(email)

    @property
    def _by_name(self) -> Mapping[str, Person]:
        found: Mapping[str, Person] = self._people.persons
        return found


@implementer(ITeamSet)
class TeamSet(_ParticipantSet[Team]):
    """All teams."""

    def new(self, name: str, display_name: str, owner: IParticipant | None = None) -> Team:
        team = Team(self._people, name, display_name, self._now(), removeSecurityProxy(owner))
        self._people.add_team(team)
        log.info("team created team=%s", name)
        return team

    @property
    def _by_name(self) -> Mapping[str, Team]:
        found: Mapping[str, Team] = self._people.teams
        return found


@implementer(ICelebrity)
@dataclass(frozen=True)
class Celebrity:
    """The celebrity that a ``<celebrity>`` declares."""

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

"""People and teams as they are kept."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from BTrees.OOBTree import OOBTree, OOTreeSet
from persistent import Persistent
from zope.event import notify
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.people.events import MembershipChanged
from librarian.people.interfaces import (
    EmailTaken,
    IParticipant,
    IPerson,
    ITeam,
    LastMember,
    MembershipCycle,
    NameTaken,
    NotAMember,
)
from librarian.people.names import valid_display_name, valid_email, valid_name
from librarian.security.policy import ADMINS


@implementer(IParticipant)
class Participant(Persistent):
    """The state that persons and teams have in common."""

    def __init__(self, people: "People", name: str, display_name: str, date_created: datetime) -> None:
        self.__parent__ = people
        self.name = valid_name(name)
        self.display_name = display_name
        self.date_created = date_created
        self._teams = OOBTree()  # name -> Team this is directly in

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    @property
    def display_name(self) -> str:
        return str(self._display_name)

    @display_name.setter
    def display_name(self, display_name: str) -> None:
        self._display_name = valid_display_name(display_name)

    def teams(self) -> "list[Team]":
        return list(self._teams.values())

    def inTeam(self, team: IParticipant) -> bool:
        # By name, since the same team loaded by another connection is another object.
        wanted = team.name
        return any(reached.name == wanted for reached in self._belongs_to())

    def in_team_named(self, name: str) -> bool:
        return any(reached.name == name and isinstance(reached, Team) for reached in self._belongs_to())

    def _belongs_to(self) -> "Iterator[Participant]":
        seen, waiting = {self.name}, [self]
        while waiting:
            participant = waiting.pop()
            yield participant
            fresh = [team for name, team in participant._teams.items() if name not in seen]
            seen.update(team.name for team in fresh)
            waiting.extend(fresh)


@implementer(IPerson)
class Person(Participant):
    """A person, who can own things, be in teams and log in."""

    active = True
    email: str | None = None

    def setEmail(self, email: str | None) -> None:
        self.__parent__.move_email(self, email)
        self.email = email

    def disable(self) -> None:
        for team in self._belongs_to():
            if isinstance(team, Team):
                team.refuse_to_run_empty(without=self)
        self.active = False
        notify(MembershipChanged(self))

    def enable(self) -> None:
        self.active = True
        notify(MembershipChanged(self))


@implementer(ITeam)
class Team(Participant):
    """A team.  A membership is stored on both sides, and both change together."""

    def __init__(
        self,
        people: "People",
        name: str,
        display_name: str,
        date_created: datetime,
        owner: Participant | None = None,
    ) -> None:
        super().__init__(people, name, display_name, date_created)
        self.owner: Participant | None = owner
        self._members = OOBTree()  # name -> Participant directly in it

    def members(self) -> list[Participant]:
        return list(self._members.values())

    def people(self) -> list[Person]:
        found = {person.name: person for person in self._persons() if person.active}
        return [found[name] for name in sorted(found)]

    def addMember(self, member: IParticipant) -> None:
        joining: Any = removeSecurityProxy(member)
        if self.inTeam(joining):
            raise MembershipCycle(self.name, joining.name)
        if isinstance(joining, Team):
            self.__parent__.one_at_a_time()
        self._members[joining.name] = joining
        joining._teams[self.name] = self
        notify(MembershipChanged(joining))

    def setOwner(self, owner: IParticipant | None) -> None:
        self.owner = removeSecurityProxy(owner)
        notify(MembershipChanged(self))

    def removeMember(self, member: IParticipant) -> None:
        leaving: Any = removeSecurityProxy(member)
        if leaving.name not in self._members:
            raise NotAMember(self.name, leaving.name)
        del self._members[leaving.name]
        del leaving._teams[self.name]
        try:
            self.refuse_to_run_empty()
            for team in self._belongs_to():
                team.refuse_to_run_empty()
        except LastMember:
            self._members[leaving.name] = leaving
            leaving._teams[self.name] = self
            raise
        notify(MembershipChanged(leaving))

    def refuse_to_run_empty(self, without: Person | None = None) -> None:
        """Raises LastMember if this is ``admins`` and no active person but `without` is in it."""
        if self.name != ADMINS:
            return
        self.__parent__.one_at_a_time()
        if not [person for person in self.people() if person is not without]:
            raise LastMember(self.name)

    def _persons(self) -> Iterator[Person]:
        seen: set[str] = set()
        waiting: list[Any] = [self]
        while waiting:
            participant = waiting.pop()
            if participant.name in seen:
                continue
            seen.add(participant.name)
            if isinstance(participant, Team):
                waiting.extend(participant._members.values())
            else:
                yield participant


class People(Persistent):
    """The subtree ``people``: persons and teams by name."""

    def __init__(self) -> None:
        self.persons = OOBTree()  # name -> Person
        self.teams = OOBTree()  # name -> Team
        self._names = OOTreeSet()  # of both
        self._turns = 0
        self._emails = OOBTree()  # address in lower case -> Person

    def add_person(self, person: Person) -> None:
        """Store a new person.  Raises NameTaken: persons and teams share their names."""
        self._take(person.name)
        self.persons[person.name] = person

    def add_team(self, team: Team) -> None:
        """Store a new team.  Raises NameTaken: persons and teams share their names."""
        self._take(team.name)
        self.teams[team.name] = team

    def add_celebrities(self, celebrities: Mapping[str, str], now: datetime) -> list[str]:
        """Add the teams that are missing of `celebrities` (name -> display name); returns their names."""
        missing = [name for name in celebrities if name not in self._names]
        for name in missing:
            self.add_team(Team(self, name, celebrities[name], now))
        return missing

    def by_email(self, email: str) -> Person | None:
        """The person with this address, in any case; None if there is none."""
        return self._emails.get(email.lower())

    def move_email(self, person: Person, email: str | None) -> None:
        """Index `person` under `email` instead of the former address.  Raises BadEmail, EmailTaken."""
        if email is not None and self._emails.get(valid_email(email).lower(), person) is not person:
            raise EmailTaken(email)
        if person.email is not None:
            del self._emails[person.email.lower()]
        if email is not None:
            self._emails[email.lower()] = person

    def one_at_a_time(self) -> None:
        """Make this transaction conflict with every other one that calls this.

        Rules over many objects (no cycle of teams, a last member) are checked in objects that are only
        read: two concurrent transactions could each keep such a rule and break it together.
        """
        self._turns += 1

    def _take(self, name: str) -> None:
        if name in self._names:
            raise NameTaken(name)
        self._names.insert(name)


def new_people(celebrities: Mapping[str, str], now: datetime) -> People:
    """The subtree as a new database has it: no persons, and the celebrities by name and display name."""
    people = People()
    people.add_celebrities(celebrities, now)
    return people


_FORMER = "librarian.security.people.model"
FORMER_NAMES = {f"{_FORMER}.{kind.__name__}": kind for kind in (People, Person, Team)}

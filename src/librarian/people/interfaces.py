"""People: persons, the teams they are in, and how they log in.

A *person* can own things, be in teams, log in and be written to.  A *team* is a set of persons and other
teams that are permitted something together.  Both are *participants*: they share one name space, so that
the owner of an object may be either, and a name is never changed or used again.

A typical day: an administrator adds the person ``rita`` and the team ``readers``, and makes Rita its owner.
Rita adds the team ``night-shift`` to the readers; from then on every member of the night shift is a reader.
A check such as "may this principal see the file" ends in ``inTeam(team)``, which follows memberships
through any number of teams.  When Rita leaves, she is not removed, since what she did keeps her name: she
is *disabled*.  Her memberships stay, but she cannot log in and is not among the people of any team.

Some teams are referred to by code, as ``admins`` is, whose members have every permission; the systems have
teams that look after their objects.  Such a team is a *celebrity*.  The system that refers to it declares it
in ZCML (``<celebrity>``), it exists in every database, and ICelebrities finds it by name.  ``admins``
keeps at least one active member, or no one could ever appoint another.

Credentials (passwords, API tokens, sessions) are in the package `credentials`, which has contracts of its
own.  Requests are identified by `identity`, the IIdentification that the web package asks for; `login` has
the log-in form and the answers 401 and 403; `views` are the pages under ``/people``.

Persons and teams come from two secured utilities, IPersonSet and ITeamSet.  Names and display names are
public, as they are shown where their bearers own something.  Memberships are for those who are logged in,
e-mail addresses for the person and ``admins``.  A team is changed by its owner and by ``admins``.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from zope.interface import Attribute, Interface

from librarian.interfaces import LibrarianError
from librarian.security.interfaces import CredentialsRefused

# ruff: noqa: N805  # zope.interface methods are written without self


class BadName(LibrarianError, ValueError):
    """Not a name: lower-case letters, digits, ``.``, ``+`` and ``-``, a letter or digit first."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is no name; use a-z, 0-9, '.', '+' and '-', at most 64 of them")
        self.name = name


class BadDisplayName(LibrarianError, ValueError):
    """Empty, too long, or with a control character in it."""

    def __init__(self, display_name: str) -> None:
        super().__init__(f"{display_name!r} cannot be shown as a name")
        self.display_name = display_name


class BadEmail(LibrarianError, ValueError):
    """Not an address mail can be sent to."""

    def __init__(self, email: str) -> None:
        super().__init__(f"{email!r} is no e-mail address")
        self.email = email


class NameTaken(LibrarianError, ValueError):
    """A person or a team has this name; the two share one name space."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the name {name!r} is taken")
        self.name = name


class EmailTaken(LibrarianError, ValueError):
    """Another person has this address (letter case does not count)."""

    def __init__(self, email: str) -> None:
        super().__init__(f"the address {email!r} is taken")
        self.email = email


class NoSuchPerson(LibrarianError, KeyError):
    """No person and no team has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"there is no {self.name!r}"


class MembershipCycle(LibrarianError, ValueError):
    """A team would become a member of itself, directly or through others."""

    def __init__(self, team: str, member: str) -> None:
        super().__init__(f"{member!r} cannot join {team!r}, which is in it")
        self.team = team
        self.member = member


class NotAMember(LibrarianError, LookupError):
    """The participant that is to leave a team is not directly in it."""

    def __init__(self, team: str, member: str) -> None:
        super().__init__(f"{member!r} is not directly in {team!r}")
        self.team = team
        self.member = member


class LastMember(LibrarianError, ValueError):
    """A change would leave ``admins`` without an active person."""

    def __init__(self, team: str) -> None:
        super().__init__(f"{team!r} needs at least one active member")
        self.team = team


class MalformedAuthorization(CredentialsRefused, ValueError):
    """An Authorization field that cannot be read; over HTTP a 400."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"malformed Authorization field: {problem}")
        self.problem = problem


class IParticipant(Interface):
    """A person or a team: what can be a member of a team, or own an object."""

    name: str = Attribute("Unique among people and teams, never changed or used again; part of URLs.")
    display_name: str = Attribute("What a page shows: 1 to 200 characters.")
    date_created: datetime = Attribute("Aware, in UTC.")

    def inTeam(team: "IParticipant") -> bool:
        """Whether this belongs to `team`, directly or through other teams.

        A participant belongs to itself, so that an owner may be a person or a team."""

    def in_team_named(name: str) -> bool:
        """Whether this is the team `name`, or belongs to it, directly or through other teams."""

    def teams() -> "Sequence[ITeam]":
        """The teams this is directly in, by name."""


class IPerson(IParticipant):
    """A person, who can own things, log in, and be written to.

    Persons are never removed, since what they did keeps their name; they are disabled.
    """

    email: str | None = Attribute("Where mail is sent; None: no mail is sent.")
    active: bool = Attribute("Whether they may log in.")

    def setEmail(email: str | None) -> None:
        """Raises BadEmail and EmailTaken."""

    def disable() -> None:
        """No more log-ins, from now on; memberships stay.  Raises LastMember."""

    def enable() -> None:
        """Log-ins are allowed again."""


class ITeam(IParticipant):
    """Persons and teams that are permitted something together."""

    owner: IParticipant | None = Attribute("The one that may change the membership, beside ``admins``.")

    def members() -> Sequence[IParticipant]:
        """The direct members, by name."""

    def people() -> Sequence[IPerson]:
        """All active persons in it, directly or through other teams, once each, by name."""

    def addMember(member: IParticipant) -> None:
        """Add a person or a team; adding a member again changes nothing.  Raises MembershipCycle."""

    def setOwner(owner: IParticipant | None) -> None:
        """Have another person or team, or with None ``admins`` alone, look after the membership."""

    def removeMember(member: IParticipant) -> None:
        """Raises NotAMember, and LastMember for a team that must not run empty."""


class ICelebrity(Interface):
    """A team that code refers to by name; a utility of that name, from ``<celebrity>`` in ZCML.

    It exists in every database: a new one is made with it, and a server that starts adds those that a
    newer site declares.
    """

    name: str = Attribute("The name of the team.")
    title: str = Attribute("The display name that the team is made with.")


class ICelebrities(Interface):
    """The teams that code refers to: a secured utility."""

    admins = Attribute("The ITeam ``admins``: may do everything a person can be allowed to do.")

    def __getitem__(name: str) -> ITeam:
        """The celebrity called `name`.  Raises NoSuchPerson for any other team."""

    def __iter__() -> Iterator[ITeam]:
        """All of them, by name."""

    def __len__() -> int:
        """The number of celebrities."""


class IMembershipChanged(Interface):
    """Event: a participant joined or left a team, or was disabled or enabled."""

    participant: IParticipant = Attribute("The one that it concerns.")


class IPersonSet(Interface):
    """All people: a secured utility."""

    def new(name: str, display_name: str, email: str | None = None) -> IPerson:
        """Raises BadName, BadDisplayName, BadEmail, NameTaken and EmailTaken."""

    def getByName(name: str) -> IPerson | None:
        """The person called `name`."""

    def getByEmail(email: str) -> IPerson | None:
        """The person with this address, in whichever letter case."""

    def __getitem__(name: str) -> IPerson:
        """The person called `name`.  Raises NoSuchPerson."""

    def __iter__() -> Iterator[IPerson]:
        """All persons, by name."""

    def __len__() -> int:
        """The number of people."""


class ITeamSet(Interface):
    """All teams: a secured utility."""

    def new(name: str, display_name: str, owner: IParticipant | None = None) -> ITeam:
        """An empty team.  Raises BadName, BadDisplayName and NameTaken."""

    def getByName(name: str) -> ITeam | None:
        """The team called `name`."""

    def __getitem__(name: str) -> ITeam:
        """The team called `name`.  Raises NoSuchPerson."""

    def __iter__() -> Iterator[ITeam]:
        """All of them, by name."""

    def __len__() -> int:
        """The number of teams."""


class IParticipantFacts(Interface):
    """A named utility: what another system knows of persons and teams, for their pages and their JSON,
    where it stands under the utility's name."""

    title: str = Attribute("What the line on the page is called.")

    def facts(participant: IParticipant) -> Mapping[str, Any] | None:
        """For JSON; None: nothing, or nothing that the acting principal may see."""

    def line(facts: Mapping[str, Any]) -> str:
        """The facts in one line, for the page."""

    def path(participant: IParticipant) -> str:
        """Of the page that has more of it."""

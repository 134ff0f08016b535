"""People, the teams they are in, and what is refused about either."""

from collections.abc import Iterator, Sequence
from datetime import datetime

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
    """Somebody else has this address (letter case does not count)."""

    def __init__(self, email: str) -> None:
        super().__init__(f"the address {email!r} is taken")
        self.email = email


class NoSuchPerson(LibrarianError, KeyError):
    """Nobody, or no team, has this name."""

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
    """Whoever is to leave a team is not directly in it."""

    def __init__(self, team: str, member: str) -> None:
        super().__init__(f"{member!r} is not directly in {team!r}")
        self.team = team
        self.member = member


class LastMember(LibrarianError, ValueError):
    """The team needs somebody who can log in, and would have nobody left."""

    def __init__(self, team: str) -> None:
        super().__init__(f"{team!r} would have nobody left")
        self.team = team


class MalformedAuthorization(CredentialsRefused, ValueError):
    """An Authorization field that cannot be read; over HTTP a 400."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"malformed Authorization field: {problem}")
        self.problem = problem


class IParticipant(Interface):
    """What can be in a team: a person, or another team."""

    name: str = Attribute("Unique among people and teams, never changed or used again; part of URLs.")
    display_name: str = Attribute("What a page shows: 1 to 200 characters.")
    date_created: datetime = Attribute("Aware, in UTC.")

    def inTeam(team: "IParticipant") -> bool:
        """Whether this belongs to `team`, directly or through other teams.

        Everybody belongs to themselves, so that an owner may be a person or a team."""

    def in_team_named(name: str) -> bool:
        """Whether this is the team `name`, or belongs to it, directly or through other teams."""

    def teams() -> "Sequence[ITeam]":
        """The teams this is directly in, by name."""


class IPerson(IParticipant):
    """Somebody who can own things, log in, and be written to.

    People are not removed, since what they did keeps their name; they are disabled.
    """

    email: str | None = Attribute("Where mail goes; None for somebody who gets none.")
    active: bool = Attribute("Whether they may log in.")

    def setEmail(email: str | None) -> None:
        """Raises BadEmail and EmailTaken."""

    def disable() -> None:
        """No more log-ins, from now on; memberships stay.  Raises LastMember."""

    def enable() -> None:
        """Log-ins are allowed again."""


class ITeam(IParticipant):
    """People who are allowed something, together."""

    owner: IParticipant | None = Attribute("Who looks after the membership, beside ``admins``.")

    def members() -> Sequence[IParticipant]:
        """Who is directly in it, by name."""

    def people() -> Sequence[IPerson]:
        """Everybody active who is in it, directly or through other teams, once each, by name."""

    def addMember(member: IParticipant) -> None:
        """Let a person or a team join; joining twice is joining once.  Raises MembershipCycle."""

    def setOwner(owner: IParticipant | None) -> None:
        """Have somebody else look after the membership."""

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
        """How many celebrities there are."""


class IMembershipChanged(Interface):
    """Event: somebody joined or left a team, or may or may not log in any more."""

    participant: IParticipant = Attribute("Whom it concerns.")


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
        """Everybody, by name."""

    def __len__() -> int:
        """How many people there are."""


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
        """How many teams there are."""

"""Events: a team has other members, or a participant was disabled or enabled."""

from zope.interface import implementer

from librarian.people.interfaces import IMembershipChanged, IParticipant


@implementer(IMembershipChanged)
class MembershipChanged:
    """A participant joined or left a team, or was disabled or enabled."""

    def __init__(self, participant: IParticipant) -> None:
        self.participant = participant

"""Mail in documents and tests: it leaves at commit, as ever, and ends here."""

from collections.abc import Sequence
from email import message_from_bytes, policy
from email.message import EmailMessage

from zope.interface import implementer
from zope.sendmail.delivery import DirectMailDelivery
from zope.sendmail.interfaces import IMailer


@implementer(IMailer)
class Outbox:
    """Keeps what was sent, oldest first."""

    def __init__(self) -> None:
        self._sent: list[EmailMessage] = []

    def __len__(self) -> int:
        return len(self._sent)

    def renew(self) -> None:
        """Begin again with none."""
        self._sent = []

    def pop(self) -> EmailMessage:
        """Take the newest out."""
        return self._sent.pop()

    def send(self, fromaddr: str, toaddrs: Sequence[str], message: bytes) -> None:
        self._sent.append(message_from_bytes(message, EmailMessage, policy=policy.default))

    def vote(self, fromaddr: str, toaddrs: Sequence[str], message: bytes) -> None:
        """Whatever it is, it can be sent."""

    def abort(self) -> None:
        """Nothing is open that could be given up."""


outbox = Outbox()
delivery = DirectMailDelivery(outbox)

"""Mail that leaves when the transaction commits, and not at all when it aborts.

`IPostOffice.send` takes one text for several recipients and makes a message for each.  A message is checked
at once, so that an address that no header can hold is refused while the caller can still tell the user; it is
written when the transaction commits, by zope.sendmail, as a file in a folder in Maildir format, the *queue*
(the setting ``librarian.mail.queue``).  No transaction waits for an SMTP server, or fails because of one.

``librarian send-mail``, run by a timer or by hand, sends what is in the queue (`service.deliver_queue`).  A
message that the SMTP server does not take stays there for the next run.

Each message carries ``Auto-Submitted: auto-generated`` (RFC 3834, section 5), so that no absence notice
answers it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from zope.interface import Interface

from librarian.interfaces import LibrarianError

# ruff: noqa: N805  # zope.interface methods are written without self


class UnsendableMail(LibrarianError, ValueError):
    """An address, a name or a subject that no mail header can hold."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One person whom a message goes to."""

    display_name: str
    email: str


class IPostOffice(Interface):
    """Takes mail, one copy for each recipient, for when this thread's transaction commits."""

    def send(recipients: Iterable[Recipient], subject: str, body: str) -> int:
        """Queue the mail; the number of copies.  Raises UnsendableMail; nothing is sent then."""

"""Writing messages to the queue, and sending what is in it."""

import logging
from collections.abc import Iterable
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from zope.component import getUtility
from zope.interface import implementer
from zope.sendmail.delivery import QueuedMailDelivery
from zope.sendmail.interfaces import IMailDelivery
from zope.sendmail.maildir import Maildir
from zope.sendmail.mailer import SMTPMailer
from zope.sendmail.queue import QueueProcessorThread

from librarian.interfaces import IClock, ISettings
from librarian.mail.interfaces import IPostOffice, Recipient, UnsendableMail
from librarian.mail.settings import MailSettings

log = logging.getLogger(__name__)

# What `email` raises for an address it cannot read, depending on the address and on the version of Python.
UNFIT_ADDRESS = (ValueError, IndexError, HeaderParseError)


@implementer(IPostOffice)
class PostOffice:
    """Writes messages and hands them to IMailDelivery, which joins the transaction."""

    def send(self, recipients: Iterable[Recipient], subject: str, body: str) -> int:
        sender = getUtility(ISettings).section(MailSettings)
        messages = [(each, self._message(sender, each, subject, body)) for each in recipients]
        delivery: Any = getUtility(IMailDelivery)
        for recipient, message in messages:
            delivery.send(sender.sender, [recipient.email], message.as_bytes(policy=SMTP))
            log.info("mail accepted to=%s", recipient.email)
        return len(messages)

    def _message(self, sender: MailSettings, recipient: Recipient, subject: str, body: str) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        try:
            message["From"] = Address(sender.sender_name, addr_spec=sender.sender)
            message["To"] = Address(recipient.display_name, addr_spec=recipient.email)
            message["Subject"] = subject
        except UNFIT_ADDRESS as error:
            raise UnsendableMail(f"no mail can go to {recipient.email!r}: {error}") from error
        message["Date"] = format_datetime(getUtility(IClock).now())
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834, section 5: no absence notice answers it
        message.set_content(body)
        return message


@implementer(IMailDelivery)
class SettingsQueue:
    """The queue in the folder that the settings name, made when it is first needed."""

    def send(self, fromaddr: str, toaddrs: list[str], message: bytes) -> Any:
        return QueuedMailDelivery(_queue_path()).send(fromaddr, toaddrs, message)


class _Processor(QueueProcessorThread):
    """Gives a message free again when sending it failed.

    zope.sendmail leaves it marked as being sent, so that it would wait three hours for its next try.
    """

    def _process_one_file(self, filename: str) -> None:
        self.mailer.broke = False
        super()._process_one_file(filename)
        if self.mailer.broke and Path(filename).exists():
            path = Path(filename)
            path.with_name(f".sending-{path.name}").unlink(missing_ok=True)


class _Mailer(SMTPMailer):
    broke = False

    def send(self, fromaddr: str, toaddrs: list[str], message: bytes) -> None:
        self.broke = True
        super().send(fromaddr, toaddrs, message)
        self.broke = False


def deliver_queue() -> None:
    """Send what waits in the queue, by SMTP, once; what cannot be sent now stays for the next time."""
    settings = getUtility(ISettings).section(MailSettings)
    processor = _Processor()
    processor.setMailer(_Mailer(settings.smtp_host, settings.smtp_port))
    processor.setMaildir(Maildir(_queue_path(), create=True))
    processor.run(forever=False)


def waiting() -> int:
    """The number of messages in the queue that have not been sent; 0 where there is no queue yet."""
    path = Path(getUtility(ISettings).section(MailSettings).queue)
    folders = [path / name for name in ("new", "cur")]
    found = (entry.name for folder in folders if folder.is_dir() for entry in folder.iterdir())
    return sum(1 for name in found if not name.startswith("."))


def _queue_path() -> str:
    path = Path(getUtility(ISettings).section(MailSettings).queue)
    path.parent.mkdir(parents=True, exist_ok=True)
    return str(Maildir(str(path), create=True).path)

"""The settings of mail."""

from dataclasses import dataclass

from zope.interface import provider

from librarian.interfaces import ISettingsSection
from librarian.settings import Section


@provider(ISettingsSection)
@dataclass(frozen=True)
class MailSettings(Section):
    """The sender of mail, the queue it waits in, and the server it goes to."""

    prefix = "mail"
    sender: str = "librarian@localhost"  # the address that mails come from
    sender_name: str = "Librarian"  # the name beside it
    queue: str = "var/mail"  # the folder where mails wait for the SMTP server
    smtp_host: str = "localhost"  # the server that takes them
    smtp_port: int = 25  # its port

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
    sender: str = "librarian@localhost"
    sender_name: str = "Librarian"
    queue: str = "var/mail"
    smtp_host: str = "localhost"
    smtp_port: int = 25

"""Mail to the owners of mirrors: subscribers to the registry's events."""

import logging
from typing import Any

from zope.component import getUtility

from librarian.mail.interfaces import IPostOffice, Recipient, UnsendableMail
from librarian.mirrors import mail_texts
from librarian.mirrors.enums import FindingKind
from librarian.mirrors.interfaces import ICertificateExpiring, IMirrorDisabled, IMirrorRecovered
from librarian.people.interfaces import ITeam

log = logging.getLogger(__name__)


def recipients_of(owner: Any) -> list[Recipient]:
    """The active people behind an owner, a person or a team, that have a mail address."""
    people = owner.people() if ITeam.providedBy(owner) else [owner]
    return [Recipient(each.display_name, each.email) for each in people if each.email and each.active]


def _facts(mirror: Any) -> mail_texts.MirrorFacts:
    distribution = mirror.distribution.display_name
    return mail_texts.MirrorFacts(mirror.name, distribution, mirror.base_url, mirror.owner.display_name)


def _send(mirror: Any, text: mail_texts.MailText) -> None:
    try:
        copies = getUtility(IPostOffice).send(recipients_of(mirror.owner), text.subject, text.body)
    except UnsendableMail as error:
        # The result of the probe is recorded all the same.
        log.error("mail to owner failed mirror=%s reason=%s", mirror.id, error)
        return
    if not copies:
        log.warning("owner has no mail address mirror=%s", mirror.id)


def mirror_disabled(event: IMirrorDisabled) -> None:
    """Send the owner what is wrong and since when."""
    mirror: Any = event.mirror
    troubles = [mail_texts.Trouble(FindingKind(kind), url, since) for kind, url, since in mirror.troubles]
    _send(mirror, mail_texts.failed(_facts(mirror), mirror.failures, troubles, event.log))
    log.info("mirror disabled mirror=%s", mirror.id)


def mirror_recovered(event: IMirrorRecovered) -> None:
    """Send the owner that the mirror is well again."""
    _send(event.mirror, mail_texts.recovered(_facts(event.mirror), event.down_since))
    log.info("mirror recovered mirror=%s", event.mirror.id)


def certificate_expiring(event: ICertificateExpiring) -> None:
    """Send the owner the date on which the certificate ends."""
    _send(event.mirror, mail_texts.warned(_facts(event.mirror), event.expires))
    log.info("certificate expiring mirror=%s", event.mirror.id)

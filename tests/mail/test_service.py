"""Mail with a real SMTP server: after the commit, once, and not when it aborts."""

import shutil
import tempfile
import unittest
from pathlib import Path

import transaction
from zope.component import getGlobalSiteManager, getUtility
from zope.sendmail.interfaces import IMailDelivery

from librarian.mail.interfaces import IPostOffice, Recipient, UnsendableMail
from librarian.mail.service import SettingsQueue, deliver_queue
from tests.support.layers import Functional
from tests.support.servers.smtp import SmtpServer
from tests.support.world import overlay


class QueuedMail(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.inbox = SmtpServer()
        self.inbox.start()
        self.addCleanup(self.inbox.stop)
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        lines = [f"queue = {self.folder}/queue", "smtp_host = 127.0.0.1", f"smtp_port = {self.inbox.port}"]
        lying_over = overlay("\n".join(["[librarian.mail]", *lines]))
        lying_over.__enter__()
        self.addCleanup(lying_over.__exit__, None, None, None)
        self.use(SettingsQueue())

    def use(self, delivery: object) -> None:
        registry = getGlobalSiteManager()
        before = getUtility(IMailDelivery)
        registry.registerUtility(delivery, IMailDelivery)
        self.addCleanup(registry.registerUtility, before, IMailDelivery)

    def send(self, name: str = "Foo Bar", email: str = "foo.bar@example.com", subject: str = "News") -> None:
        getUtility(IPostOffice).send([Recipient(name, email)], subject, "Grüße\n")

    def test_sent_once_after_the_commit(self) -> None:
        self.send()
        deliver_queue()
        self.assertEqual(self.inbox.messages, [])
        transaction.commit()
        deliver_queue()
        deliver_queue()
        [message] = self.inbox.messages
        self.assertEqual(message["To"], "Foo Bar <foo.bar@example.com>")
        self.assertEqual(message.get_content().strip(), "Grüße")
        self.assertEqual(message["Auto-Submitted"], "auto-generated")

    def test_an_abort_sends_nothing(self) -> None:
        self.send()
        transaction.abort()
        deliver_queue()
        self.assertEqual(self.inbox.messages, [])

    def test_a_server_that_is_down_loses_nothing(self) -> None:
        with overlay("[librarian.mail]\nsmtp_port = 9\n"):
            self.send()
            transaction.commit()
            deliver_queue()
        deliver_queue()
        self.assertEqual(len(self.inbox.messages), 1)

    def test_no_header_is_smuggled_in(self) -> None:
        for name, email, subject in (
            ("Foo\nBcc: x@example.com", "foo@example.com", "News"),
            ("Foo", "foo@example.com\nBcc: x@example.com", "News"),
            ("Foo", "not an address", "News"),
            ("Foo", "", "News"),
            ("Foo", "foo@example.com", "News\nBcc: x@example.com"),
        ):
            with self.assertRaises(UnsendableMail, msg=(name, email, subject)):
                self.send(name, email, subject)

    def test_names_beyond_ascii(self) -> None:
        self.send("Żółć, Jr.", subject="Grüße")
        transaction.commit()
        deliver_queue()
        [message] = self.inbox.messages
        self.assertEqual(
            (message["To"].addresses[0].display_name, message["Subject"]), ("Żółć, Jr.", "Grüße")
        )

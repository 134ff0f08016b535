"""What owners are told."""

import unittest
from datetime import UTC, datetime

from librarian.mirrors import mail_texts
from librarian.mirrors.enums import FindingKind

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
MIRROR = mail_texts.MirrorFacts("foobarmirror", "ubuntu", "http://foo.bar.com/pub", "Foo Bar")


class Mails(unittest.TestCase):
    def test_every_kind_has_words(self) -> None:
        for kind in FindingKind:
            self.assertIn(
                "(since 2026-01-10 12:00 UTC)",
                mail_texts.describe([mail_texts.Trouble(kind, "http://x", NOW)]),
            )

    def test_many_urls_are_counted_not_listed(self) -> None:
        troubles = [mail_texts.Trouble(FindingKind.MISSING, f"http://x/{n}", NOW) for n in range(1000)]
        text = mail_texts.describe(troubles)
        self.assertLess(len(text), 1000)
        self.assertIn("and 990 more", text)

    def test_the_log_is_cut(self) -> None:
        text = mail_texts.failed(MIRROR, 2, [], b"line\n" * 100).body
        self.assertEqual(text.count("    line\n"), mail_texts.LOG_LINES)
        self.assertIn("failed 2 times in a row", text)

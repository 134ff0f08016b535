"""The numbers in the collector's report: of a dry run as of the real one."""

from datetime import timedelta

import transaction
from zope.component import getUtility

from librarian.library.tokens.interfaces import ITimeLimitedTokenSet
from librarian.library.upkeep.garbage.collector import GarbageCollector
from librarian.library.upkeep.garbage.report import Report
from tests.library.test_garbage import Collecting


class Numbers(Collecting):
    def report(self, dry_run: bool) -> Report:
        return GarbageCollector(self.library, dry_run).run()

    def both(self) -> Report:
        """That of a run, which a dry one has announced."""
        announced, found = self.report(True), self.report(False)
        self.assertEqual(announced, found)
        return found

    def test_what_was_seen_done_and_freed(self) -> None:
        self.held.ids.add(self.add(b"kept"))
        for number in range(3):
            self.add(b"unclaimed %d" % number)
        self.add(b"expired", expires=self.clock.now() + timedelta(days=1))
        self.clock.move(days=8)
        seen = {"expire": 5, "aliases": 5, "contents": 5 + 5, "bytes": 5, "tokens": 0}
        self.assertEqual(self.both(), Report(seen, {"aliases": {"marked": 3}}))
        self.clock.move(days=8)
        done = {
            "expire": {"expired": 1},
            "aliases": {"marked": 1, "dropped": 3},
            "contents": {"dropped": 4},
            "bytes": {"swept": 4},
        }
        seen["contents"] += 5  # those that are unclaimed are looked at once more before they go
        self.assertEqual(self.both(), Report(seen, done, freed=3 * len(b"unclaimed 0") + len(b"expired")))
        seen = {"expire": 2, "aliases": 2, "contents": 2 + 1, "bytes": 1, "tokens": 0}
        self.assertEqual(self.both(), Report(seen))

    def test_tokens(self) -> None:
        url = self.aliases[self.add(b"plan", restricted=True)].private_url
        for _token in range(3):
            getUtility(ITimeLimitedTokenSet).allocate(url)
        transaction.commit()
        self.clock.move(days=2)
        report = self.both()
        self.assertEqual((report.seen["tokens"], report.done), (3, {"tokens": {"forgotten": 3}}))

"""What is announced about files: when, once, and never by a dry run."""

import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import transaction
from zope.component import getGlobalSiteManager, getUtilitiesFor

from librarian.interfaces import IAnnouncedEvent, IEventKind
from librarian.library.operations import Library
from librarian.library.upkeep.garbage.collector import GarbageCollector
from librarian.library.upkeep.scrubbing import Scrub
from librarian.store.copies import Copies
from tests.support.documents.library import a_copy_of, damage, keep
from tests.support.layers import Functional
from tests.support.world import overlay


@contextmanager
def announced() -> Iterator[list[Any]]:
    """The events that are announced in the `with`."""
    found: list[Any] = []
    manager = getGlobalSiteManager()
    manager.registerHandler(found.append, (IAnnouncedEvent,))
    try:
        yield found
    finally:
        manager.unregisterHandler(found.append, (IAnnouncedEvent,))


class AnnouncedTests(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.library = Library()

    def kinds(self, found: list[Any]) -> list[tuple[str, str]]:
        return [(event.kind, event.subject) for event in found]

    def test_every_class_of_the_issue_has_a_kind(self) -> None:
        kinds = {name for name, _kind in getUtilitiesFor(IEventKind)}
        wanted = "file.added file.deleted file.undeleted file.expiring file.damaged file.repaired link.used"
        wanted += " upload.received mirror.disabled mirror.recovered machine.offline job.failed"
        self.assertLessEqual(set(f"{wanted} spool.exported spool.stuck".split()), kinds)

    def test_each_kind_says_when_it_happens(self) -> None:
        for name, kind in getUtilitiesFor(IEventKind):
            self.assertGreater(len(kind.__doc__), 10, name)
            self.assertTrue(kind.extends(IAnnouncedEvent), name)

    def test_added_deleted_undeleted(self) -> None:
        with announced() as found:
            number = keep(self.library, b"poem", "poem.txt", owner="person:ada")
            with self.library.tree.session():
                alias = self.library.alias(number)
                self.library.delete(alias)
                self.library.delete(alias)  # a second time is no event
                self.library.undelete(alias)
                transaction.abort()
        subject = f"files/{number}"
        self.assertEqual(
            self.kinds(found),
            [("file.added", subject), ("file.deleted", subject), ("file.undeleted", subject)],
        )
        self.assertEqual(found[0].owner, "person:ada")
        self.assertEqual((found[1].data["size"], found[1].data["filename"]), (4, "poem.txt"))

    def test_expiring_is_told_once_and_not_by_a_dry_run(self) -> None:
        expires = self.library.clock.now() + timedelta(days=10)
        number = keep(self.library, b"poem", "poem.txt", expires=expires)
        with announced() as found:
            GarbageCollector(self.library).run()
            self.assertEqual(found, [])  # too early
            self.layer.world.clock.move(days=4)
            GarbageCollector(self.library, dry_run=True).run()
            self.assertEqual(found, [])
            GarbageCollector(self.library).run()
            GarbageCollector(self.library).run()
        self.assertEqual(self.kinds(found), [("file.expiring", f"files/{number}")])

    def test_a_file_without_an_expiry_is_announced_before_it_is_dropped(self) -> None:
        number = keep(self.library, b"poem", "poem.txt")
        clock = self.layer.world.clock
        self.enterContext(overlay("[librarian]\nexpiry_notice = 3d"))
        with announced() as found:
            for _day in range(12):  # of which it is unreferenced, and young, for a week
                GarbageCollector(self.library).run()
                clock.move(days=1)
            self.assertEqual(found, [])
            GarbageCollector(self.library, dry_run=True).run()
            self.assertEqual(found, [])
            GarbageCollector(self.library).run()
            GarbageCollector(self.library).run()
            self.assertEqual(self.kinds(found), [("file.expiring", f"files/{number}")])
            until = datetime.fromisoformat(found[0].data["until"])
            self.assertEqual(until - clock.now(), timedelta(days=3))
            clock.move(days=4)
            GarbageCollector(self.library).run()
        self.assertEqual([event.kind for event in found], ["file.expiring", "file.deleted"])

    def test_the_collector_announces_what_it_deletes(self) -> None:
        expires = self.library.clock.now() + timedelta(days=10)
        number = keep(self.library, b"poem", "poem.txt", expires=expires)
        self.layer.world.clock.move(days=20)
        with announced() as found:
            GarbageCollector(self.library, dry_run=True).run()
            GarbageCollector(self.library).run()
        self.assertEqual(self.kinds(found), [("file.deleted", f"files/{number}")])
        self.assertEqual(found[0].data["by"], "gc")

    def test_damage_and_repair(self) -> None:
        number = keep(self.library, b"poem", "poem.txt")
        with self.library.tree.session():
            content = self.library.alias(number).content
            assert content is not None
            sha256 = content.sha256
        damage(sha256)
        with announced() as found:
            Scrub(self.library).run()
            Scrub(self.library).run()  # still in quarantine: no news
            Scrub(self.library, Copies(a_copy_of(b"poem"))).run()
        subject = f"files/{number}"
        self.assertEqual(self.kinds(found), [("file.damaged", subject), ("file.repaired", subject)])

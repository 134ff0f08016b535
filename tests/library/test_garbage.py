"""The collector at its boundaries, and beside everything else that goes on."""

import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO
from typing import Any
from unittest.mock import patch

import transaction
from ZODB.POSException import ConflictError
from zope.component import getGlobalSiteManager, getUtility
from zope.interface import implementer

from librarian.library.interfaces import (
    NEVER_EXPIRES,
    AliasNotFound,
    CollectorRefuses,
    IFileReferences,
    ILibraryFileAliasSet,
    NotStored,
)
from librarian.library.model.files import FileHolds, LibraryFileAlias, LibraryFileContent
from librarian.library.operations import Library
from librarian.library.upkeep.garbage.collector import STEPS, GarbageCollector
from librarian.library.upkeep.garbage.report import Report
from librarian.library.upkeep.garbage.run import Run
from librarian.library.upkeep.garbage.steps import look_at_aliases
from librarian.library.upkeep.leases import HeldLease
from tests.support.layers import Functional
from tests.support.world import overlay


@implementer(IFileReferences)
class Held:
    """Holds what it is told to."""

    def __init__(self) -> None:
        self.ids: set[int] = set()
        self.broken = False

    def held_among(self, alias_ids: frozenset[int]) -> set[int]:
        if self.broken:
            raise ZeroDivisionError
        return self.ids & alias_ids

    def holders(self, alias_id: int) -> list[str]:
        return []


@contextmanager
def registered(utility: Any, name: str) -> Iterator[None]:
    registry = getGlobalSiteManager()
    registry.registerUtility(utility, IFileReferences, name)
    try:
        yield
    finally:
        registry.unregisterUtility(utility, IFileReferences, name)


class Collecting(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.world = Functional.world
        self.clock, self.store = self.world.clock, self.world.store
        self.aliases = getUtility(ILibraryFileAliasSet)
        self.library = Library()
        self.held = Held()
        self.enterContext(registered(self.held, "test"))

    def add(self, data: bytes = b"data", **options: Any) -> int:
        alias_id: int = self.aliases.create("f.txt", len(data), BytesIO(data), "text/plain", **options).id
        transaction.commit()
        return alias_id

    def collect(self, dry_run: bool = False, **options: Any) -> list[str]:
        lines: list[str] = []
        GarbageCollector(self.library, dry_run, lambda action: lines.append(str(action))).run(**options)
        return lines

    def there(self, alias_id: int) -> str:
        try:
            return "deleted" if self.aliases[alias_id].deleted else "whole"
        except AliasNotFound:
            return "gone"

    def weeks(self, number: int, **more: float) -> None:
        """Collect, and let a week and an hour pass, `number` times."""
        for _turn in range(number):
            self.collect()
            self.clock.move(days=7, hours=1)


class Boundaries(Collecting):
    def test_unreferenced(self) -> None:
        alias_id = self.add()
        self.clock.move(days=6, hours=23)
        self.assertEqual(self.collect(), [])  # not a week old: not even marked
        self.clock.move(hours=2)
        self.assertEqual(self.collect(), [f"marked alias {alias_id} f.txt"])
        self.clock.move(days=6, hours=23)
        self.assertEqual(self.collect(), [])
        self.clock.move(hours=2)
        dropped = self.collect()
        self.assertEqual([line.split()[0] for line in dropped], ["dropped", "dropped", "swept"])
        self.assertEqual((self.there(alias_id), list(self.store)), ("gone", []))

    def test_referenced(self) -> None:
        alias_id = self.add()
        self.held.ids.add(alias_id)
        self.weeks(5)
        self.assertEqual(self.there(alias_id), "whole")

    def test_a_reference_that_comes_back_in_time(self) -> None:
        alias_id = self.add()
        self.clock.move(days=8)
        self.collect()
        self.held.ids.add(alias_id)
        self.clock.move(days=8)
        self.assertEqual(self.collect(), [f"unmarked alias {alias_id} f.txt"])
        self.held.ids.clear()
        self.assertEqual(self.collect(), [f"marked alias {alias_id} f.txt"])
        self.assertEqual(self.there(alias_id), "whole")

    def test_never(self) -> None:
        alias_id = self.add(expires=NEVER_EXPIRES)
        self.weeks(5)
        self.assertEqual(self.there(alias_id), "whole")

    def test_an_expiry_to_come_keeps_it(self) -> None:
        alias_id = self.add(expires=self.clock.now() + timedelta(days=60))
        self.weeks(5)
        self.assertEqual(self.there(alias_id), "whole")

    def test_an_expiry_that_has_passed_takes_it_though_it_is_held(self) -> None:
        alias_id = self.add(expires=self.clock.now())
        self.held.ids.add(alias_id)
        self.clock.move(days=6, hours=23)
        self.collect()
        self.assertEqual(self.there(alias_id), "whole")
        self.clock.move(hours=2)
        self.collect()
        self.assertEqual(self.there(alias_id), "deleted")

    def test_bytes_without_a_content(self) -> None:
        self.add(b"named")
        stray = self.store.put(BytesIO(b"stray")).sha256
        self.clock.move(hours=23)
        self.assertEqual(self.collect(), [])
        self.clock.move(hours=2)
        self.assertEqual(self.collect(), [f"swept bytes {stray}"])
        self.assertEqual(len(list(self.store)), 1)

    def test_bytes_claimed_again_start_anew(self) -> None:
        self.add(b"named")
        self.store.put(BytesIO(b"stray"))
        self.clock.move(hours=23)
        self.store.put(BytesIO(b"stray"))
        self.clock.move(hours=23)
        self.assertEqual(self.collect(), [])

    def test_one_of_two_aliases(self) -> None:
        kept, lost = self.add(), self.add()
        self.held.ids.add(kept)
        self.weeks(4)
        self.assertEqual((self.there(kept), self.there(lost)), ("whole", "gone"))
        self.assertEqual(self.aliases[kept].read(), b"data")

    def test_steps_alone(self) -> None:
        alias_id = self.add(expires=self.clock.now())
        self.clock.move(days=8)
        self.assertEqual(
            self.collect(steps=("aliases", "contents", "bytes")), [f"marked alias {alias_id} f.txt"]
        )
        self.assertEqual(self.collect(steps=("expire",)), [f"expired alias {alias_id} f.txt"])


class DryRuns(Collecting):
    def test_it_says_what_the_run_then_does(self) -> None:
        for number in range(5):
            self.add(b"%d" % number)
        expired = self.add(b"old", expires=self.clock.now())
        self.held.ids.add(expired)
        self.store.put(BytesIO(b"stray"))
        for _turn in range(4):
            self.clock.move(days=8)
            before = sorted(self.store)
            planned = self.collect(dry_run=True)
            self.assertEqual(sorted(self.store), before)
            self.assertEqual(self.collect(), planned)
        self.assertEqual(list(self.store), [])


class Deleting(Collecting):
    def delete(self, alias_id: int) -> None:
        self.library.subtree.delete_content(self.library.alias(alias_id), self.clock.now())
        transaction.commit()

    def test_brought_back_within_a_week(self) -> None:
        alias_id = self.add()
        url = self.aliases[alias_id].http_url
        self.delete(alias_id)
        self.clock.move(days=6, hours=23)
        self.collect()
        self.library.subtree.undelete(self.library.alias(alias_id))
        transaction.commit()
        self.assertEqual((self.aliases[alias_id].http_url, self.aliases[alias_id].read()), (url, b"data"))

    def test_gone_after_it(self) -> None:
        alias_id = self.add()
        self.delete(alias_id)
        self.clock.move(days=7, hours=1)
        self.collect()
        self.assertRaises(LookupError, self.library.subtree.undelete, self.library.alias(alias_id))
        self.assertEqual(list(self.store), [])


class Refusals(Collecting):
    def refused(self, reason: str, **options: Any) -> None:
        with self.assertRaises(CollectorRefuses) as caught:
            self.collect(**options)
        self.assertIn(reason, str(caught.exception))

    def setUp(self) -> None:
        super().setUp()
        self.alias_id = self.add()
        self.collect()
        self.clock.move(days=30)

    def tearDown(self) -> None:
        self.assertEqual(self.there(self.alias_id), "whole")

    def test_clocks_that_differ(self) -> None:
        self.world.tree.skew = timedelta(minutes=5)
        self.refused("differ by 0:05:00")
        self.world.tree.skew = timedelta(minutes=-5)
        self.refused("differ by 0:05:00")

    def test_a_clock_that_went_back(self) -> None:
        self.clock.move(days=-31)
        self.refused("but the last run was at")

    def test_a_holder_that_fails(self) -> None:
        self.held.broken = True
        self.refused("test cannot tell which files it holds")

    def test_a_holder_that_is_no_longer_there(self) -> None:
        with registered(Held(), "gone"):
            self.collect(steps=())
        self.refused("held by: gone")

    def test_an_empty_tree_over_a_full_store(self) -> None:
        subtree = self.library.subtree
        subtree.drop(self.library.alias(self.alias_id))
        for content in list(subtree.contents.values()):
            subtree.drop_content(content)
        transaction.commit()
        self.assertEqual(len(list(self.store)), 1)
        self.refused("the byte store is not empty", trust_empty_tree=False)
        self.assertEqual(len(list(self.store)), 1)
        self.collect(trust_empty_tree=True)
        self.assertEqual(list(self.store), [])
        self.alias_id = self.add()


class HeldBack(Collecting):
    """A sweep that would take an unusual share takes nothing."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(overlay("[librarian]\nsweep_max_files = 3\nsweep_max_share = 0.5"))
        self.add(b"named")

    def stray(self, number: int) -> None:
        for turn in range(number):
            self.store.put(BytesIO(b"stray %d" % turn))
        self.clock.move(days=2)

    def sweep(self, **options: Any) -> Report:
        return GarbageCollector(self.library).run(("bytes",), **options)

    def test_as_many_as_are_always_allowed(self) -> None:
        self.stray(3)
        report = self.sweep()
        self.assertEqual((report.held_back, report.done["bytes"]), (0, {"swept": 3}))

    def test_more_than_the_number_and_the_share(self) -> None:
        self.stray(4)
        report = self.sweep()
        self.assertEqual((report.held_back, report.done, len(list(self.store))), (4, {}, 5))
        self.assertIn("4 of 5 files would go, more than 50%", report.skipped["bytes"])
        self.assertEqual(self.sweep(however_much=True).done["bytes"], {"swept": 4})
        self.assertEqual(len(list(self.store)), 1)

    def test_more_than_the_number_and_less_than_the_share(self) -> None:
        for turn in range(6):
            self.add(b"named %d" % turn)
        self.stray(4)
        self.assertEqual(self.sweep().done["bytes"], {"swept": 4})

    def test_a_dry_run_shows_them_and_says_so(self) -> None:
        self.stray(4)
        lines: list[str] = []
        collector = GarbageCollector(self.library, True, lambda action: lines.append(str(action)))
        report = collector.run(("bytes",))
        self.assertEqual((len(lines), report.held_back), (4, 4))

    def test_more_than_fit_into_one_round(self) -> None:
        self.stray(7)
        with patch("librarian.library.upkeep.garbage.sweeping.ROUND", 2):
            self.assertEqual(self.sweep(however_much=True).done["bytes"], {"swept": 7})
        self.assertEqual(len(list(self.store)), 1)

    def test_what_is_named_between_the_look_and_the_removal_stays(self) -> None:
        self.stray(2)
        named: list[int] = []

        def renew(lease: HeldLease) -> None:
            if not named:
                named.append(self.add(b"stray 1"))

        with patch.object(HeldLease, "renew", renew):
            report = self.sweep()
        self.assertEqual(report.done["bytes"], {"swept": 1})
        self.assertEqual(self.there(named[0]), "whole")


class Races(Collecting):
    """Each interleaving by hand: one side begins, the other commits, the first finds out."""

    def apart(self, work: Any) -> None:
        self.world.tree.run_independently(work)

    def ripe(self) -> int:
        """An alias that the next run drops."""
        alias_id = self.add()
        self.clock.move(days=8)
        self.collect()
        self.clock.move(days=8)
        return alias_id

    def test_a_hold_that_commits_while_the_alias_is_dropped(self) -> None:
        alias_id, holds = self.ripe(), FileHolds()
        subtree = self.library.subtree
        holds.hold(self.library.alias(alias_id), "mine")
        self.apart(lambda: self.library.subtree.drop(self.library.alias(alias_id)))
        self.assertRaises(transaction.interfaces.TransientError, transaction.commit)
        transaction.abort()
        self.assertRaises(LookupError, subtree.alias, alias_id)

    def test_a_drop_that_commits_while_the_alias_is_held(self) -> None:
        alias_id = self.ripe()
        self.library.subtree.drop(self.library.alias(alias_id))
        self.apart(lambda: FileHolds().hold(self.library.alias(alias_id), "mine"))
        self.assertRaises(transaction.interfaces.TransientError, transaction.commit)
        transaction.abort()
        self.assertEqual(self.there(alias_id), "whole")

    def test_a_deleted_file_cannot_be_held(self) -> None:
        record = self.library.alias(self.add())
        self.library.subtree.delete_content(record)
        self.assertRaises(NotStored, FileHolds().hold, record, "mine")

    def test_a_content_named_again_while_it_is_marked(self) -> None:
        first = self.ripe()
        stored = self.store.put(BytesIO(b"data"))
        self.library.subtree.drop(self.library.alias(first))
        transaction.commit()
        self.library.add(stored, "again.txt", "text/plain")  # begins before the mark
        self.apart(lambda: setattr(self._content(stored), "unclaimed_since", self.clock.now()))
        self.assertRaises(transaction.interfaces.TransientError, transaction.commit)
        transaction.abort()

    def test_a_content_named_again_while_it_is_dropped(self) -> None:
        first = self.ripe()
        stored = self.store.put(BytesIO(b"data"))
        self.library.subtree.drop(self.library.alias(first))
        self._content(stored).unclaimed_since = self.clock.now()
        transaction.commit()
        self.library.subtree.drop_content(self._content(stored))  # begins before the claim
        self.apart(lambda: self.library.add(stored, "again.txt", "text/plain"))
        self.assertRaises(transaction.interfaces.TransientError, transaction.commit)
        transaction.abort()
        self.assertIsNotNone(self._content(stored))

    def _content(self, stored: Any) -> Any:
        return self.library.subtree.contents[bytes.fromhex(stored.sha256)]


class Walks(Collecting):
    def loads(self, kind: type, *steps: str) -> int:
        """How many objects of a kind a dry run loads."""
        loaded: list[Any] = []
        load = kind.__setstate__  # type: ignore[attr-defined]

        def counted(thing: Any, state: Any) -> None:
            loaded.append(state)
            load(thing, state)

        transaction.commit()
        self.library.tree.forget_loaded()
        with patch.object(kind, "__setstate__", counted):
            GarbageCollector(self.library, True).run(steps or STEPS)
        return len(loaded)

    def test_an_alias_is_loaded_once_for_all_steps(self) -> None:
        for number in range(5):
            self.add(b"%d" % number)
        self.assertEqual(self.loads(LibraryFileAlias), 5)

    def test_a_content_that_is_named_is_not_loaded(self) -> None:
        for number in range(5):
            self.add(b"%d" % number)
        self.assertEqual(self.loads(LibraryFileContent, "contents"), 0)

    def test_a_file_that_expires_is_marked_in_the_same_run(self) -> None:
        self.add(expires=self.clock.now())
        self.clock.move(days=8)
        lines: list[str] = []
        GarbageCollector(self.library, True, lambda action: lines.append(str(action))).run()
        self.assertEqual([line.split()[0] for line in lines], ["expired", "marked", "dropped", "swept"])


class BusyWriters(Collecting):
    def test_a_batch_that_always_loses_becomes_smaller(self) -> None:
        ids = [self.add(b"%d" % number) for number in range(12)]
        self.clock.move(days=8)
        collecting = Run(self.library, False, lambda action: None)
        sizes: list[int] = []
        run = self.library.tree.run

        def lose(work: Any) -> Any:
            sizes.append(collecting.size)
            if collecting.size > 5:
                raise ConflictError
            return run(work)

        with patch.object(self.library.tree, "run", lose):
            look_at_aliases(collecting, {}, ("aliases",))
        self.assertEqual(collecting.report.done["aliases"], {"marked": len(ids)})
        self.assertEqual(sizes[:4], [1000, 100, 10, 1])

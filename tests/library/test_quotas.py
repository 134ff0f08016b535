"""Quotas: what counts, what is refused, and that counts stay right."""

import threading
import unittest
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import transaction
from ZODB.POSException import ConflictError
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import ISettings
from librarian.library.model.quotas import Use
from librarian.library.operations import Library
from librarian.library.quotas.counting import count_all, mend
from librarian.library.quotas.interfaces import Limit, QuotaExceeded
from librarian.library.upkeep.checking import Check
from librarian.library.upkeep.garbage.collector import GarbageCollector
from librarian.people.interfaces import IPersonSet, ITeamSet
from tests.support.documents.library import keep, library_in
from tests.support.documents.people import person
from tests.support.layers import Functional
from tests.support.threads import elsewhere

ADA, BOB = "person:ada", "person:bob"


class QuotaTests(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.library = Library()
        self.rules = self.library.quotas

    def person(self, name: str = "ada", *teams: str) -> Any:
        return person(name, *teams).person

    def limit(self, participant: Any, **values: int | None) -> None:
        self.rules.set_limits(participant, values)
        transaction.begin()

    def used(self, owner: str = ADA) -> tuple[int, int] | None:
        transaction.begin()
        quotas = self.library.subtree.quotas
        use = None if quotas is None else quotas.uses.get(owner)
        return None if use is None else (use.files, use.bytes)

    def change(self, alias_id: int, verb: str) -> None:
        self.library.tree.run(lambda: getattr(self.library, verb)(self.library.alias(alias_id)))

    def settings(self, text: str) -> None:
        settings = getUtility(ISettings)
        settings.push("quotas", f"[librarian.quota]\n{text}")
        self.addCleanup(settings.pop, "quotas")


class What(QuotaTests):
    def test_nothing_is_recorded_where_nothing_is_limited(self) -> None:
        keep(self.library, b"poem", owner=ADA)
        transaction.begin()
        self.assertIsNone(self.library.subtree.quotas)

    def test_what_was_there_counts_and_shared_bytes_count_for_each(self) -> None:
        keep(self.library, b"poem", owner=ADA)
        keep(self.library, b"poem", owner=ADA)
        keep(self.library, b"poem", owner=BOB)
        self.limit(self.person(), bytes=100)
        self.assertEqual(self.used(), (2, 8))
        self.assertIsNone(self.used(BOB))
        keep(self.library, b"poem", owner=ADA)
        self.assertEqual(self.used(), (3, 12))

    def test_deleted_restored_expired(self) -> None:
        self.limit(self.person(), bytes=100)
        alias_id = keep(self.library, b"poem", owner=ADA)
        self.change(alias_id, "delete")
        self.assertEqual(self.used(), (0, 0))
        self.change(alias_id, "undelete")
        self.assertEqual(self.used(), (1, 4))
        self.change(alias_id, "delete")
        keep(self.library, b"songs", owner=ADA, expires=self.library.clock.now() + timedelta(days=1))
        self.assertEqual(self.used(), (1, 5))
        self.layer.world.clock.move(days=9)
        GarbageCollector(self.library).run()
        self.assertEqual(self.used(), (0, 0))

    def test_a_copy_counts(self) -> None:
        self.limit(self.person(), files=2)
        alias_id = keep(self.library, b"poem", owner=ADA)

        def copy() -> None:
            self.library.add_copy(self.library.alias(alias_id), "copy.txt")

        self.library.tree.run(copy)
        self.assertEqual(self.used(), (2, 8))
        with self.assertRaises(QuotaExceeded):
            self.library.tree.run(copy)

    def test_a_file_is_not_restored_over_the_quota(self) -> None:
        ada = self.person()
        alias_id = keep(self.library, b"poem", owner=ADA)
        self.change(alias_id, "delete")
        self.limit(ada, bytes=3)
        with self.assertRaises(QuotaExceeded):
            self.change(alias_id, "undelete")
        self.assertEqual(self.used(), (0, 0))

    def test_the_refused_is_nowhere_also_where_its_caller_goes_on(self) -> None:
        self.limit(self.person(), bytes=3)
        stored = self.library.store.put(BytesIO(b"poem"))

        def careless() -> None:
            with self.assertRaises(QuotaExceeded):
                self.library.add(stored, "poem.txt", "text/plain", owner=ADA)

        self.library.tree.run(careless)
        self.assertEqual(self.used(), (0, 0))
        self.assertEqual(list(self.library.subtree.aliases), [])


class Limits(QuotaTests):
    def test_exactly_what_is_allowed(self) -> None:
        self.limit(self.person(), bytes=8, files=None)
        keep(self.library, b"poem", owner=ADA)
        keep(self.library, b"song", owner=ADA)
        with self.assertRaises(QuotaExceeded) as refused:
            keep(self.library, b"!", owner=ADA)
        self.assertEqual(refused.exception.quota.used, Limit(8, 2))
        self.assertEqual(str(refused.exception), "over the quota of person ada: 8 of 8 bytes are used")

    def test_the_setting_holds_until_an_administrator_says_otherwise(self) -> None:
        self.settings("person_bytes = 4\nperson_files = 10")
        ada, bob = self.person(), self.person("bob")
        keep(self.library, b"poem", owner=ADA)
        with self.assertRaises(QuotaExceeded):
            keep(self.library, b"!", owner=ADA)
        self.limit(ada, bytes=None)
        keep(self.library, b"!" * 10, owner=ADA)
        with self.assertRaises(QuotaExceeded):
            keep(self.library, b"songs", owner=BOB)
        self.limit(ada)
        with self.assertRaises(QuotaExceeded):
            keep(self.library, b"!", owner=ADA)
        self.assertEqual(self.rules.quota_of(ada).limit, Limit(4, 10))
        self.assertEqual(self.rules.quota_of(bob).used, Limit(0, 0))

    def test_what_was_there_before_the_setting_is_counted_at_the_first_upload(self) -> None:
        keep(self.library, b"poem", owner=ADA)
        keep(self.library, b"poem", owner=BOB)
        self.settings("person_bytes = 6")
        with self.assertRaises(QuotaExceeded):
            keep(self.library, b"song", owner=ADA)
        self.assertEqual(self.used(), (1, 4))
        self.assertEqual(self.used(BOB), (1, 4))

    def test_a_team_has_what_its_members_have(self) -> None:
        ada, bob = self.person(), self.person("bob")
        outer, inner = (
            removeSecurityProxy(getUtility(ITeamSet).new(name, name)) for name in ("outer", "inner")
        )
        outer.addMember(inner)
        inner.addMember(removeSecurityProxy(bob))
        outer.addMember(removeSecurityProxy(ada))
        transaction.commit()
        keep(self.library, b"poem", owner=ADA)
        self.limit(outer, bytes=10)
        keep(self.library, b"song", owner=BOB)
        with self.assertRaises(QuotaExceeded) as refused:
            keep(self.library, b"odes", owner=ADA)
        self.assertEqual(refused.exception.quota.as_json()["used"], {"bytes": 8, "files": 2})
        inner.removeMember(removeSecurityProxy(bob))
        transaction.commit()
        keep(self.library, b"odes", owner=ADA)


class Counts(QuotaTests):
    def test_changes_during_a_walk_are_not_lost(self) -> None:
        """The walk sees one moment; what comes after it is in the record."""
        keep(self.library, b"poem", owner=ADA)
        self.person()
        self.rules.begin(ADA, for_everyone=False)
        found = count_all(self.library.tree)
        keep(self.library, b"song!", owner=ADA)
        self.assertEqual(self.used(), (1, 5))
        self.assertEqual(mend(self.library.tree, found), 1)
        mend(self.library.tree, found)  # the second of two walks at the same time adds nothing
        self.assertEqual(self.used(), (2, 9))

    def test_fsck_finds_and_mends_a_wrong_count(self) -> None:
        self.limit(self.person(), bytes=100)
        keep(self.library, b"poem", owner=ADA)
        self.assertEqual(list(Check(self.library)), [])
        quotas: Any = self.library.subtree.quotas
        self.library.tree.run(lambda: quotas.uses[ADA].change(3, 30))
        wrong = "error use miscounted: person:ada -3 files, -30 bytes are missing in it"
        self.assertEqual([str(found) for found in Check(self.library)], [wrong])
        repairing = [str(found) for found in Check(self.library, repairs=True)]
        self.assertEqual(repairing, [f"{wrong}, mended"])
        self.assertEqual(self.used(), (1, 4))
        self.assertEqual(list(Check(self.library)), [])


class Merging(unittest.TestCase):
    """Two transactions change one record; what each has checked is noted in `most_*`."""

    def merged(self, committed: int, new: int, most: int | None, **more: int) -> int:
        old = {"files": 1, "bytes": 50, "counts": 1}
        saved = {**old, "bytes": committed, **more}
        found = Use()._p_resolveConflict(old, saved, {**old, "bytes": new, "most_bytes": most})
        return int(found["bytes"])

    def test_both_fit(self) -> None:
        self.assertEqual(self.merged(60, 70, 80), 80)
        self.assertEqual(self.merged(60, 70, None), 80)

    def test_too_much_together(self) -> None:
        with self.assertRaises(ConflictError):
            self.merged(60, 70, 79)

    def test_less_is_never_too_much(self) -> None:
        self.assertEqual(self.merged(90, 40, 20), 80)

    def test_a_count_between_the_two(self) -> None:
        with self.assertRaises(ConflictError):
            self.merged(60, 70, None, counts=2)


class Races(unittest.TestCase):
    """Threads of one process, each with a connection of its own, on FileStorage."""

    layer = Functional

    @contextmanager
    def limited(self, *owners: str, **limits: int | None) -> Iterator[tuple[Any, Any]]:
        """A library where one person, or the team of several, has these limits; and 60 bytes in its store."""
        with TemporaryDirectory() as folder, library_in(Path(folder)) as library:
            names = sorted({owner.removeprefix("person:") for owner in owners})

            def people() -> None:
                team = removeSecurityProxy(getUtility(ITeamSet).new("team", "Team"))
                for name in names:
                    team.addMember(removeSecurityProxy(getUtility(IPersonSet).new(name, name)))

            library.tree.run(people)
            with library.tree.session():
                limited = (ITeamSet, "team") if len(names) > 1 else (IPersonSet, names[0])
                library.quotas.set_limits(
                    removeSecurityProxy(getUtility(limited[0]).getByName(limited[1])), limits
                )
            yield library, library.store.put(BytesIO(b"x" * 60))
            with library.tree.session():
                self.assertEqual(library.quotas.count(), 0)

    def race(self, *owners: str, **limits: int | None) -> tuple[int, list[Exception]]:
        """Files of 60 bytes at the same time; how many were added, and the refusals."""
        with self.limited(*owners, **limits) as (library, stored):
            start = threading.Barrier(len(owners))
            refused: list[Exception] = []

            def upload(turn: int) -> bool:
                start.wait()
                try:
                    library.tree.run_independently(
                        lambda: library.add(stored, f"{turn}.txt", "text/plain", owner=owners[turn]) and None
                    )
                except QuotaExceeded as error:
                    refused.append(error)
                    return False
                return True

            with ThreadPoolExecutor(len(owners)) as threads:
                added = sum(threads.map(upload, range(len(owners))))
            return added, refused

    def test_a_member_is_refused_what_another_takes_meanwhile(self) -> None:
        with self.limited(ADA, BOB, bytes=200) as (library, stored):
            begun: list[str] = []

            def add(owner: str) -> None:
                library.add(stored, "f.txt", "text/plain", owner=owner)

            def add_late() -> None:
                add(ADA)
                if not begun:
                    begun.append(BOB)
                    elsewhere(lambda: library.tree.run_independently(lambda: add(BOB)))

            for owner in (ADA, BOB):  # there is room for one more
                library.tree.run_independently(partial(add, owner))
            self.assertRaises(QuotaExceeded, library.tree.run_independently, add_late)

    def test_two_of_sixty_percent(self) -> None:
        self.assertEqual(self.race(ADA, ADA, bytes=100)[0], 1)

    def test_twenty_threads_get_what_there_is(self) -> None:
        added, refused = self.race(*[ADA] * 20, bytes=600)
        self.assertEqual((added, len(refused)), (10, 10))

    def test_members_of_a_team_share_exactly(self) -> None:
        added, refused = self.race(*[ADA, BOB] * 5, bytes=300)
        self.assertEqual((added, len(refused)), (5, 5))

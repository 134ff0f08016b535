"""The scrub and fsck: what is damaged is found and named, and what is whole is left alone."""

import hashlib
import tempfile
import unittest
from datetime import date
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import transaction
from zope.component import getUtility

from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.operations import Library
from librarian.library.upkeep.checking import Check
from librarian.library.upkeep.scrubbing import Scrub
from librarian.store.copies import Copies
from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import BytesDamaged
from librarian.store.memory import MemoryStore
from tests.support.documents.library import damage
from tests.support.layers import Functional
from tests.support.servers import in_process as http


class Kept(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.library = Library()
        self.store: MemoryStore = Functional.world.store
        self.aliases = getUtility(ILibraryFileAliasSet)

    def add(self, data: bytes, **options: Any) -> Any:
        alias = self.aliases.create("f.txt", len(data), BytesIO(data), "text/plain", **options)
        transaction.commit()
        return alias

    def add_old(self, number: int) -> None:
        """Files of which none is new to a scrub."""
        for data in range(number):
            self.add(b"%d" % data)
        list(self.store.fresh())

    def states(self, scrub: Scrub, share: Fraction | None = None) -> list[str]:
        return [found.state for found in scrub.run(share).damage]

    def findings(self) -> list[str]:
        return [f"{found.severity} {found.kind}" for found in Check(self.library)]


class Order(Kept):
    """What a scrub reads first."""

    def order(self, share: Fraction | None = None) -> list[str]:
        """The digests in the order in which they are read."""
        read: list[str] = []
        verify = self.store.verify

        def noted(sha256: str, progress: Any = None) -> int:
            read.append(sha256)
            return verify(sha256, progress)

        with patch.object(self.store, "verify", noted):
            Scrub(self.library).run(share)
        return read

    def test_new_ones_then_favourites_then_the_others(self) -> None:
        old = [self.add(b"old %d" % number) for number in range(8)]
        self.order()
        for count, alias in ((3, old[2]), (9, old[5]), (5, old[7])):
            alias.updateDownloadCount(date(2026, 3, 1), None, count)
        new = [self.add(b"new %d" % number).content.sha256 for number in range(3)]
        loved = [old[number].content.sha256 for number in (5, 7, 2)]
        read = self.order()
        self.assertEqual((set(read[:3]), read[3:6]), (set(new), loved))
        others = {alias.content.sha256 for alias in old} - set(loved)
        self.assertEqual(read[6:], sorted(others))

    def test_a_share_reads_favourites_once_a_week(self) -> None:
        alias = self.add(b"loved")
        self.order()
        alias.updateDownloadCount(date(2026, 3, 1), None, 1)
        transaction.commit()
        nothing = Fraction(1, 1 << 250)
        self.assertEqual(self.order(nothing), [alias.content.sha256])
        self.assertEqual(self.order(nothing), [])
        Functional.world.clock.move(days=7)
        self.assertEqual(self.order(nothing), [alias.content.sha256])

    def test_a_new_one_that_is_damaged(self) -> None:
        self.order()
        alias = self.add(b"new")
        damage(alias.content.sha256)
        self.assertEqual(self.states(Scrub(self.library), Fraction(1, 1 << 250)), ["damaged"])

    def test_bytes_without_a_content_are_not_reported(self) -> None:
        self.store.put(BytesIO(b"an upload that was broken off"))
        self.assertEqual(self.order(), [])


class Scrubbing(Kept):
    def test_one_byte_is_found_and_its_holders_are_named(self) -> None:
        data = b"x" * 3000
        for name in ("one", "two"):
            alias = self.add(data)
            self.library.subtree.holds.hold(self.library.alias(alias.id), name)
        self.add(b"something else")
        transaction.commit()
        damage(alias.content.sha256)
        report = Scrub(self.library).run()
        [found] = report.damage
        self.assertEqual((found.state, found.sha256), ("damaged", alias.content.sha256))
        self.assertEqual([told["holders"] for told in found.aliases].count(["library: two"]), 1)
        self.assertEqual({told["url"] for told in found.aliases} & {alias.http_url}, {alias.http_url})
        self.assertEqual((report.contents, report.bytes), (2, len(b"something else")))

    def test_damaged_is_503_that_caches_may_not_keep(self) -> None:
        alias = self.add(b"x" * 3000)
        damage(alias.content.sha256)
        Scrub(self.library).run()
        answer = http.request("GET", alias.http_url)
        self.assertEqual(answer.status_int, 503)
        kept = {"ETag", "Last-Modified", "Expires"} & set(answer.headers)
        self.assertEqual((kept, answer.headers.get("Cache-Control", "no-store")), (set(), "no-store"))

    def test_it_stays_reported_until_it_is_repaired(self) -> None:
        alias = self.add(b"x" * 3000)
        damage(alias.content.sha256)
        for _turn in range(2):
            self.assertEqual(self.states(Scrub(self.library)), ["damaged"])
        with tempfile.TemporaryDirectory() as folder:
            other = DiskStore(Path(folder), Functional.world.clock)
            other.put(BytesIO(b"x" * 3000))
            self.assertEqual(self.states(Scrub(self.library, Copies(Path(folder)))), ["repaired"])
        self.assertEqual(self.states(Scrub(self.library)), [])
        self.assertEqual(http.request("GET", alias.http_url).body, b"x" * 3000)

    def test_a_copy_that_is_wrong_repairs_nothing(self) -> None:
        alias = self.add(b"x" * 3000)
        sha256 = alias.content.sha256
        damage(sha256)
        with tempfile.TemporaryDirectory() as folder:
            leaf = Path(folder, sha256[:2], sha256[2:4])
            leaf.mkdir(parents=True)
            (leaf / sha256).write_bytes(b"y" * 3000)
            scrub = Scrub(self.library, Copies(Path(folder)))
            self.assertEqual(self.states(scrub), ["damaged"])
        with self.assertRaises(BytesDamaged):
            self.store.open(sha256)

    def test_missing_bytes_are_found_and_repaired(self) -> None:
        alias = self.add(b"data")
        self.store.remove(alias.content.sha256)
        self.assertEqual(self.states(Scrub(self.library)), ["missing"])
        with tempfile.TemporaryDirectory() as folder:
            DiskStore(Path(folder), Functional.world.clock).put(BytesIO(b"data"))
            self.assertEqual(self.states(Scrub(self.library, Copies(Path(folder)))), ["repaired"])

    def test_shares_make_the_round_and_nothing_is_left_out(self) -> None:
        self.add_old(60)
        seen = [Scrub(self.library).run(Fraction(1, 7)).contents for _day in range(7)]
        self.assertEqual(sum(seen), 60)
        self.assertGreater(min(seen), 0)
        again = [Scrub(self.library).run(Fraction(1, 7)).contents for _day in range(7)]
        self.assertEqual(again, seen)

    def test_a_share_over_the_end_begins_anew(self) -> None:
        self.add_old(60)
        seen = [Scrub(self.library).run(Fraction(2, 3)).contents for _day in range(3)]
        self.assertEqual(sum(seen), 120)

    def test_a_budget_of_bytes_makes_the_round_too(self) -> None:
        self.add_old(20)
        self.assertEqual([1] * 21, [Scrub(self.library).run(budget=1).contents for _night in range(21)])
        self.assertEqual(20, Scrub(self.library).run(budget=1 << 40).contents)

    def test_an_interrupted_run_is_continued(self) -> None:
        self.add_old(250)
        left = [210]

        def until(size: int) -> None:
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            Scrub(self.library, pace=until).run()
        # Two batches of a hundred were noted down.
        self.assertEqual(Scrub(self.library).run().contents, 50)
        self.assertEqual(Scrub(self.library).run().contents, 250)

    def test_damage_without_a_content_is_forgotten_in_a_day(self) -> None:
        alias = self.add(b"data")
        sha256 = alias.content.sha256
        damage(sha256)
        Scrub(self.library).run()
        subtree, record = self.library.subtree, self.library.alias(alias.id)
        content = record.content
        subtree.drop(record)
        assert content is not None
        subtree.drop_content(content)
        transaction.commit()
        self.assertEqual(self.states(Scrub(self.library)), [])
        Functional.world.clock.move(days=1, hours=1)
        self.assertEqual(self.states(Scrub(self.library)), ["forgotten"])
        self.assertEqual(list(self.store.quarantined()), [])


class Checking(Kept):
    def test_a_sound_library(self) -> None:
        alias = self.add(b"data", restricted=True)
        self.add(b"data")
        alias.getURL(include_token=True)
        other = self.add(b"deleted")
        other.delete()
        transaction.commit()
        check = Check(self.library)
        self.assertEqual(list(check), [])
        seen = {"contents": 2, "aliases": 3, "by_content": 2, "by_former_content": 1, "tokens": 1, "bytes": 2}
        self.assertEqual({part: check.seen[part] for part in seen}, seen)

    def test_bytes(self) -> None:
        missing, damaged = self.add(b"missing"), self.add(b"damaged")
        self.store.remove(missing.content.sha256)
        damage(damaged.content.sha256)
        self.store.quarantine(damaged.content.sha256)
        self.assertEqual(sorted(self.findings()), ["error bytes missing", "error bytes quarantined"])

    def test_size(self) -> None:
        alias = self.add(b"data")
        self.library.alias(alias.id).content.filesize = 5  # type: ignore[union-attr]
        transaction.commit()
        self.assertEqual(self.findings(), ["error size differs"])

    def test_bytes_without_content_are_left_to_the_sweep(self) -> None:
        self.store.put(BytesIO(b"stray"))
        self.assertEqual(self.findings(), [])
        Functional.world.clock.move(days=1, hours=1)
        self.assertEqual(self.findings(), ["notice bytes that no content names"])

    def test_indexes(self) -> None:
        alias, subtree = self.add(b"data", restricted=True), self.library.subtree
        alias.getURL(include_token=True)
        transaction.begin()
        [by_sha1], [by_content] = list(subtree.by_sha1), list(subtree.by_content)
        [by_alias], [by_expiry] = list(subtree.tokens_by_alias), list(subtree.tokens_by_expiry)
        wrong = hashlib.sha256(b"another").digest()
        breakages: list[tuple[Any, bytes, bytes]] = [
            (subtree.by_sha1, by_sha1, by_sha1[:20] + wrong),
            (subtree.by_content, by_content, wrong + by_content[32:]),
            (subtree.by_content, by_content, by_content[:32] + b"\0" * 8),
            (subtree.tokens_by_alias, by_alias, b"\0" * 8 + by_alias[8:]),
            (subtree.tokens_by_expiry, by_expiry, by_expiry[:8] + wrong),
        ]
        for index, right, other in breakages:
            with self.subTest(other=other):
                index.remove(right)
                index.add(other)
                transaction.commit()
                found = self.findings()
                self.assertEqual((len(found), {line.split()[0] for line in found}), (2, {"error"}), found)
                index.remove(other)
                index.add(right)
                transaction.commit()
        self.assertEqual(self.findings(), [])

    def test_what_a_collector_takes_meanwhile_is_no_finding(self) -> None:
        alias = self.add(b"data")
        sha256 = alias.content.sha256

        def drop() -> None:
            record = self.library.alias(alias.id)
            content = record.content
            self.library.subtree.drop(record)
            assert content is not None
            self.library.subtree.drop_content(content)

        findings = iter(Check(self.library, lambda part, seen: None))
        check_size = self.store.size

        def size(digest: str) -> int:
            self.library.tree.run_independently(drop)
            self.store.remove(sha256)
            return check_size(digest)

        with patch.object(self.store, "size", size):
            self.assertEqual(list(findings), [])

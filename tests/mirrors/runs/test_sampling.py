"""Which files are drawn: each as likely as any other, whatever its date and its part."""

import math
import random
import unittest
from collections import Counter
from datetime import UTC, datetime, timedelta

from BTrees.OOBTree import OOBTree

from librarian.mirrors.enums import PackagePublishingPocket, PublicationKind
from librarian.mirrors.model.distributions import MirrorsSubtree, number_files
from librarian.mirrors.model.publications import BEFORE_RECORDS, Publication, Publications
from librarian.mirrors.probing.plan import ContentKey
from librarian.mirrors.runs.sampling import Part, drawn, newest, probes_until_caught, samples_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RELEASE = PackagePublishingPocket.RELEASE
FILES = 5000
DRAWS = 20_000


def file(
    name: str, date: datetime = BEFORE_RECORDS, kind: PublicationKind = PublicationKind.DEB
) -> Publication:
    return Publication(kind, name, "1", f"pool/main/{name[:1]}/{name}/{name}_1.deb", date, 7, "0a" * 32)


def part_of(*files: Publication, architecture: str = "i386") -> Part:
    published = Publications()
    for each in files:
        published.add(each)
    return ContentKey("hoary", RELEASE, "main", architecture), published


def chi_square(counts: Counter[str], cells: int, draws: int) -> float:
    """In standard deviations from what an even chance gives; cells that were not drawn count as well."""
    expected = draws / cells
    drawn_cells = sum((count - expected) ** 2 / expected for count in counts.values())
    statistic = drawn_cells + (cells - len(counts)) * expected
    return (statistic - (cells - 1)) / math.sqrt(2 * (cells - 1))


class Tarballs(unittest.TestCase):
    """A tarball may have come with an earlier version: it is asked for, but tells no date."""

    def setUp(self) -> None:
        old, new = file("old", NOW - timedelta(days=9)), file("orig", NOW, PublicationKind.TARBALL)
        self.part = part_of(old, new)

    def test_it_is_among_the_newest_and_tells_nothing_of_freshness(self) -> None:
        _, published = self.part
        asked = {each.path for each in newest([self.part], NOW, 1, random.Random(1))}
        self.assertEqual(asked, {"pool/main/o/orig/orig_1.deb"})
        fresh = {each.source for each in published.freshness_files(NOW).values()}
        self.assertEqual(fresh, {"old"})

    def test_mirrors_are_not_asked_for_what_is_removed(self) -> None:
        _, published = self.part
        published.remove("pool/main/o/orig/orig_1.deb")
        self.assertEqual([each.source for each in published.newest_files(NOW, 5)], ["old"])
        self.assertEqual(published.file_count, 1)


class Uniform(unittest.TestCase):
    def counted(self, parts: list[Part]) -> Counter[str]:
        chance = random.Random(4)
        return Counter(drawn(parts, 1, chance)[0].path for _ in range(DRAWS))

    def test_equal_dates(self) -> None:
        """An archive first read over HTTP: of 5,000 files 26 were ever drawn."""
        counts = self.counted([part_of(*(file(f"p{number}") for number in range(FILES)))])
        self.assertGreater(len(counts), 4850)  # 20,000 draws leave 1.8 % out
        self.assertLess(abs(chi_square(counts, FILES, DRAWS)), 4)

    def test_uneven_dates_and_parts(self) -> None:
        """Most files of one day, some of every hour since; a part of 4,900 files beside one of 100."""
        many = [file(f"a{number}") for number in range(2450)]
        many += [file(f"b{number}", NOW - timedelta(hours=number)) for number in range(2450)]
        few = [file(f"c{number}", NOW) for number in range(100)]
        counts = self.counted([part_of(*few, architecture="amd64"), part_of(*many)])
        self.assertLess(abs(chi_square(counts, FILES, DRAWS)), 4)

    def test_a_file_of_ten_parts_is_as_likely_as_one_of_one(self) -> None:
        shared = [file(f"all{number}") for number in range(50)]
        parts = [
            part_of(
                *shared, *(file(f"own{arch}-{number}") for number in range(50)), architecture=f"arch{arch}"
            )
            for arch in range(10)
        ]
        counts = self.counted(parts)
        self.assertLess(abs(chi_square(counts, 550, DRAWS)), 4)

    def test_after_files_were_taken_out_and_put_in(self) -> None:
        key, published = part_of(*(file(f"p{number}") for number in range(3000)))
        chance = random.Random(6)
        for path in chance.sample(sorted(published.paths()), 2000):
            published.remove(path)
        for number in range(1000):
            published.add(file(f"q{number}", NOW))
        self.assertEqual(published.file_count, 2000)
        self.assertEqual({published.numbered(number).path for number in range(2000)}, published.paths())
        self.assertLess(abs(chi_square(self.counted([(key, published)]), 2000, DRAWS)), 4)

    def test_the_figure_of_the_document_by_trying(self) -> None:
        """46 probes with ten files each catch a mirror with 1 % wrong files in 99 of 100 cases."""
        part = part_of(*(file(f"p{number}") for number in range(FILES)))
        wrong = {each.path for each in part[1] if each.source.endswith("00")}
        self.assertEqual((len(wrong), probes_until_caught(0.01, 10, 0.99)), (49, 46))
        chance = random.Random(8)

        def is_caught() -> bool:
            return any(each.path in wrong for _ in range(46) for each in drawn([part], 10, chance))

        self.assertGreaterEqual(sum(is_caught() for _ in range(400)), 385)


class Chosen(unittest.TestCase):
    def test_nothing_published(self) -> None:
        self.assertEqual(samples_of([], NOW, 10, 1, random.Random(1)), ())
        self.assertEqual(samples_of([part_of()], NOW, 10, 1, random.Random(1)), ())

    def test_fewer_files_than_wanted(self) -> None:
        chosen = samples_of([part_of(file("a"), file("b", NOW))], NOW, 10, 100, random.Random(1))
        self.assertEqual(sorted(each.path[-7:] for each in chosen), ["a_1.deb", "b_1.deb"])

    def test_udebs_are_not_asked_for(self) -> None:
        part = part_of(file("a"), file("u", NOW, PublicationKind.UDEB))
        self.assertEqual(
            [each.path[-7:] for each in samples_of([part], NOW, 9, 9, random.Random(1))], ["a_1.deb"]
        )

    def test_the_newest_come_first_and_nothing_of_the_future(self) -> None:
        dates = [NOW - timedelta(hours=hours) for hours in (-1, 0, 1, 2, 3, 4)]
        part = part_of(*(file(f"p{number}", date) for number, date in enumerate(dates)))
        self.assertEqual(
            [each.source for each in newest([part], NOW, 3, random.Random(1))], ["p1", "p2", "p3"]
        )

    def test_a_file_of_two_parts_is_asked_of_mirrors_with_one_of_them(self) -> None:
        parts = [part_of(file("a"), architecture="amd64"), part_of(file("a", NOW))]
        [found] = samples_of(parts, NOW, 5, 100, random.Random(1))
        self.assertEqual(dict(found.homes), {parts[0][0]: BEFORE_RECORDS, parts[1][0]: NOW})


class Evolution(unittest.TestCase):
    def test_what_was_published_before_there_were_numbers_gets_some(self) -> None:
        subtree = MirrorsSubtree()
        hoary = subtree.new_distribution("ubuntu", "Ubuntu", None).newRelease("hoary", "5.04", ["main"])
        for target in (hoary, hoary.newArch("i386")):
            published = target.publications(RELEASE, hoary.components[0])
            for each in (file("a"), file("u", kind=PublicationKind.UDEB)):
                published._by_path[each.path] = each
            del published._numbered, published._numbers
        number_files(subtree)
        for target in (hoary, *hoary.arch_releases):
            published = target.publications(RELEASE, hoary.components[0])
            self.assertEqual((published.file_count, published.numbered(0).source), (1, "a"))
            self.assertIsInstance(published._numbers, OOBTree)


if __name__ == "__main__":
    unittest.main()

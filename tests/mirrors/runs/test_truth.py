"""A real, signed archive and copies of it that lack something or hold something else: none is called good."""

import random
import shutil
import tempfile
import unittest
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import transaction
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.mirrors.archive.sources import DirectoryArchive
from librarian.mirrors.enums import MirrorStatus
from librarian.mirrors.importing.publications import ArchiveImport, ImportOptions
from librarian.mirrors.interfaces import IDistributionSet
from librarian.mirrors.probing import release_indexes
from librarian.mirrors.runs.probe_run import ProbeRun
from librarian.mirrors.runs.summary import RunOptions, RunSummary
from librarian.mirrors.views.mirrorlist import listed, order_for
from librarian.mirrors.views.serializers import describe
from librarian.people.interfaces import IPersonSet
from tests.support.layers import Functional
from tests.support.mirrors.apt_archive import AptArchive, missing_tools
from tests.support.mirrors.sample import add_mirror
from tests.support.mirrors.servers import MirrorFarm, MirrorServer, good
from tests.support.world import BEGINNING, overlay

Files = dict[str, bytes]
OLD = tuple(f"old{number}" for number in range(8))
NEWEST = "pool/main/n/newest/newest_1.0_i386.deb"
PACKAGES = "dists/hoary/main/binary-i386/Packages.gz"

SETTINGS = """
[librarian.mirrors]
allowed_networks = 127.0.0.0/8
timeout = 20s
failures_to_disable = 2
keyring = {keyring}
"""


@unittest.skipIf(missing_tools(), f"not installed: {missing_tools()}")
class TruthCase(unittest.TestCase):
    """An archive that published ten days, fifty hours and three hours ago, and was read each time."""

    layer = Functional
    states: ClassVar[list[Files]]  # what a mirror would have copied each time
    folder: ClassVar[Path]
    keyring: ClassVar[str]
    udebs: ClassVar[tuple[str, ...]] = ()  # published fifty hours ago, in indices of the installer

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        archive = AptArchive(cls.folder / "archive")
        cls.keyring = str(archive.keyring())
        cls.addClassCleanup(archive.close)
        cls.states = []
        for hours_ago, names in ((240, OLD), (50, ("middle",)), (3, ("newest",))):
            for name in names:
                archive.add_deb("main", name, "1.0")
                archive.add_source("main", name, "1.0")
            for name in cls.udebs if hours_ago == 50 else ():
                archive.add_deb("main", name, "1.0", "udeb")
            date = BEGINNING - timedelta(hours=hours_ago)
            archive.publish("hoary", ["main"], date=date, installer=bool(cls.udebs))
            archive.sign("hoary")
            cls.states.append(archive.files())

    def setUp(self) -> None:
        self.clock = Functional.world.clock
        self.farm = MirrorFarm()
        self.addCleanup(self.farm.close)
        lying_over = overlay(SETTINGS.format(keyring=self.keyring))
        lying_over.__enter__()
        self.addCleanup(lying_over.__exit__, None, None, None)
        people = getUtility(IPersonSet)
        self.owner = people.new("name16", "Foo Bar", "foo.bar@example.com")
        self.ubuntu = getUtility(IDistributionSet).new("ubuntu", "Ubuntu", "http://archive.example/ubuntu")
        transaction.commit()
        self.read_all()

    def read_all(self) -> None:
        """The archive's three states, each read an instant after it was published."""
        for hours_ago, files in zip((240, 50, 3), self.states, strict=True):
            self.clock.set(BEGINNING - timedelta(hours=hours_ago))
            self.read(files)
        self.clock.set(BEGINNING)

    def read(self, files: Files) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for path, body in files.items():
                target = Path(folder) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(body)
            options = ImportOptions(keyring=self.keyring)
            ArchiveImport(DirectoryArchive(Path(folder)), "ubuntu", options).run("hoary")
        transaction.begin()

    @property
    def whole(self) -> Files:
        """A copy of the archive as it is now."""
        return dict(self.states[-1])

    def add(self, name: str, files: Files, behaviour: Any = None) -> tuple[Any, MirrorServer]:
        server = self.farm.add(files, behaviour)
        mirror = add_mirror(self.ubuntu, self.owner, name, server.url)
        transaction.commit()
        return mirror, server

    def probe(self, number: int = 1) -> RunSummary:
        transaction.commit()
        summary = ProbeRun(RunOptions(force=True), chance=random.Random(number)).run()
        transaction.begin()
        return summary

    def troubles(self, mirror: Any) -> set[tuple[str, str]]:
        """(kind, path) of what the last probe found wrong."""
        base = f"{mirror.base_url}/"
        return {(kind, url.removeprefix(base)) for kind, url, _since in mirror.troubles}


def is_pool(path: str) -> bool:
    return path.startswith("pool/")


class WholeAndStale(TruthCase):
    def test_a_whole_copy_is_good(self) -> None:
        mirror, _ = self.add("whole", self.whole)
        self.assertEqual(self.probe().good, ["whole"])
        self.assertEqual((mirror.freshness, self.troubles(mirror)), (MirrorStatus.UP, set()))

    def test_a_stale_copy_is_as_old_in_its_parts_as_by_its_release_file(self) -> None:
        """It was 3.0 hours behind, and "One week behind" on the same page."""
        for state, status, hours in (
            (1, MirrorStatus.SIXHOURSBEHIND, 3.0),
            (0, MirrorStatus.ONEWEEKBEHIND, 50.0),
        ):
            mirror, _ = self.add(f"stale{state}", dict(self.states[state]))
            self.assertEqual(self.probe().good.count(mirror.name), 1)
            rows = {row.freshness for row in (*mirror.source_releases, *mirror.arch_releases)}
            self.assertEqual((rows, dict(mirror.suites)), ({status}, {"hoary": status}))
            self.assertIs(mirror.freshness, status)
            self.assertEqual(describe(mirror)["release_files"], {"hoary": status.name})
            self.assertEqual(mirror.last_probe_record.lag_hours, hours)
            self.assertEqual({kind for kind, _ in self.troubles(mirror)}, {"release-stale"})

    def test_pool_first_is_how_a_mirror_synchronises(self) -> None:
        """New packages beside the old Release file are no fault: the indices come last."""
        pool = {path: body for path, body in self.whole.items() if is_pool(path)}
        mirror, _ = self.add("midway", {**self.states[1], **pool})
        self.assertEqual(self.probe().good, ["midway"])
        self.assertIs(mirror.freshness, MirrorStatus.SIXHOURSBEHIND)

    def test_a_mirror_ahead_of_what_was_read_is_not_judged_by_it(self) -> None:
        """The archive has replaced a package since it was read, and the mirror has followed."""
        mirror, _ = self.add("ahead", self.whole)
        for known in (removeSecurityProxy(self.ubuntu),):
            known._known_releases["hoary"] = known.known_releases("hoary")[:-1]
        files = {path: body for path, body in self.whole.items() if "middle" not in path}
        behind, _ = self.add("replaced", files)
        self.probe()
        self.assertEqual(mirror.last_probe_record.verdict, "good")
        self.assertEqual((behind.last_probe_record.verdict, behind.failures), ("inconclusive", 0))


class Lacking(TruthCase):
    def lacking(self, files: Files) -> Any:
        """A mirror with `files` that was probed once; it is not good, not up to date, and listed last."""
        mirror, _ = self.add("lacking", files)
        good, _ = self.add("zz-good", self.whole)
        summary = self.probe()
        self.assertEqual((summary.good, summary.failed), (["zz-good"], ["lacking"]))
        self.assertIsNot(mirror.freshness, MirrorStatus.UP)
        self.assertEqual(mirror.last_probe_record.verdict, "failed")
        first, *_ = order_for("BR", listed([mirror, good]), None)
        self.assertEqual(first.base_url, good.base_url)
        return mirror

    def test_no_pool_at_all(self) -> None:
        mirror = self.lacking({path: body for path, body in self.whole.items() if not is_pool(path)})
        self.assertIs(mirror.freshness, MirrorStatus.UNKNOWN)
        self.assertIn(("incomplete", NEWEST), self.troubles(mirror))
        self.assertIsNone(mirror.score.value)
        self.probe()
        self.assertFalse(mirror.enabled)

    def test_half_a_pool(self) -> None:
        old = sorted(path for path in self.whole if "/old" in path)
        gone = set(old[::2])
        mirror = self.lacking({path: body for path, body in self.whole.items() if path not in gone})
        lacks = {url for kind, url in self.troubles(mirror) if kind == "incomplete"}
        self.assertTrue(lacks)
        self.assertLessEqual(lacks, gone)

    def test_the_tarballs_of_sources(self) -> None:
        gone = {path for path in self.whole if path.endswith(".tar.gz") and is_pool(path)}
        mirror = self.lacking({path: body for path, body in self.whole.items() if path not in gone})
        lacks = {url for kind, url in self.troubles(mirror) if kind == "incomplete"}
        self.assertIn("pool/main/n/newest/newest_1.0.tar.gz", lacks)
        self.assertLessEqual(lacks, gone)

    def test_only_what_is_new_is_missing(self) -> None:
        mirror = self.lacking({path: body for path, body in self.whole.items() if "newest" not in path})
        self.assertEqual(mirror.freshness, MirrorStatus.SIXHOURSBEHIND)
        self.assertEqual(mirror.last_probe_record.lag_hours, 3.0)
        self.assertIn(("incomplete", NEWEST), self.troubles(mirror))
        rows = {row.freshness for row in (*mirror.source_releases, *mirror.arch_releases)}
        self.assertEqual(rows, {MirrorStatus.SIXHOURSBEHIND})

    def test_no_release_file(self) -> None:
        signed = ("InRelease", "Release", "Release.gpg")
        files = {path: body for path, body in self.whole.items() if not path.endswith(signed)}
        mirror = self.lacking(files)
        self.assertIn(("incomplete", "dists/hoary/Release"), self.troubles(mirror))

    def test_one_that_was_good_before(self) -> None:
        """What the page says of a mirror must not stay "Up to date" until the second bad probe."""
        mirror, server = self.add("emptied", self.whole)
        self.probe()
        self.assertIs(mirror.freshness, MirrorStatus.UP)
        for path in filter(is_pool, list(server.files)):
            del server.files[path]
        self.clock.move(hours=1)
        self.probe()
        self.assertTrue(mirror.enabled)
        self.assertIs(mirror.freshness, MirrorStatus.UNKNOWN)

    def test_a_mirror_caught_while_it_synchronises_is_not_judged(self) -> None:
        """The Release file changes between the first look and the last: what is missing may be elsewhere."""
        files = {path: body for path, body in self.whole.items() if "newest" not in path}

        async def changing(mirror: MirrorServer, request: Any, writer: Any) -> None:
            await good(mirror, request, writer)
            if request.path.endswith("InRelease"):
                mirror.files["dists/hoary/InRelease"] = self.states[1]["dists/hoary/InRelease"]

        mirror, _ = self.add("moving", files, changing)
        self.probe()
        self.assertEqual((mirror.last_probe_record.verdict, mirror.failures), ("inconclusive", 0))


class WrongBytes(TruthCase):
    def test_an_index_with_one_flipped_byte(self) -> None:
        files = self.whole
        body = bytearray(files[PACKAGES])
        body[len(body) // 2] ^= 1
        files[PACKAGES] = bytes(body)
        mirror, _ = self.add("flipped", files)
        self.assertEqual(self.probe().failed, ["flipped"])
        self.assertIn(("wrong-bytes", PACKAGES), self.troubles(mirror))

    def test_the_newest_package(self) -> None:
        files = self.whole
        files[NEWEST] = b"x" * len(files[NEWEST])
        mirror, _ = self.add("poisoned", files)
        self.assertEqual(self.probe().failed, ["poisoned"])
        self.assertIn(("wrong-bytes", NEWEST), self.troubles(mirror))

    def test_the_tarball_of_the_newest_source(self) -> None:
        path = "pool/main/n/newest/newest_1.0.tar.gz"
        files = self.whole
        files[path] = b"x" * len(files[path])
        mirror, _ = self.add("poisoned", files)
        self.assertEqual(self.probe().failed, ["poisoned"])
        self.assertIn(("wrong-bytes", path), self.troubles(mirror))

    def test_an_old_package_is_found_in_time(self) -> None:
        """Thirty published files, ten drawn each time: a week is more than enough."""
        path = "pool/main/o/old3/old3_1.0_i386.deb"
        files = self.whole
        files[path] = b"x" * len(files[path])
        mirror, _ = self.add("poisoned", files)
        for number in range(12):
            self.probe(number)
            if ("wrong-bytes", path) in self.troubles(mirror):
                return
        self.fail("never drawn")

    def test_large_indices_take_turns_and_each_has_its_turn_within_the_bound(self) -> None:
        files = self.whole
        with (
            overlay("[librarian.mirrors]\nindex_rotation = 4\n"),
            mock.patch.object(release_indexes, "SMALL", 200),
        ):
            _, server = self.add("turns", files)
            named = {path for path in files if path.startswith("dists/") and path.endswith((".gz", ".xz"))}
            seen: list[set[str]] = []
            for number in range(4):
                server.requests.clear()
                self.probe(number)
                seen.append({each.path for each in server.requests if each.method == "GET"} & named)
        self.assertEqual(set.union(*seen), named)
        self.assertLess(max(map(len, seen)), len(named))


if __name__ == "__main__":
    unittest.main()

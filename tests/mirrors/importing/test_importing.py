"""Reading archives: real ones, repeatedly, and forged ones."""

import gzip
import shutil
import tempfile
import unittest
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import transaction
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.mirrors.archive.interfaces import (
    ArchiveExpired,
    ArchiveGoesBack,
    BadSignature,
    DigestDiffers,
    MalformedArchive,
    NotInArchive,
)
from librarian.mirrors.archive.sources import DirectoryArchive, WebArchive
from librarian.mirrors.enums import PackagePublishingPocket
from librarian.mirrors.importing.manifests import import_images, import_json
from librarian.mirrors.importing.publications import ArchiveImport, ImportOptions, ImportSummary
from librarian.mirrors.interfaces import BadImport, IDistributionSet
from librarian.mirrors.model.publications import BEFORE_RECORDS
from tests.support.layers import Functional
from tests.support.mirrors.apt_archive import AptArchive, missing_tools
from tests.support.mirrors.servers import MirrorFarm

RELEASE = PackagePublishingPocket.RELEASE


class ImportCase(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.ubuntu = removeSecurityProxy(getUtility(IDistributionSet).new("ubuntu", "Ubuntu"))
        transaction.commit()
        self.clock = Functional.world.clock


@unittest.skipIf(missing_tools(), f"not installed: {missing_tools()}")
class RealArchive(ImportCase):
    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.archive = AptArchive(self.folder / "archive")
        self.archive.add_deb("main", "pmount", "1.9-1")
        self.archive.add_deb("main", "partman", "0.1-1", "udeb")
        self.archive.add_source("main", "alsa-utils", "1.0.8")
        self.publish()

    def publish(self, **options: Any) -> None:
        self.archive.publish("hoary", ["main"], **({"date": self.clock.now(), "by_hash": True} | options))

    def take(self, source: Any = None, **options: Any) -> ImportSummary:
        source = source or DirectoryArchive(self.archive.root)
        summary = ArchiveImport(source, "ubuntu", ImportOptions(**options)).run("hoary")
        transaction.begin()
        return summary

    def sources(self) -> dict[str, datetime]:
        hoary = self.ubuntu.getRelease("hoary")
        return {each.version: each.date for each in hoary.publications(RELEASE, hoary.components[0])}

    def test_all_of_it_then_only_what_is_new(self) -> None:
        summary = self.take()
        self.assertEqual((summary.suites, summary.published, summary.superseded), (["hoary"], 4, 0))
        self.assertEqual(self.take().unchanged, ["hoary"])
        self.clock.move(days=10)
        self.archive.add_source("main", "alsa-utils", "1.0.9a-4")
        self.publish()
        self.clock.move(minutes=10)
        summary = self.take()
        self.assertEqual((summary.published, summary.superseded), (2, 0))
        self.assertEqual(self.sources()["1.0.9a-4"], self.clock.now() - timedelta(minutes=10))
        (self.archive.root / "pool/main/a/alsa-utils/alsa-utils_1.0.8.dsc").unlink()
        self.clock.move(days=1)
        self.publish()
        self.assertEqual(self.take().superseded, 2)
        self.assertEqual(list(self.sources()), ["1.0.9a-4"])
        self.assertEqual(len(self.ubuntu.known_releases("hoary")), 3)

    def test_structure_is_made_from_what_is_there(self) -> None:
        self.take()
        hoary = self.ubuntu.getRelease("hoary")
        self.assertEqual([each.name for each in hoary.components], ["main"])
        [i386] = hoary.arch_releases
        binaries = i386.publications(RELEASE, hoary.components[0])
        self.assertEqual(sorted(each.kind.name for each in binaries), ["DEB", "UDEB"])
        newest = binaries.newest(None, self.clock.now())
        self.assertEqual((newest.source, newest.kind.name), ("pmount", "DEB"))
        body = (self.archive.root / newest.path).read_bytes()
        self.assertEqual((newest.size, newest.sha256), (len(body), sha256(body).hexdigest()))

    def test_over_the_web_the_age_of_the_first_files_is_unknown(self) -> None:
        farm = MirrorFarm()
        self.addCleanup(farm.close)
        self.take(WebArchive(farm.add(self.archive.files()).url))
        self.assertEqual(self.sources(), {"1.0.8": BEFORE_RECORDS})

    def test_a_run_that_was_cut_off_is_run_again(self) -> None:
        [gone] = (self.archive.root / "dists/hoary/main/source").glob("Sources.xz")
        shutil.rmtree(gone.parent / "by-hash")
        gone.rename(gone.with_suffix(".away"))
        with self.assertRaises(MalformedArchive):
            self.take()
        self.assertEqual(self.ubuntu.known_releases("hoary"), ())
        gone.with_suffix(".away").rename(gone)
        self.assertEqual(self.take().suites, ["hoary"])
        self.assertEqual(list(self.sources()), ["1.0.8"])

    def test_signatures(self) -> None:
        keyring = str(self.archive.keyring())
        self.addCleanup(self.archive.close)
        with self.assertRaises(NotInArchive):  # there is no Release.gpg
            self.take(keyring=keyring)
        self.archive.sign("hoary")
        self.assertTrue(self.take(keyring=keyring).verified)
        self.clock.move(days=1)
        self.publish()
        self.archive.keyring("stranger@example.com")
        self.archive.sign("hoary", "stranger@example.com")
        with self.assertRaises(BadSignature):
            self.take(keyring=keyring)
        self.assertEqual(len(self.ubuntu.known_releases("hoary")), 1)

    def test_a_replay_is_refused(self) -> None:
        self.take()
        self.publish(date=self.clock.now() - timedelta(days=1))
        with self.assertRaises(ArchiveGoesBack):
            self.take()

    def test_expired(self) -> None:
        self.publish(valid_until=self.clock.now() - timedelta(seconds=1))
        with self.assertRaises(ArchiveExpired):
            self.take()
        self.assertEqual(self.take(allow_expired=True).suites, ["hoary"])

    def test_a_forged_index_is_refused(self) -> None:
        index = self.archive.root / "dists/hoary/main/source/Sources.xz"
        shutil.rmtree(index.parent / "by-hash")
        index.write_bytes(gzip.compress(b""))
        with self.assertRaises(DigestDiffers):
            self.take()

    def test_a_release_that_is_not_there(self) -> None:
        with self.assertRaises(NotInArchive):
            ArchiveImport(DirectoryArchive(self.archive.root), "ubuntu", ImportOptions()).run("warty")


GOOD = """
{"releases": [{"name": "hoary", "version": "5.04", "components": ["main"], "architectures": ["i386"]}],
 "publications": [
  {"release": "hoary", "pocket": "updates", "component": "main", "architecture": "i386", "source": "pmount",
   "version": "2:1.9-1", "date": "2005-06-20T00:00:00Z", "path": "pool/main/p/pmount/pmount_1.9-1_all.deb"}]}
"""


class Described(ImportCase):
    def test_json(self) -> None:
        self.assertEqual(import_json(self.ubuntu, GOOD), 1)
        self.assertEqual(import_json(self.ubuntu, GOOD), 0)
        hoary = self.ubuntu.getRelease("hoary")
        updates = PackagePublishingPocket.UPDATES
        [found] = hoary.arch_releases[0].publications(updates, hoary.components[0])
        self.assertEqual((found.version, found.date), ("2:1.9-1", datetime(2005, 6, 20, tzinfo=UTC)))

    def test_mirrors_are_not_asked_for_what_is_not_published(self) -> None:
        def described(status: str) -> str:
            return GOOD.replace('"source"', f'"status": "{status}", "source"', 1)

        self.assertEqual(import_json(self.ubuntu, described("pending")), 0)
        hoary = self.ubuntu.getRelease("hoary")
        part = hoary.arch_releases[0].publications(PackagePublishingPocket.UPDATES, hoary.components[0])
        self.assertEqual(len(part), 0)
        for gone in ("superseded", "deleted"):
            self.assertEqual(import_json(self.ubuntu, described("published")), 1)
            self.assertEqual(import_json(self.ubuntu, described(gone)), 0)
            self.assertEqual(len(part), 0, gone)
            self.assertEqual(part.freshness_files(self.clock.now()), {})

    def test_bad_json(self) -> None:
        for old, new in (
            ("{", "["),
            ('"publications": [', '"publications": 7, "x": ['),
            ('"release": "hoary"', '"release": "warty"'),
            ("updates", "bugs"),
            ("2005-06-20T00:00:00Z", "2005-06-20T00:00:00"),
            ("2005-06-20T00:00:00Z", "yesterday"),
            ("pool/main/p", "../../etc"),
            ('"source": "pmount",', ""),
            ('"version": "2:1.9-1"', '"version": "1", "sha256": "beef"'),
            ('"version": "2:1.9-1"', '"version": "1", "size": "big"'),
            ('"name": "hoary"', '"name": "HOARY"'),
            ('"source"', '"status": "lost", "source"'),
            ('"source"', '"status": ["published"], "source"'),
        ):
            with self.assertRaises(BadImport, msg=new):
                import_json(self.ubuntu, GOOD.replace(old, new, 1))
        for text in (b"", b"\xff", "[]", "null", "7", '{"releases": ["x"]}', "[" * 100_000):
            with self.assertRaises(BadImport, msg=text[:20]):
                import_json(self.ubuntu, text)

    def test_images(self) -> None:
        lines = ["ubuntu\thoary\thoary/a.iso\t700\n", "\n", "ubuntu\thoary\thoary/b.iso\t700\n"]
        self.assertEqual(import_images(self.ubuntu, lines), 2)
        self.assertEqual(dict(self.ubuntu.images), {("hoary", "ubuntu"): ("hoary/a.iso", "hoary/b.iso")})

    def test_bad_images(self) -> None:
        import_images(self.ubuntu, ["ubuntu\thoary\thoary/a.iso\t700"])
        for lines in ([], ["a b c d"], ["a\tb\tc"], ["a\tb\tc\tbig"], ["a\tb\t../c\t1"], ["a\t\tc\t1"]):
            with self.assertRaises(BadImport, msg=lines):
                import_images(self.ubuntu, lines)
        self.assertEqual(len(self.ubuntu.images), 1)


if __name__ == "__main__":
    unittest.main()

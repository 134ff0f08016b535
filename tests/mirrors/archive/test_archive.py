"""Reading archives that Debian's own tools made, and ones that are damaged or forged."""

import gzip
import io
import shutil
import tempfile
import unittest
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

from librarian.mirrors.archive.indices import parse_index, read_index
from librarian.mirrors.archive.interfaces import (
    ArchiveUnreachable,
    BadSignature,
    DigestDiffers,
    IArchiveSource,
    MalformedArchive,
    NotInArchive,
)
from librarian.mirrors.archive.release_file import parse_release, read_listed
from librarian.mirrors.archive.signatures import verify
from librarian.mirrors.archive.sources import DirectoryArchive, WebArchive
from tests.support.mirrors import servers as mirrorservers
from tests.support.mirrors.apt_archive import AptArchive, missing_tools
from tests.support.mirrors.servers import MirrorFarm

DATE = datetime(2026, 1, 1, tzinfo=UTC)


class SignedArchive:
    """A layer: one signed archive for all tests here; a test that damages it takes a copy."""

    folder: ClassVar[Path]
    archive: ClassVar[AptArchive]
    keyring: ClassVar[str]

    @classmethod
    def missing(cls) -> str | None:
        tools = missing_tools()
        return f"{', '.join(tools)} not installed" if tools else None

    @classmethod
    def setUp(cls) -> None:
        cls.folder = Path(tempfile.mkdtemp())
        cls.archive = AptArchive(cls.folder / "archive")
        cls.archive.add_deb("main", "pmount", "2:1.9-1", source="pmount-source")
        cls.archive.add_deb("main", "partman", "0.1-1", "udeb")
        cls.archive.add_source("main", "alsa-utils", "1.0.9a-4")
        cls.archive.publish("hoary", ["main", "restricted"], date=DATE, by_hash=True)
        cls.keyring = str(cls.archive.keyring())
        cls.archive.sign("hoary")

    @classmethod
    def tearDown(cls) -> None:
        cls.archive.close()
        shutil.rmtree(cls.folder)


class ArchiveCase(unittest.TestCase):
    layer = SignedArchive

    def setUp(self) -> None:
        self.folder, self.archive = SignedArchive.folder, SignedArchive.archive
        self.keyring = SignedArchive.keyring
        self.source = DirectoryArchive(self.archive.root)
        self.release = parse_release(self.source.read("dists/hoary/Release"))

    def copy(self) -> Path:
        target = Path(tempfile.mkdtemp(dir=self.folder)) / "copy"
        shutil.copytree(self.archive.root, target)
        return target


class Releases(ArchiveCase):
    def test_fields(self) -> None:
        release = self.release
        self.assertEqual((release.date, release.valid_until), (DATE, None))
        self.assertEqual((release.suite, release.components), ("hoary", ("main", "restricted")))
        self.assertEqual((release.architectures, release.by_hash), (("i386",), True))
        self.assertIn("main/binary-i386/Packages.xz", release.files)

    def test_inrelease_says_the_same(self) -> None:
        self.assertEqual(parse_release(self.source.read("dists/hoary/InRelease")), self.release)

    def test_what_is_no_release_file(self) -> None:
        for text in (
            b"",
            b"<html>",
            b"\xff\xfe",
            b"Suite: x\n",
            b"Date: yesterday\n",
            b"Date: Thu, 01 Jan 2026\nSHA256:\n x\n",
            b"Date: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n ab many main/x\n",
        ):
            with self.assertRaises(MalformedArchive, msg=text):
                parse_release(text)


class Signatures(ArchiveCase):
    def signed(self, name: str = "InRelease") -> bytes:
        return self.source.read(f"dists/hoary/{name}")

    def test_inline_and_detached(self) -> None:
        plain = self.signed("Release")
        self.assertEqual(verify(self.signed(), None, self.keyring), plain)
        self.assertEqual(verify(plain, self.signed("Release.gpg"), self.keyring), plain)

    def test_armored_keyring(self) -> None:
        keyring = str(self.archive.keyring(armor=True))
        self.assertEqual(verify(self.signed(), None, keyring), self.signed("Release"))

    def test_changed_text(self) -> None:
        for forged in (self.signed().replace(b"2026", b"2027"), b"", b"no signature", self.signed()[:400]):
            with self.assertRaises(BadSignature):
                verify(forged, None, self.keyring)

    def test_foreign_key(self) -> None:
        other = str(self.archive.keyring("stranger@example.com"))
        with self.assertRaises(BadSignature):
            verify(self.signed(), None, other)

    def test_what_stands_outside_the_signature_is_dropped_or_refused(self) -> None:
        wrapped = b"Date: Fri, 01 Jan 2038 00:00:00 UTC\n\n" + self.signed()
        try:
            text = verify(wrapped, None, self.keyring)
        except BadSignature:
            return
        self.assertEqual(text, self.signed("Release"))

    def test_no_keyring_at_all(self) -> None:
        with self.assertRaises(OSError):
            verify(self.signed(), None, "/nonexistent/keyring.gpg")


class Indices(ArchiveCase):
    def entries(self, name: str) -> list[tuple[str, str, str]]:
        found = read_index(self.source, "hoary", self.release, name)
        return [(entry.kind.name, entry.version, entry.path) for entry in found]

    def test_packages_with_udebs_told_apart(self) -> None:
        self.assertEqual(
            sorted(self.entries("main/binary-i386/Packages")),
            [
                ("DEB", "2:1.9-1", "pool/main/p/pmount-source/pmount_2:1.9-1_i386.deb"),
                ("UDEB", "0.1-1", "pool/main/p/partman/partman_0.1-1_i386.udeb"),
            ],
        )

    def test_every_file_of_a_source_package(self) -> None:
        self.assertEqual(
            self.entries("main/source/Sources"),
            [
                ("DSC", "1.0.9a-4", "pool/main/a/alsa-utils/alsa-utils_1.0.9a-4.dsc"),
                ("TARBALL", "1.0.9a-4", "pool/main/a/alsa-utils/alsa-utils_1.0.9a-4.tar.gz"),
            ],
        )

    def test_empty_and_absent(self) -> None:
        self.assertEqual(self.entries("restricted/binary-i386/Packages"), [])
        with self.assertRaises(NotInArchive):
            self.entries("universe/source/Sources")

    def test_size_and_digest_are_those_of_the_file(self) -> None:
        for entry in read_index(self.source, "hoary", self.release, "main/source/Sources"):
            body = self.source.read(entry.path)
            self.assertEqual((entry.size, entry.sha256 in ("", sha256(body).hexdigest())), (len(body), True))

    def test_by_hash_survives_a_changed_plain_name(self) -> None:
        copy = self.copy()
        (copy / "dists/hoary/main/source/Sources.xz").write_bytes(b"the next publication")
        found = list(read_index(DirectoryArchive(copy), "hoary", self.release, "main/source/Sources"))
        self.assertEqual({entry.version for entry in found}, {"1.0.9a-4"})

    def test_an_index_the_release_does_not_vouch_for(self) -> None:
        copy = self.copy()
        shutil.rmtree(copy / "dists/hoary/main/source/by-hash")
        (copy / "dists/hoary/main/source/Sources.xz").write_bytes(b"forged")
        with self.assertRaises(DigestDiffers):
            read_listed(DirectoryArchive(copy), "hoary", self.release, "main/source/Sources.xz")

    def test_malformed_indices(self) -> None:
        for body in (
            b"Package: x\n\n",
            b"Package: x\nFilename: pool/x.deb\nVersion: 1\nSize: big\n",
            b"Package: x\nFilename: ../../etc/passwd\nVersion: 1\nSize: 1\n",
            b"Package: x\nFilename: /etc/passwd\nVersion: 1\nSize: 1\n",
        ):
            with self.assertRaises(MalformedArchive, msg=body):
                list(parse_index(io.BytesIO(body), sources=False))
        for body in (b"Package: x\nDirectory: pool\nVersion: 1\nFiles:\n", b"Package: x\n"):
            with self.assertRaises(MalformedArchive, msg=body):
                list(parse_index(io.BytesIO(body), sources=True))

    def test_cut_compression(self) -> None:
        packed = gzip.compress(b"Package: x\n" * 5000)[:40]
        with gzip.open(io.BytesIO(packed)) as cut, self.assertRaises(MalformedArchive):
            list(parse_index(cut, sources=False))


class Sources(ArchiveCase):
    def setUp(self) -> None:
        super().setUp()
        self.farm = MirrorFarm()
        self.addCleanup(self.farm.close)

    def test_the_web_gives_what_the_directory_gives(self) -> None:
        web = WebArchive(self.farm.add(self.archive.files()).url)
        self.assertEqual(web.read("dists/hoary/InRelease"), self.source.read("dists/hoary/InRelease"))
        entries = list(read_index(web, "hoary", self.release, "main/source/Sources"))
        self.assertEqual(len(entries), 2)
        for entry in entries:
            self.assertEqual(web.read(entry.path), self.source.read(entry.path))

    def test_absent(self) -> None:
        sources: list[IArchiveSource] = [self.source, WebArchive(self.farm.add({}).url)]
        for source in sources:
            with self.assertRaises(NotInArchive):
                source.read("dists/warty/Release")

    def test_outside_of_a_directory(self) -> None:
        (self.folder / "secret").write_text("x")
        with self.assertRaises(NotInArchive):
            self.source.read("../secret")

    def test_an_archive_that_does_not_answer_is_reported_in_one_sentence(self) -> None:
        hanging = self.farm.add({}, mirrorservers.hang).url
        for url, why in (
            ("http://127.0.0.1:9/ubuntu", "Connection refused"),
            ("http://nowhere.invalid/ubuntu", "there is no such host"),
            (hanging, "no answer in time"),
            ("http://[::1/ubuntu", "not a valid host or port"),
        ):
            with self.assertRaises(ArchiveUnreachable) as caught:
                WebArchive(url, 0.2).read("dists/hoary/Release")
            said = str(caught.exception)
            self.assertIn(f"{url}/dists/hoary/Release cannot be read: ", said)
            self.assertIn(why, said)
            self.assertNotRegex(said, r"\n|Pool|Max retries|object at|HTTPConnection")

    def test_broken_server(self) -> None:
        for behaviour in (mirrorservers.error_500, mirrorservers.garbage):
            with self.assertRaises(ArchiveUnreachable):
                WebArchive(self.farm.add({}, behaviour).url, 2).read("dists/hoary/Release")


if __name__ == "__main__":
    unittest.main()

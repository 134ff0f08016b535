"""Packages for the installer, udebs: a part of the archive with indices of its own, and asked for as such."""

from typing import Any, ClassVar

from librarian.mirrors.enums import MirrorStatus
from tests.mirrors.runs.test_truth import Files, TruthCase

SECTION = "main/debian-installer"
NETCFG = "pool/main/n/netcfg/netcfg_1.0_i386.udeb"


class Installer(TruthCase):
    """The archive's Release file names main/debian-installer/binary-i386/Packages."""

    udebs: ClassVar[tuple[str, ...]] = ("netcfg",)

    def without(self, *words: str) -> Files:
        return {path: body for path, body in self.whole.items() if not any(word in path for word in words)}

    def parts(self, mirror: Any) -> dict[str, MirrorStatus]:
        return {row.component.name: row.freshness for row in mirror.arch_releases}

    def test_a_whole_copy_carries_the_installer(self) -> None:
        mirror, _ = self.add("whole", self.whole)
        self.assertEqual(self.probe().good, ["whole"])
        self.assertEqual(self.parts(mirror), {"main": MirrorStatus.UP, SECTION: MirrorStatus.UP})

    def test_udebs_whose_index_is_there_must_be_there(self) -> None:
        mirror, _ = self.add("without-udebs", self.without(".udeb"))
        self.assertEqual(self.probe().failed, ["without-udebs"])
        self.assertEqual(self.troubles(mirror), {("incomplete", NETCFG)})
        self.assertIsNot(self.parts(mirror)[SECTION], MirrorStatus.UP)
        self.assertIs(self.parts(mirror)["main"], MirrorStatus.UP)

    def test_the_bytes_of_udebs_are_compared(self) -> None:
        mirror, _ = self.add("wrong", {**self.whole, NETCFG: b"x" * len(self.whole[NETCFG])})
        self.assertEqual(self.probe().failed, ["wrong"])
        self.assertEqual(self.troubles(mirror), {("wrong-bytes", NETCFG)})

    def test_a_mirror_may_leave_the_installer_out(self) -> None:
        """As debmirror does unless it is told otherwise."""
        mirror, _ = self.add("no-installer", self.without(".udeb", "debian-installer"))
        self.assertEqual(self.probe().good, ["no-installer"])
        self.assertEqual(self.parts(mirror), {"main": MirrorStatus.UP})

    def test_a_stale_mirror_need_not_have_what_came_later(self) -> None:
        mirror, _ = self.add("stale", dict(self.states[0]))
        self.assertEqual(self.probe().good, ["stale"])
        self.assertEqual({kind for kind, _ in self.troubles(mirror)}, {"release-stale"})

    def test_the_public_paths_name_its_index(self) -> None:
        mirror, _ = self.add("whole", self.whole)
        paths = [path for *_, path in mirror.guessPackagesPaths()]
        self.assertIn("dists/hoary/main/debian-installer/binary-i386/Packages.gz", paths)
        self.assertNotIn("debian-installer", " ".join(path for *_, path in mirror.guessSourcesPaths()))

"""Whose signatures count: distributions have keys of their own."""

import logging
import shutil
import tempfile
import unittest
from pathlib import Path
from typing import Any

import transaction
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import SettingsError
from librarian.mirrors.interfaces import IDistributionSet
from librarian.mirrors.runs.periodic import import_archives
from librarian.mirrors.settings import MirrorSettings
from tests.mirrors.runs.test_probe_run import RunCase
from tests.support.mirrors.apt_archive import AptArchive, missing_tools
from tests.support.mirrors.sample import add_mirror
from tests.support.world import overlay


class Setting(unittest.TestCase):
    def test_own_default_and_none(self) -> None:
        settings = MirrorSettings(keyring="/a.gpg", keyrings=("debian:/b:1.gpg", "intranet:"))
        found = [settings.keyring_of(name) for name in ("ubuntu", "debian", "intranet")]
        self.assertEqual(found, ["/a.gpg", "/b:1.gpg", None])
        self.assertIsNone(MirrorSettings().keyring_of("ubuntu"))

    def test_nonsense(self) -> None:
        for nonsense in ("/a.gpg", ":/a.gpg"):
            with self.assertRaises(SettingsError):
                MirrorSettings(keyrings=(nonsense,)).keyring_of("ubuntu")


@unittest.skipIf(missing_tools(), f"not installed: {missing_tools()}")
class TwoDistributions(RunCase):
    def setUp(self) -> None:
        super().setUp()
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        self.keyrings = {name: self.distribution(name, folder / name) for name in ("left", "right")}
        self.ubuntu.main_url = None
        transaction.commit()

    def distribution(self, name: str, folder: Path) -> str:
        """Make one with a signed archive and a mirror of it; its keyring."""
        folder.mkdir()
        archive = AptArchive(folder / "archive")
        self.addCleanup(archive.close)
        archive.add_deb("main", "pmount", "1.9-1")
        archive.publish("hoary", ["main"], date=self.clock.now())
        keyring = str(archive.keyring())
        archive.sign("hoary")
        server = self.farm.add(archive.files())
        made = getUtility(IDistributionSet).new(name, name.title(), server.url)
        made.newRelease("hoary", "5.04", [])
        add_mirror(made, self.owner, "copy", self.farm.add(archive.files()).url)
        return keyring

    def run_with(self, keyrings: dict[str, str]) -> dict[str, Any]:
        """How the import and the probe of each went."""
        words = " ".join(f"{name}:{path}" for name, path in keyrings.items())
        with overlay(f"[librarian.mirrors]\nkeyrings = {words}\n"):
            import_archives()
            self.probe(force=True)
        found = {}
        for name in self.keyrings:
            made = removeSecurityProxy(getUtility(IDistributionSet)[name])
            kinds = {kind for kind, _, _ in made["copy"].troubles}
            found[name] = (len(made.known_releases("hoary")), made["copy"].last_probe_record.verdict, kinds)
        return found

    def test_each_is_read_and_probed_with_its_own(self) -> None:
        self.assertEqual(
            self.run_with(self.keyrings), {"left": (1, "good", set()), "right": (1, "good", set())}
        )

    def test_the_key_of_another_signs_nothing(self) -> None:
        self.run_with(self.keyrings)
        swapped = {"left": self.keyrings["right"], "right": self.keyrings["left"]}
        with self.assertLogs("librarian.mirrors.runs.periodic", logging.WARNING) as logged:
            found = self.run_with(swapped)
        self.assertEqual(len(logged.output), 2)
        for name in ("left", "right"):
            self.assertEqual(found[name][1:], ("failed", {"bad-signature"}))


if __name__ == "__main__":
    unittest.main()

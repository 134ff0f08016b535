"""Whole runs: what they record, which mails they send, and what they leave alone."""

import logging
import random
import shutil
import tempfile
import unittest
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import transaction
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.mirrors.enums import DisabledBy, MirrorContent, MirrorStatus
from librarian.mirrors.probing.probe import MirrorProbe
from librarian.mirrors.runs.probe_run import ProbeRun
from librarian.mirrors.runs.summary import RunOptions, RunSummary
from librarian.people.interfaces import IPersonSet, ITeamSet
from tests.support.layers import Functional
from tests.support.mirrors import servers as mirrorservers
from tests.support.mirrors.sample import add_mirror, add_sample
from tests.support.mirrors.servers import MirrorFarm, MirrorServer
from tests.support.outbox import outbox
from tests.support.servers.certificates import Authority
from tests.support.world import overlay

SETTINGS = """
[librarian.mirrors]
allowed_networks = 127.0.0.0/8
timeout = 20s
failures_to_disable = {failures}
"""

FILES = {
    path: path.encode()
    for path in (
        "dists/warty/main/source/Sources.gz",
        "dists/warty/main/binary-i386/Packages.gz",
        "dists/hoary/main/binary-i386/Packages.gz",
        "pool/main/a/alsa-utils/alsa-utils_1.0.8-1ubuntu1.dsc",
        "pool/main/a/alsa-utils/alsa-utils_1.0.9a-4.dsc",
        "pool/main/m/mozilla-firefox/mozilla-firefox_0.9_i386.deb",
        "pool/main/p/pmount/pmount_1.9-1_all.deb",
        "pool/main/p/pmount/pmount_1.9-2_all.deb",
    )
}


class RunCase(unittest.TestCase):
    layer = Functional
    failures = 2

    def setUp(self) -> None:
        self.farm = MirrorFarm()
        self.addCleanup(self.farm.close)
        lying_over = overlay(SETTINGS.format(failures=self.failures))
        lying_over.__enter__()
        self.addCleanup(lying_over.__exit__, None, None, None)
        self.ubuntu = add_sample()
        for mirror in self.ubuntu.mirrors:
            mirror.enabled = False
        self.owner = getUtility(IPersonSet).getByName("name16")
        self.clock = Functional.world.clock
        transaction.commit()

    def add(self, name: str, server: MirrorServer | None = None, **options: Any) -> Any:
        server = server or self.farm.add(FILES)
        mirror = add_mirror(self.ubuntu, self.owner, name, server.url, **options)
        transaction.commit()
        return mirror

    def probe(self, **options: Any) -> RunSummary:
        transaction.commit()
        summary = ProbeRun(RunOptions(**options), chance=random.Random(1)).run()
        transaction.begin()  # to see what it did
        return summary


class Recording(RunCase):
    def test_what_is_there_is_recorded(self) -> None:
        mirror = self.add("good")
        summary = self.probe()
        self.assertEqual((summary.probed, summary.good, summary.failed), (1, ["good"], []))
        sources = [(row.distro_release.name, row.freshness.name) for row in mirror.source_releases]
        self.assertEqual(sources, [("warty", "UP")])
        self.assertEqual(mirror.arch_releases.count(), 2)
        self.assertIs(mirror.freshness, MirrorStatus.UP)
        self.assertEqual(mirror.last_probe_record.verdict, "good")
        self.assertEqual(mirror.last_probe_record.date_created, self.clock.now())
        log = mirror.last_probe_record.log_file.read().decode()
        self.assertIn("warty/main source: Up to date.", log)

    def test_a_second_run_finds_nothing_to_do(self) -> None:
        self.add("good")
        self.probe()
        self.assertEqual(self.probe().probed, 0)
        self.assertEqual(self.probe(force=True).probed, 1)
        self.clock.move(hours=25)
        self.assertEqual(self.probe().probed, 1)

    def test_where_nothing_was_published_nothing_follows(self) -> None:
        for release in self.ubuntu.releases:
            release.active = False
        mirror = self.add("early")
        images = self.add("images", self.farm.add({}), content=MirrorContent.RELEASE)
        for content in MirrorContent:
            for _ in range(3):
                self.probe(force=True, content=content)
        self.assertEqual((mirror.enabled, images.enabled, len(outbox)), (True, True, 0))
        self.assertEqual(mirror.last_probe_record.verdict, "inconclusive")

    def test_rows_go_when_files_go(self) -> None:
        server = self.farm.add(FILES)
        mirror = self.add("shrinking", server)
        self.probe()
        del server.files["dists/hoary/main/binary-i386/Packages.gz"]
        del server.files["dists/warty/main/source/Sources.gz"]
        self.probe(force=True)
        self.assertEqual((mirror.source_releases.count(), mirror.arch_releases.count()), (0, 1))

    def test_images(self) -> None:
        removeSecurityProxy(self.ubuntu).images[("hoary", "ubuntu")] = ("hoary/desktop.iso",)
        mirror = self.add(
            "images", self.farm.add({"hoary/desktop.iso": b"iso"}), content=MirrorContent.RELEASE
        )
        self.assertEqual(self.probe().probed, 0)
        self.assertEqual(self.probe(content=MirrorContent.RELEASE).good, ["images"])
        self.assertIs(mirror.freshness, MirrorStatus.UP)

    def test_old_logs_and_records_are_cleared_away(self) -> None:
        mirror = self.add("good")
        for _ in range(3):
            self.probe(force=True)
            self.clock.move(days=29)
        logs = [record.log_file is not None for record in mirror.probe_records]
        self.assertEqual(logs, [True, True, False])
        self.clock.move(days=330)
        self.probe()
        self.assertEqual(mirror.probe_records.count(), 2)


class Damping(RunCase):
    def test_one_bad_probe_is_no_verdict(self) -> None:
        server = self.farm.add(FILES)
        mirror = self.add("flapping", server)
        self.probe()
        server.behaviour = mirrorservers.error_500
        self.clock.move(hours=24)
        self.probe()
        self.assertTrue(mirror.enabled)
        self.assertEqual((mirror.failures, mirror.source_releases.count(), len(outbox)), (1, 1, 0))
        server.behaviour = mirrorservers.good
        self.clock.move(hours=1)  # looked at again sooner than a good one
        self.assertEqual(self.probe().good, ["flapping"])
        self.assertEqual((mirror.failures, len(outbox)), (0, 0))

    def test_the_second_in_a_row_is(self) -> None:
        server = self.farm.add(FILES)
        mirror = self.add("broken", server)
        self.probe()
        server.behaviour = mirrorservers.error_500
        for _ in range(2):
            self.clock.move(hours=24)
            self.probe()
        self.assertIs(mirror.disabled_by, DisabledBy.PROBER)
        self.assertEqual((mirror.source_releases.count(), mirror.arch_releases.count()), (0, 0))
        message = outbox.pop()
        self.assertEqual(message["To"], "Foo Bar <foo.bar@example.com>")
        body = message.get_content()
        self.assertIn("failed 2 times in a row", body)
        # It was first seen a day before the mail.
        self.assertIn("Packages.gz  (since 2026-03-02 12:00 UTC)", body)
        self.assertEqual(len(outbox), 0)

    def test_recovery_is_told(self) -> None:
        server = self.farm.add(FILES, mirrorservers.error_500)
        mirror = self.add("broken", server)
        self.probe()
        self.clock.move(hours=1)
        self.probe()
        self.assertFalse(mirror.enabled)
        outbox.pop()
        server.behaviour = mirrorservers.good
        self.assertEqual(self.probe().probed, 0)
        self.clock.move(hours=1)
        self.probe()
        self.assertTrue(mirror.enabled)
        message = outbox.pop()
        self.assertEqual(message["Subject"], "Verification of broken succeeded")
        self.assertIn("off since 2026-03-01 13:00 UTC", message.get_content())
        self.assertEqual(mirror.arch_releases.count(), 2)

    def test_an_owner_is_told_once(self) -> None:
        self.add("broken", self.farm.add(FILES, mirrorservers.error_500))
        for _ in range(5):
            self.probe()
            self.clock.move(hours=1)
        self.assertEqual(len(outbox), 1)

    def test_a_team_hears_in_all_its_people(self) -> None:
        people = getUtility(IPersonSet)
        team = getUtility(ITeamSet).new("operators", "Operators")
        team.addMember(self.owner)
        team.addMember(people.getByName("sample"))
        team.addMember(people.new("silent", "No Mail"))
        self.owner = team
        self.add("broken", self.farm.add(FILES, mirrorservers.error_500))
        for _ in range(2):
            self.probe(force=True)
        told = sorted(outbox.pop()["To"] for _ in range(2))
        self.assertEqual(told, ["Foo Bar <foo.bar@example.com>", "Sample Person <sample@example.com>"])


class Certificates(RunCase):
    def test_the_owner_is_warned_once(self) -> None:
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        authority = Authority(folder)
        # The prober's clock stands in March; the certificate is as long as the test needs it to be.
        now = datetime.now(UTC)
        self.clock.set(now)
        server = self.farm.add(FILES, tls=authority.context("127.0.0.1", 10))
        with overlay(f"[librarian.mirrors]\nca_file = {authority.ca_file}\n"):
            mirror = self.add("secure", server)
            for _ in range(2):
                self.assertEqual(self.probe(force=True).good, ["secure"])
        self.assertEqual(len(outbox), 1)
        message = outbox.pop()
        self.assertEqual(message["Subject"], "Certificate of secure expires soon")
        self.assertIn(f"valid until {now + timedelta(days=10):%Y-%m-%d}", message.get_content())
        self.assertTrue(mirror.enabled)


class Faults(RunCase):
    failures = 1

    def test_an_error_in_the_prober_counts_against_no_mirror(self) -> None:
        good, other = self.add("good"), self.add("other")
        carries = MirrorProbe._carries

        async def fail(self: MirrorProbe, *arguments: Any) -> bool:
            if self.report.plan.name == "other":
                raise ZeroDivisionError("for a test")
            return await carries(self, *arguments)

        faulty = mock.patch.object(MirrorProbe, "_carries", fail)
        with faulty, self.assertLogs("librarian.mirrors.probing.probe", logging.ERROR):
            summary = self.probe()
        self.assertEqual((summary.good, summary.failed), (["good"], ["other"]))
        self.assertEqual((good.enabled, other.enabled), (True, True))
        self.assertEqual(other.last_probe_record.verdict, "inconclusive")
        self.assertIn(b"ZeroDivisionError", other.last_probe_record.log_file.read())

    def test_an_owner_without_a_reachable_address(self) -> None:
        people = getUtility(IPersonSet)
        for name, email in (("silent", None), ("gone", "gone@example.com")):
            self.owner = people.new(name, name, email)
            mirror = self.add(f"of-{name}", self.farm.add({}))
            if email:
                self.owner.disable()
            self.probe(force=True)
            self.assertFalse(mirror.enabled)
        self.assertEqual(len(outbox), 0)


class AtOnce(RunCase):
    failures = 1

    def test_with_one_the_first_is_a_verdict(self) -> None:
        mirror = self.add("broken", self.farm.add({}))
        self.probe()
        self.assertFalse(mirror.enabled)
        self.assertEqual(len(outbox), 1)

    def test_dishonest_mirrors_are_switched_off(self) -> None:
        self.ubuntu.main_url = self.farm.add({}).url  # a control
        for behaviour in (mirrorservers.yes, mirrorservers.sorry):
            mirror = self.add(behaviour.__name__, self.farm.add(FILES, behaviour))
            self.probe(force=True)
            self.assertFalse(mirror.enabled, behaviour)

    def test_what_a_person_switched_off_stays_off(self) -> None:
        mirror = self.add("resting")
        mirror.enabled = False
        self.assertEqual(self.probe(force=True).probed, 0)
        mirror.enabled = True
        mirror.disableAndNotifyOwner()
        mirror.enabled = False
        self.assertEqual(self.probe(force=True).probed, 0)
        self.assertIs(mirror.disabled_by, DisabledBy.PERSON)

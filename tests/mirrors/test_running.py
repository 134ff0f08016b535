"""Whole runs: what they record, which mails they send, and what they leave alone."""

import json
import logging
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
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
from librarian.mirrors.runs.run import ProbeRun
from librarian.mirrors.runs.summary import RunOptions, RunSummary
from librarian.people.interfaces import IPersonSet, ITeamSet
from tests.support.layers import Functional
from tests.support.mirrors import servers as mirrorservers
from tests.support.mirrors.sample import add_mirror, add_sample
from tests.support.mirrors.servers import MirrorFarm, MirrorServer
from tests.support.outbox import outbox
from tests.support.servers.certificates import Authority
from tests.support.servers.librarian import ServerProcess
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
        _naked(self.ubuntu).images[("hoary", "ubuntu")] = ("hoary/desktop.iso",)
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


class Clocks(RunCase):
    def test_a_probe_from_the_future_does_not_count(self) -> None:
        mirror = self.add("good")
        self.clock.move(days=365)
        self.probe()
        self.clock.move(days=-365)
        self.assertEqual(self.probe().probed, 1)
        self.assertEqual(mirror.probe_records.count(), 2)

    def test_a_claim_from_the_future_does_not_count(self) -> None:
        mirror = _naked(self.add("good"))
        mirror.claim = ("token", self.clock.now() + timedelta(days=365), "elsewhere 1 1")
        self.assertEqual(self.probe().probed, 1)


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

    def test_an_owner_who_cannot_be_told(self) -> None:
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


class Guard(RunCase):
    failures = 1

    def dead(self, count: int) -> list[Any]:
        return [
            add_mirror(self.ubuntu, self.owner, f"dead{n}", f"http://127.0.2.{n + 1}:9/")
            for n in range(count)
        ]

    def test_when_most_fail_at_once_it_is_the_prober(self) -> None:
        good, dead = self.add("good"), self.dead(9)
        summary = self.probe()
        self.assertTrue(summary.prober_offline)
        self.assertTrue(all(mirror.enabled for mirror in (good, *dead)))
        self.assertEqual(len(outbox), 0)
        self.assertEqual(dead[0].last_probe_record.verdict, "inconclusive")
        self.assertEqual(good.last_probe_record.verdict, "good")
        self.clock.move(hours=1)
        self.assertEqual(self.probe().probed, 9)  # not the good one

    def test_a_few_dead_ones_are_dead(self) -> None:
        good, dead = [self.add(f"good{n}") for n in range(6)], self.dead(4)
        summary = self.probe()
        self.assertFalse(summary.prober_offline)
        self.assertEqual({mirror.enabled for mirror in good}, {True})
        self.assertEqual({mirror.enabled for mirror in dead}, {False})

    def test_those_that_were_down_before_do_not_count(self) -> None:
        good = [self.add(f"good{n}") for n in range(5)]
        for mirror in self.dead(6):
            mirror.disableAndNotifyOwner()
        fresh = add_mirror(self.ubuntu, self.owner, "fresh", "http://127.0.2.99:9/")
        self.assertFalse(self.probe(force=True).prober_offline)
        self.assertEqual((fresh.enabled, {mirror.enabled for mirror in good}), (False, {True}))

    def test_when_no_server_answers_only_control_urls_can_tell(self) -> None:
        for mirror in self.dead(6):
            mirror.disableAndNotifyOwner()
        fresh = add_mirror(self.ubuntu, self.owner, "fresh", "http://127.0.2.99:9/")
        self.assertTrue(self.probe(force=True).prober_offline)
        self.assertTrue(fresh.enabled)
        with overlay(f"[librarian.mirrors]\ncontrol_urls = {self.farm.add({}).url}/\n"):
            self.assertFalse(self.probe(force=True).prober_offline)
            self.assertTrue(fresh.enabled)  # after an outage it takes a second look
            self.assertFalse(self.probe(force=True).prober_offline)
        self.assertFalse(fresh.enabled)

    def test_two_that_are_silent_together(self) -> None:
        dead = self.dead(2)
        self.assertTrue(self.probe().prober_offline)
        self.assertEqual({mirror.enabled for mirror in dead}, {True})

    def test_mirrors_that_answer_404_do_not_count_as_unreachable(self) -> None:
        for n in range(5):
            self.add(f"empty{n}", self.farm.add({}))
        self.assertFalse(self.probe().prober_offline)

    def test_control_urls_tell_for_small_runs(self) -> None:
        [dead] = self.dead(1)
        with overlay("[librarian.mirrors]\ncontrol_urls = http://127.0.3.1:9/\n"):
            self.assertTrue(self.probe().prober_offline)
        self.assertTrue(dead.enabled)
        control = self.farm.add({}).url
        with overlay(f"[librarian.mirrors]\ncontrol_urls = http://127.0.3.1:9/ {control}/\n"):
            self.assertFalse(self.probe(force=True).prober_offline)
            self.assertTrue(dead.enabled)  # after an outage it takes a second look
            self.assertFalse(self.probe(force=True).prober_offline)
        self.assertFalse(dead.enabled)


class TwoProbers(RunCase):
    def test_two_at_once_leave_no_doubled_record(self) -> None:
        mirrors = [self.add(f"mirror{n}", self.farm.add(FILES, mirrorservers.slow(0.01))) for n in range(6)]
        transaction.commit()
        runs = [ProbeRun(RunOptions()) for _ in range(3)]
        threads = [threading.Thread(target=run.run) for run in runs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        transaction.begin()
        self.assertEqual([mirror.probe_records.count() for mirror in mirrors], [1] * 6)
        self.assertEqual(sum(run.summary.probed for run in runs), 6)
        self.assertEqual({mirror.claim for mirror in map(_naked, mirrors)}, {None})

    def test_a_claim_of_the_dead_is_void_and_one_of_the_living_is_not(self) -> None:
        mirror = _naked(self.add("claimed"))
        later = self.clock.now() + timedelta(hours=1)
        for who, probed in (
            (f"{socket.gethostname()} {os.getpid()} 1", 1),  # this pid, but another process
            (f"{socket.gethostname()} 999999999 1", 1),
            ("elsewhere 1 1", 0),
        ):
            mirror.claim = ("token", later, who)
            self.assertEqual(self.probe(force=True).probed, probed, who)
        self.clock.move(hours=2)
        self.assertEqual(self.probe(force=True).probed, 1)  # even elsewhere, once the claim has ended


_SET_UP = """
import json, sys
from zope.component import getUtility
from librarian.commands.common.site import opened_site
from librarian.people.interfaces import IPersonSet
from tests.support.mirrors.sample import add_mirror, add_sample
from librarian.tree.interfaces import ITree

def work():
    ubuntu = add_sample()
    owner = getUtility(IPersonSet).getByName("name16")
    for mirror in ubuntu.mirrors:
        mirror.enabled = False
    for number, url in enumerate(sys.argv[2:]):
        add_mirror(ubuntu, owner, f"mirror{number}", url)

with opened_site(sys.argv[1]):
    getUtility(ITree).run(work)
"""

_COUNT = """
import json, sys
from zope.component import getUtility
from librarian.commands.common.site import opened_site
from librarian.mirrors.interfaces import IDistributionMirrorSet

with opened_site(sys.argv[1]):
    mirrors = [mirror for mirror in getUtility(IDistributionMirrorSet) if mirror.enabled]
    print(json.dumps([mirror.probe_records.count() for mirror in mirrors]))
"""


class KilledInTheMiddle(unittest.TestCase):
    """A prober that is killed leaves what it recorded, and nothing that stops the next one."""

    def setUp(self) -> None:
        self.farm = MirrorFarm()
        self.addCleanup(self.farm.close)
        more = "librarian.mirrors.allowed_networks = 127.0.0.0/8\nlibrarian.mirrors.parallel = 4"
        self.site = ServerProcess(more)
        self.addCleanup(self.site.remove)

    def python(self, code: str, *arguments: str) -> "subprocess.Popen[str]":
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.site.folder,
            env=environ,
        )

    def run_python(self, code: str, *arguments: str) -> str:
        out, errors = self.python(code, str(self.site.ini), *arguments).communicate(timeout=60)
        self.assertEqual(errors, "")
        return out

    def test_kill_9(self) -> None:
        servers = [self.farm.add(FILES, mirrorservers.slow(0.01), host=f"127.0.4.{n + 1}") for n in range(6)]
        self.run_python(_SET_UP, *(server.url for server in servers))
        prober = self.python(
            "from librarian.commands.main import main; main()",
            *("mirrors", "probe", "--no-mail", "-c", str(self.site.ini)),
        )
        while len(self.farm.traffic.requests) < 3 * 43 and prober.poll() is None:  # half of them
            time.sleep(0.005)
        prober.send_signal(signal.SIGKILL)
        prober.communicate(timeout=30)
        counts = json.loads(self.run_python(_COUNT))
        self.assertLessEqual(max(counts), 1)
        done = self.site.command("mirrors", "probe", "--no-mail")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(self.run_python(_COUNT)), [1] * 6)
        self.assertIn("INFO    Probing Distribution Mirrors\n", done.stderr)
        self.assertIn("INFO    Done.\n", done.stderr)


def _naked(thing: Any) -> Any:
    return removeSecurityProxy(thing)


if __name__ == "__main__":
    unittest.main()

"""Probing from inside the server."""

import logging
from io import BytesIO
from typing import Any
from unittest import mock

import transaction
from zope.component import getUtility

from librarian.mirrors.enums import PackagePublishingPocket
from librarian.mirrors.interfaces import (
    IDistribution,
    IDistributionMirror,
    IDistributionSet,
    IDistroArchRelease,
    IDistroRelease,
    IMirrorDistroArchRelease,
    IMirrorDistroReleaseSource,
    IMirrorProbeRecord,
)
from librarian.mirrors.runs import periodic as schedule
from librarian.mirrors.runs.periodic import Schedule
from tests.mirrors.runs.test_probe_run import RunCase
from tests.support.mirrors.sample import SmallArchive
from tests.support.world import overlay


class PeriodicTask(RunCase):
    def setUp(self) -> None:
        super().setUp()
        delivery = mock.patch.object(schedule, "deliver_queue")
        self.deliver = delivery.start()
        self.addCleanup(delivery.stop)

    def test_off_unless_asked_for(self) -> None:
        with mock.patch.object(Schedule, "start") as start:
            schedule.begin(None)
            self.assertFalse(start.called)
            with overlay("[librarian.mirrors]\nprobe_in_server = 10m\n"):
                schedule.begin(None)
            self.assertTrue(start.called)

    def test_a_round_reads_probes_and_sends(self) -> None:
        archive = SmallArchive("hoary")
        archive.add("hello", "1")
        archive.publish(self.clock.now())
        self.ubuntu.main_url = self.farm.add(archive.files).url
        mirror = self.add("copy", self.farm.add(archive.files))
        Schedule(60).once()
        transaction.begin()
        self.assertEqual(len(self.ubuntu.known_releases("hoary")), 1)
        self.assertEqual(mirror.last_probe_record.verdict, "good")
        self.assertEqual(dict(mirror.suites)["hoary"].name, "UP")
        self.assertTrue(self.deliver.called)

    def test_why_no_mirror_was_judged_is_in_the_log(self) -> None:
        self.ubuntu.main_url = None
        self.add("inside")
        networks = overlay("[librarian.mirrors]\nallowed_networks =\n")
        with networks, self.assertLogs("librarian.mirrors.runs.periodic", logging.WARNING) as logged:
            Schedule(60).once()
        self.assertIn("librarian.mirrors.allowed_networks", logged.output[0])

    def test_a_broken_archive_stops_nothing(self) -> None:
        self.ubuntu.main_url = "http://127.0.0.1:9/"
        mirror = self.add("good")
        with self.assertLogs("librarian.mirrors.runs.periodic", logging.WARNING):
            Schedule(60).once()
        transaction.begin()
        self.assertEqual(mirror.last_probe_record.verdict, "good")

    def test_a_url_from_a_form_does_not_lead_inside(self) -> None:
        inside = self.farm.add({}, host="127.0.0.7")
        self.ubuntu.main_url = inside.url
        transaction.commit()
        networks = overlay("[librarian.mirrors]\nallowed_networks = 10.0.0.0/8\n")
        with networks, self.assertLogs("librarian.mirrors.runs.periodic", logging.WARNING) as logged:
            Schedule(60).once()
        self.assertIn("is not a public address", logged.output[0])
        self.assertEqual(inside.requests, [])

    def test_any_failing_step_is_logged_and_the_next_one_done(self) -> None:
        def fail() -> None:
            raise RuntimeError("for a test")

        broken = mock.patch.object(schedule, "import_archives", fail)
        with broken, self.assertLogs("librarian.mirrors.runs.periodic", logging.ERROR):
            Schedule(60).once()
        self.assertTrue(self.deliver.called)


class Contracts(RunCase):
    """Objects have what their interfaces promise."""

    def test_all(self) -> None:
        mirror = self.add("good")
        record = mirror.newProbeRecord(BytesIO(b""))
        warty = self.ubuntu.releases[0]
        where = PackagePublishingPocket.RELEASE, warty.components[0]
        pairs: list[tuple[Any, Any]] = [
            (IDistributionMirror, mirror),
            (IMirrorProbeRecord, record),
            (IDistribution, self.ubuntu),
            (IDistroRelease, warty),
            (IDistroArchRelease, warty.arch_releases[0]),
            (IMirrorDistroReleaseSource, mirror.ensureMirrorDistroReleaseSource(warty, *where)),
            (
                IMirrorDistroArchRelease,
                mirror.ensureMirrorDistroArchRelease(warty.arch_releases[0], *where),
            ),
            (IDistributionSet, getUtility(IDistributionSet)),
        ]
        for interface, thing in pairs:
            for name in interface:
                getattr(thing, name)

"""The registry: the URLs that tell how fresh a part is, numbers and names, refusals, permissions."""

import unittest
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import transaction
from zope.component import getUtility
from zope.security.interfaces import ForbiddenAttribute, Unauthorized

from librarian.library.interfaces import IFileReferences
from librarian.mirrors.enums import MirrorReviewStatus, PackagePublishingPocket
from librarian.mirrors.interfaces import (
    BadBaseURL,
    CannotResubmit,
    IDistributionMirrorSet,
    IDistributionSet,
    IDistroArchReleaseSet,
    IDistroReleaseSet,
    MirrorWasProbed,
    NameInUse,
    NoSuchDistribution,
    NoSuchMirror,
    NoSuchRelease,
    URLInUse,
)
from librarian.people.interfaces import BadName, IPersonSet
from librarian.security.interaction import acting_as
from librarian.security.principals import ANONYMOUS
from tests.support.layers import Functional
from tests.support.mirrors.sample import add_mirror, add_sample

RELEASE = PackagePublishingPocket.RELEASE


class RegistryCase(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.ubuntu = add_sample()
        self.owner = getUtility(IPersonSet).getByName("name16")
        self.mirrors = getUtility(IDistributionMirrorSet)
        self.clock = Functional.world.clock

    def add(self, name: str = "berlin", url: str = "http://berlin.example/ubuntu") -> Any:
        return add_mirror(self.ubuntu, self.owner, name, url)


class Updateness(RegistryCase):
    """Four moments, and the URLs that are asked for at each."""

    def setUp(self) -> None:
        super().setUp()
        mirror, release = self.add(), self.ubuntu.getRelease("warty")
        main, [i386] = release.components[0], release.arch_releases
        self.source = mirror.ensureMirrorDistroReleaseSource(release, RELEASE, main)
        self.binary = mirror.ensureMirrorDistroArchRelease(i386, RELEASE, main)

    def check(self, row: Any, when: datetime | None, expected: list[tuple[str, str]]) -> None:
        urls = row.getURLsToCheckUpdateness(when) if when else row.getURLsToCheckUpdateness()
        base = "http://berlin.example/ubuntu/pool/main/"
        found = [(status.name, url) for status, url in urls.items()]
        self.assertEqual(found, [(status, base + path) for status, path in expected])

    def test_two_uploads_in_two_days(self) -> None:
        self.check(
            self.source,
            datetime(2005, 9, 17),  # noqa: DTZ001  # a moment without a zone is UTC
            [
                ("ONEDAYBEHIND", "a/alsa-utils/alsa-utils_1.0.9a-4.dsc"),
                ("TWODAYSBEHIND", "a/alsa-utils/alsa-utils_1.0.8-1ubuntu1.dsc"),
            ],
        )

    def test_nothing_lately(self) -> None:
        self.check(self.source, None, [("UP", "a/alsa-utils/alsa-utils_1.0.9a-4.dsc")])

    def test_udebs_are_left_out(self) -> None:
        self.check(
            self.binary,
            datetime(2005, 6, 22, tzinfo=UTC),
            [
                ("TWODAYSBEHIND", "p/pmount/pmount_1.9-1_all.deb"),
                ("ONEWEEKBEHIND", "m/mozilla-firefox/mozilla-firefox_0.9_i386.deb"),
            ],
        )

    def test_a_minute_after_an_upload(self) -> None:
        self.check(
            self.binary,
            datetime(2005, 6, 20, 0, 1, tzinfo=UTC),
            [
                ("UP", "p/pmount/pmount_1.9-1_all.deb"),
                ("TWODAYSBEHIND", "m/mozilla-firefox/mozilla-firefox_0.9_i386.deb"),
            ],
        )

    def test_before_anything_was_published(self) -> None:
        self.check(self.source, datetime(2000, 1, 1, tzinfo=UTC), [])


class Numbers(RegistryCase):
    def test_releases_and_builds_are_found_by_number(self) -> None:
        for release in self.ubuntu.releases:
            self.assertEqual(getUtility(IDistroReleaseSet).get(release.id).name, release.name)
            for build in release.arch_releases:
                self.assertEqual(getUtility(IDistroArchReleaseSet).get(build.id), build)

    def test_a_release_names_its_distribution(self) -> None:
        release = getUtility(IDistroReleaseSet).get(1)
        self.assertEqual((release.distribution.name, release.distribution.id), ("ubuntu", self.ubuntu.id))


class Refusals(RegistryCase):
    def test_unknown_names_and_numbers(self) -> None:
        with self.assertRaises(NoSuchMirror):
            self.mirrors[99]
        with self.assertRaises(NoSuchDistribution):
            getUtility(IDistributionSet).get(99)
        with self.assertRaises(NoSuchDistribution):
            getUtility(IDistributionSet)["debian"]
        with self.assertRaises(NoSuchRelease):
            getUtility(IDistroReleaseSet).get(99)
        with self.assertRaises(NoSuchRelease):
            getUtility(IDistroArchReleaseSet).get(99)
        self.assertIsNone(self.mirrors.getByName(self.ubuntu, "no-such-mirror"))

    def test_taken(self) -> None:
        self.add()
        with self.assertRaises(NameInUse):
            self.add(url="http://elsewhere.example/")
        for same in ("http://berlin.example/ubuntu", "http://BERLIN.example/ubuntu/"):
            with self.assertRaises(URLInUse):
                self.add("another", same)
        with self.assertRaises(NameInUse):
            self.ubuntu.newRelease("hoary", "1", [])
        with self.assertRaises(NameInUse):
            getUtility(IDistributionSet).new("ubuntu", "Ubuntu")

    def test_bad_names(self) -> None:
        for name in ("", "A", "+x", "a/b", "a" * 65, "ä"):
            with self.assertRaises(BadName, msg=name):
                self.add(name)

    def test_bad_urls(self) -> None:
        for url in (
            "http://",
            "http:///path",
            "http://[::1",
            "http://host:port/",
            "http://user:secret@host/",
            "http://host/?query",
            "http://host/#fragment",
            "http://ho st/",
            "http://host/\n",
            "https://host/",
        ):
            with self.assertRaises(BadBaseURL, msg=url):
                self.mirrors[1].setBaseURLs(http=url)
        with self.assertRaises(BadBaseURL):
            self.mirrors[1].setBaseURLs()
        self.assertEqual(self.mirrors[1].base_url, "http://valid.example/archive/")

    def test_a_probed_mirror_stays(self) -> None:
        self.mirrors[1].newProbeRecord(BytesIO(b""))
        with self.assertRaises(MirrorWasProbed):
            self.ubuntu.removeMirror(self.mirrors[1])
        self.ubuntu.removeMirror(self.mirrors[4])
        with self.assertRaises(NoSuchMirror):
            self.mirrors[4]

    def test_only_a_broken_mirror_is_resubmitted(self) -> None:
        mirror = self.mirrors[1]
        with self.assertRaises(CannotResubmit):
            mirror.resubmitForReview()
        mirror.review(MirrorReviewStatus.BROKEN, self.owner)
        mirror.resubmitForReview()
        self.assertIs(mirror.review_status, MirrorReviewStatus.PENDING_REVIEW)


class Order(RegistryCase):
    def names(self, **options: Any) -> list[str]:
        return [mirror.name for mirror in self.mirrors.getMirrorsToProbe(**options)]

    def test_never_probed_first_then_longest_ago(self) -> None:
        self.add("third")
        self.mirrors[4].newProbeRecord(BytesIO(b"x"))
        self.clock.move(hours=2)
        self.mirrors[1].newProbeRecord(BytesIO(b"x"))
        self.assertEqual(self.names(), ["third"])
        self.assertEqual(self.names(force=True), ["third", "archive-404-mirror", "valid-mirror"])
        self.assertEqual(self.names(force=True, limit=2), ["third", "archive-404-mirror"])
        self.clock.move(hours=22)
        self.assertEqual(self.names(), ["third", "archive-404-mirror"])
        self.clock.move(hours=2)
        self.assertEqual(self.names(), ["third", "archive-404-mirror", "valid-mirror"])

    def test_what_a_person_switched_off_is_left_alone(self) -> None:
        self.mirrors[1].enabled = False
        self.assertEqual(self.names(force=True), ["archive-404-mirror"])
        self.assertEqual(list(self.mirrors.getMirrorsToRecover(force=True)), [])

    def test_what_the_prober_switched_off_is_looked_at_again(self) -> None:
        self.mirrors[1].disableAndNotifyOwner()
        self.assertEqual([each.name for each in self.mirrors.getMirrorsToRecover()], ["valid-mirror"])


class Permissions(RegistryCase):
    def test_anonymous_sees_and_changes_nothing(self) -> None:
        mirror = self.mirrors[1]
        record = mirror.newProbeRecord(BytesIO(b"log"))
        with acting_as(ANONYMOUS):
            self.assertEqual((mirror.name, mirror.freshness.name), ("valid-mirror", "UNKNOWN"))
            for forbidden in (
                lambda: self.ubuntu.newMirror,
                lambda: self.ubuntu.newRelease,
                lambda: mirror.review,
                lambda: mirror.setBaseURLs,
                lambda: mirror.newProbeRecord,
                lambda: mirror.disableAndNotifyOwner,
                lambda: mirror.ensureMirrorDistroArchRelease,
                lambda: record.log_file,
                lambda: setattr(mirror, "enabled", False),
                lambda: getUtility(IDistributionSet).new,
            ):
                with self.assertRaises(Unauthorized):
                    forbidden()
            with self.assertRaises(ForbiddenAttribute):
                mirror.freshness = None
            with self.assertRaises(ForbiddenAttribute):
                mirror.claim  # noqa: B018  # looking at it is the test

    def test_logs_are_files_of_the_library_held_by_their_records(self) -> None:
        record = self.mirrors[1].newProbeRecord(BytesIO(b"what happened"))
        alias_id = record.log_file.id
        transaction.commit()
        self.assertEqual(record.log_file.filename, "valid-mirror-probe-logfile.txt")
        self.assertEqual((record.log_file.restricted, record.log_file.read()), (True, b"what happened"))
        references = getUtility(IFileReferences, name="mirrors")
        self.assertEqual(references.held_among(frozenset({alias_id, 1})), {alias_id})
        self.assertEqual(references.holders(alias_id), ["mirrors: log of a probe"])
        record.destroySelf()
        self.assertEqual(references.held_among(frozenset({alias_id})), set())
        self.assertIsNone(self.mirrors[1].last_probe_record)

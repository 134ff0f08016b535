"""The probe of one mirror, against servers that misbehave on purpose: each is judged right."""

import asyncio
import random
import shutil
import socket
import tempfile
import threading
import unittest
from asyncio import StreamWriter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from unittest import mock

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import ThreadedFTPServer
from zope.interface import implementer

from librarian.interfaces import IClock
from librarian.mirrors.enums import FindingKind, MirrorContent, MirrorStatus, PackagePublishingPocket
from librarian.mirrors.probing.interfaces import ProberSettings
from librarian.mirrors.probing.parallel import probe_all
from librarian.mirrors.probing.plan import (
    ContentCheck,
    ContentKey,
    ImageCheck,
    KnownRelease,
    ProbePlan,
    ProbeReport,
    Sample,
)
from librarian.mirrors.probing.verdict import Verdict, judge, was_reached
from tests.support.mirrors import servers as mirrorservers
from tests.support.mirrors.apt_archive import AptArchive, missing_tools
from tests.support.mirrors.servers import MirrorFarm, MirrorServer, Request
from tests.support.servers.certificates import Authority

NOW = datetime(2026, 1, 10, tzinfo=UTC)
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
RELEASE_POCKET = PackagePublishingPocket.RELEASE
SOURCE = ContentKey("hoary", RELEASE_POCKET, "main", None)
I386 = ContentKey("hoary", RELEASE_POCKET, "main", "i386")
UPDATES = ContentKey("hoary", PackagePublishingPocket.UPDATES, "main", "i386")
NEW, OLD = "pool/main/a/a/a_2.dsc", "pool/main/a/a/a_1.dsc"
DEB = "pool/main/b/b/b_1_i386.deb"


def release_file(date: datetime = NOW, packages: bytes = b"pkgs", until: datetime | None = None) -> bytes:
    lines = [f"Date: {date:%a, %d %b %Y %H:%M:%S} UTC", "Suite: hoary"]
    if until:
        lines.append(f"Valid-Until: {until:%a, %d %b %Y %H:%M:%S} UTC")
    digest = sha256(packages).hexdigest()
    return (
        "\n".join([*lines, "SHA256:", f" {digest} {len(packages)} main/binary-i386/Packages.gz"]) + "\n"
    ).encode()


FILES = {
    SOURCE.path: b"srcs",
    I386.path: b"pkgs",
    NEW: b"two",
    OLD: b"one",
    DEB: b"deb",
    "dists/hoary/InRelease": release_file(),
}


@implementer(IClock)
class FixedClock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


def known(*bodies: bytes, seen: datetime = NOW) -> tuple[KnownRelease, ...]:
    dates = [NOW - timedelta(days=len(bodies) - 1 - index) for index in range(len(bodies))]
    return tuple(
        KnownRelease(date, seen, frozenset({sha256(body).hexdigest()}))
        for date, body in zip(dates, bodies, strict=True)
    )


def plan(mirror: MirrorServer | str, **changes: Any) -> ProbePlan:
    base_url = mirror if isinstance(mirror, str) else mirror.url
    freshness = {MirrorStatus.UP: NEW, MirrorStatus.ONEDAYBEHIND: OLD}
    made = ProbePlan(
        1,
        "sample",
        base_url,
        checks=(
            ContentCheck(SOURCE, freshness),
            ContentCheck(I386, {MirrorStatus.UP: DEB}),
            ContentCheck(UPDATES),
        ),
        samples=(Sample(OLD, 3, sha256(b"one").hexdigest()),),
    )
    return replace(made, **changes)


def probe(*plans: ProbePlan, **changes: Any) -> list[ProbeReport]:
    """The reports of one run over `plans`, in their order."""
    settings = replace(ProberSettings(allowed_networks=LOOPBACK, timeout_seconds=5), **changes)
    reports: list[ProbeReport] = []

    async def feed() -> AsyncIterator[ProbePlan]:
        for each in plans:
            yield each

    async def keep(report: ProbeReport) -> None:
        reports.append(report)

    asyncio.run(probe_all(feed(), settings, FixedClock(), keep, random.Random(1)))
    return sorted(reports, key=lambda report: plans.index(report.plan))


def kinds(report: ProbeReport) -> set[str]:
    return {finding.kind.value for finding in report.findings}


class ProbeCase(unittest.TestCase):
    def setUp(self) -> None:
        self.farm = MirrorFarm()
        self.addCleanup(self.farm.close)

    def probe_one(self, files: Any = FILES, behaviour: Any = None, **changes: Any) -> ProbeReport:
        """The report on one new mirror; `changes` concern the plan."""
        [report] = probe(plan(self.farm.add(files, behaviour), **changes))
        return report


class Contents(ProbeCase):
    def test_good_and_partial(self) -> None:
        report = self.probe_one()
        self.assertEqual(report.contents, {SOURCE: MirrorStatus.UP, I386: MirrorStatus.UP})
        self.assertEqual((judge(report), kinds(report)), (Verdict.GOOD, {"missing"}))
        self.assertEqual(
            [finding.url for finding in report.findings], [f"{report.plan.base_url}/{UPDATES.path}"]
        )

    def test_the_freshest_that_is_there(self) -> None:
        report = self.probe_one({path: body for path, body in FILES.items() if path != NEW})
        self.assertIs(report.contents[SOURCE], MirrorStatus.ONEDAYBEHIND)

    def test_a_file_cut_short_is_not_there(self) -> None:
        freshness = {MirrorStatus.UP: NEW, MirrorStatus.ONEDAYBEHIND: OLD}
        report = self.probe_one(checks=(ContentCheck(SOURCE, freshness, {NEW: 4, OLD: 3}),))
        self.assertIs(report.contents[SOURCE], MirrorStatus.ONEDAYBEHIND)
        self.assertEqual(kinds(report), {"size-differs"})

    def test_nothing_of_it_there(self) -> None:
        report = self.probe_one({"index.html": b"It works!"})
        self.assertEqual((report.contents, judge(report), was_reached(report)), ({}, Verdict.FAILED, True))

    def test_a_host_given_up_leaves_no_half_truth(self) -> None:
        async def mostly_hangs(mirror: MirrorServer, request: Request, writer: StreamWriter) -> None:
            if request.path == SOURCE.path:
                mirrorservers.reply(writer, request, "200 OK", b"x")
            else:
                await mirrorservers.hang(mirror, request, writer)

        mirror = self.farm.add(FILES, mostly_hangs)
        checks = (*(ContentCheck(I386) for _ in range(8)), ContentCheck(SOURCE, {MirrorStatus.UP: NEW}))
        [report] = probe(plan(mirror, checks=checks), timeout_seconds=0.05, skip_after_requests=4)
        self.assertEqual(report.contents, {})
        self.assertIn("skipped", kinds(report))

    def test_the_log_tells_the_story(self) -> None:
        lines = self.probe_one().log.decode().splitlines()
        self.assertTrue(all(line.startswith("Sat Jan 10 00:00:00 2026: ") for line in lines))
        self.assertTrue(any("hoary/main source: Up to date." in line for line in lines), lines)


class Misbehaviour(ProbeCase):
    def test_each_is_judged_right(self) -> None:
        for behaviour, expected in (
            (mirrorservers.yes, {"soft-404"}),
            (mirrorservers.sorry, {"redirected-elsewhere"}),
            (mirrorservers.loop, {"redirect-loop"}),
            (mirrorservers.garbage, {"unreachable"}),
            (mirrorservers.error_500, {"missing"}),
        ):
            report = self.probe_one(FILES, behaviour)
            self.assertEqual(kinds(report), expected, behaviour)
            self.assertEqual((report.contents, judge(report)), ({}, Verdict.FAILED), behaviour)

    def test_hostile_answers_end_in_findings(self) -> None:
        long = b"x" * 100_000
        for answer in (
            b"HTTP/1.1 302 Found\r\nLocation: /\xff\xfe/\xc3\x28\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 302 Found\r\nLocation: http://\xff\xfe/Sources.gz\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 302 Found\r\nLocation: \r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 302 Found\r\nLocation: http://h:99999999/Packages.gz\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
            b"HTTP/1.1 999999 OK\r\n\r\n",
            b"HTTP/9.9 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + long + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
            b"HTTP/1.1 404 \xff\xfe\r\nContent-Length: 0\r\n\r\n",
            b"",
        ):

            async def behaviour(
                mirror: MirrorServer, request: Request, writer: StreamWriter, answer: bytes = answer
            ) -> None:
                writer.write(answer)
                writer.close()

            [report] = probe(plan(self.farm.add(FILES, behaviour)), timeout_seconds=2)
            self.assertEqual((report.contents, judge(report)), ({}, Verdict.FAILED), answer[:80])
            self.assertIsInstance(report.log, bytes)

    def test_hang_and_drip(self) -> None:
        for behaviour in (mirrorservers.hang, mirrorservers.drip):
            [report] = probe(plan(self.farm.add(FILES, behaviour)), timeout_seconds=0.1)
            self.assertEqual((kinds(report), was_reached(report)), ({"timeout"}, False))

    def test_wrong_bytes_under_the_right_name(self) -> None:
        report = self.probe_one(FILES, mirrorservers.wrong_bytes)
        self.assertEqual(judge(report), Verdict.FAILED)
        self.assertIn("wrong-bytes", kinds(report))

    def test_more_bytes_than_the_file_has(self) -> None:
        report = self.probe_one({**FILES, OLD: b"one and more"})
        self.assertIn("wrong-bytes", kinds(report))

    def test_certificates(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            authority = Authority(Path(folder))
            mirrors = [
                self.farm.add(FILES, tls=authority.context("127.0.0.1", 90)),
                self.farm.add(FILES, tls=authority.context("127.0.0.1", -1)),
                self.farm.add(FILES, tls=authority.context("127.0.0.1", self_signed=True)),
            ]
            reports = probe(*(plan(mirror) for mirror in mirrors), ca_file=str(authority.ca_file))
        self.assertEqual([judge(report).value for report in reports], ["good", "failed", "failed"])
        self.assertEqual([kinds(report) for report in reports[1:]], [{"certificate"}] * 2)

    def test_a_certificate_about_to_end(self) -> None:
        soon = (datetime.now(UTC) - NOW).days + 5  # the clock of the probe stands at NOW
        with tempfile.TemporaryDirectory() as folder:
            authority = Authority(Path(folder))
            mirror = self.farm.add(FILES, tls=authority.context("127.0.0.1", 5))
            [report] = probe(plan(mirror), ca_file=str(authority.ca_file), certificate_warning_days=soon + 1)
        self.assertIn("certificate-expires", kinds(report))
        self.assertEqual(judge(report), Verdict.GOOD)


class Releases(ProbeCase):
    def check(self, body: bytes, *known_bodies: bytes, seen: datetime = NOW) -> ProbeReport:
        files = {**FILES, "dists/hoary/InRelease": body}
        return self.probe_one(files, releases={"hoary": known(*known_bodies, seen=seen)})

    def test_the_archives_own(self) -> None:
        body = release_file()
        report = self.check(body, body)
        self.assertEqual(report.suites, {"hoary": MirrorStatus.UP})
        self.assertEqual(kinds(report), {"missing"})

    def test_with_the_present_release_file_all_must_be_there(self) -> None:
        """By the windows alone a mirror without the newest file would be a week behind; the Release file says
        that it should have it, and so it is known since when it lacks something."""
        body = release_file()
        freshness = {MirrorStatus.SIXHOURSBEHIND: NEW, MirrorStatus.ONEWEEKBEHIND: OLD}
        dates = {NEW: NOW - timedelta(hours=3), OLD: NOW - timedelta(days=3)}
        checks = (ContentCheck(SOURCE, freshness, dates=dates),)
        for missing, expected, verdict in (
            (None, MirrorStatus.UP, Verdict.GOOD),
            (NEW, MirrorStatus.SIXHOURSBEHIND, Verdict.FAILED),
            (OLD, MirrorStatus.ONEWEEKBEHIND, Verdict.FAILED),
        ):
            files = {path: content for path, content in FILES.items() if path != missing}
            report = self.probe_one(files, checks=checks, releases={"hoary": known(body)}, samples=())
            self.assertEqual((report.contents[SOURCE], judge(report)), (expected, verdict))
            incomplete = [each.url for each in report.findings if each.kind is FindingKind.INCOMPLETE]
            self.assertEqual(incomplete, [f"{report.plan.base_url}/{missing}"] if missing else [])

    def test_the_one_before(self) -> None:
        old, new = release_file(NOW - timedelta(days=1)), release_file()
        report = self.check(old, old, new, seen=NOW - timedelta(hours=5))
        self.assertEqual(report.suites, {"hoary": MirrorStatus.SIXHOURSBEHIND})
        self.assertEqual(report.lag, timedelta(hours=5))
        self.assertIn("release-stale", kinds(report))

    def test_ahead_of_what_we_know(self) -> None:
        report = self.check(release_file(NOW + timedelta(hours=1)), release_file())
        self.assertEqual(report.suites, {"hoary": MirrorStatus.UP})

    def test_none_the_archive_ever_had(self) -> None:
        report = self.check(release_file(NOW - timedelta(days=3)), release_file())
        self.assertIn("release-differs", kinds(report))
        self.assertEqual(judge(report), Verdict.FAILED)

    def test_expired(self) -> None:
        body = release_file(until=NOW - timedelta(seconds=1))
        self.assertIn("release-expired", kinds(self.check(body, body)))

    def test_no_release_file(self) -> None:
        self.assertIn("release-differs", kinds(self.check(b"<html>sorry</html>", release_file())))

    def test_index_of_another_size_than_the_mirrors_own_release_says(self) -> None:
        body = release_file(packages=b"other packages")
        self.assertIn("size-differs", kinds(self.check(body, body)))


@unittest.skipIf(missing_tools(), f"not installed: {missing_tools()}")
class SignedReleases(ProbeCase):
    def setUp(self) -> None:
        super().setUp()
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        self.archive = AptArchive(folder / "archive")
        self.archive.add_deb("main", "pmount", "1.9-1")
        self.archive.publish("hoary", ["main"], date=NOW)
        self.keyring = str(self.archive.keyring())
        self.addCleanup(self.archive.close)

    def check(self, **changes: bytes | None) -> ProbeReport:
        """The report on a copy of the archive in which files below dists/hoary were changed."""
        files = self.archive.files()
        for name, body in changes.items():
            path = f"dists/hoary/{name.replace('_', '.')}"
            if body is None:
                del files[path]
            else:
                files[path] = body
        checks = (ContentCheck(I386),)
        [report] = probe(plan(self.farm.add(files), checks=checks, samples=()), keyring=self.keyring)
        return report

    def test_signed_inline_and_apart(self) -> None:
        self.archive.sign("hoary")
        for changes in ({}, {"InRelease": None}):
            report = self.check(**changes)
            self.assertEqual((kinds(report), report.suites), (set(), {"hoary": MirrorStatus.UP}))

    def test_bad_signatures(self) -> None:
        self.archive.sign("hoary")
        inline = self.archive.files()["dists/hoary/InRelease"]
        for changes in (
            {"InRelease": inline.replace(b"2026", b"2027")},
            {"InRelease": b"no signature at all"},
            {"InRelease": None, "Release": release_file()},
            {"InRelease": None, "Release_gpg": b"nonsense"},
        ):
            report = self.check(**changes)
            self.assertEqual((kinds(report), judge(report)), ({"bad-signature"}, Verdict.FAILED), changes)

    def test_signed_by_a_stranger(self) -> None:
        self.archive.keyring("stranger@example.com")
        self.archive.sign("hoary", "stranger@example.com")
        self.assertEqual(kinds(self.check()), {"bad-signature"})

    def test_not_signed(self) -> None:
        self.assertEqual(kinds(self.check()), {"bad-signature"})

    def test_no_release_file_at_all(self) -> None:
        self.archive.sign("hoary")
        self.assertEqual(kinds(self.check(InRelease=None, Release=None)), {"missing"})


class Images(ProbeCase):
    def test_all_images_or_none(self) -> None:
        checks = (
            ImageCheck("hoary", "ubuntu", ("hoary/a.iso", "hoary/b.iso")),
            ImageCheck("hoary", "kubuntu", ("k/a.iso", "k/b.iso")),
        )
        files = {"hoary/a.iso": b"a", "hoary/b.iso": b"b", "k/a.iso": b"k"}
        report = self.probe_one(files, content=MirrorContent.RELEASE, checks=(), images=checks)
        self.assertEqual([check.flavour for check in report.images], ["ubuntu"])
        self.assertEqual(judge(report), Verdict.FAILED)
        report = self.probe_one(
            {**files, "k/b.iso": b"k"}, content=MirrorContent.RELEASE, checks=(), images=checks
        )
        self.assertEqual(judge(report), Verdict.GOOD)


class Families(ProbeCase):
    def test_one_of_two_families_down(self) -> None:
        mirror = self.farm.add(FILES)
        resolve = socket.getaddrinfo

        def both(host: str, port: Any, *args: Any, **kwargs: Any) -> Any:
            if host != "mirror.test":
                return resolve(host, port, *args, **kwargs)
            family = kwargs.get("family") or (args[0] if args else 0)
            by_family: dict[Any, list[str]] = {socket.AF_INET: ["127.0.0.1"], socket.AF_INET6: ["::1"]}
            hosts = by_family.get(family, ["127.0.0.1", "::1"])
            return [found for each in hosts for found in resolve(each, port, type=socket.SOCK_STREAM)]

        with mock.patch("socket.getaddrinfo", both):
            [report] = probe(plan(f"http://mirror.test:{mirror.port}"))
        self.assertEqual(report.families, {"IPv4": "up", "IPv6": "down"})
        self.assertIn(FindingKind.FAMILY_DOWN.value, kinds(report))
        self.assertEqual(judge(report), Verdict.GOOD)

    def test_a_family_a_mirror_does_not_have_is_no_fault(self) -> None:
        report = self.probe_one()
        self.assertEqual(report.families, {"IPv4": "up", "IPv6": "none"})


class Ftp(unittest.TestCase):
    def test_a_mirror_that_only_has_ftp(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for path, body in FILES.items():
                target = Path(folder) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(body)
            authorizer = DummyAuthorizer()
            authorizer.add_anonymous(folder)
            handler = type("Handler", (FTPHandler,), {"authorizer": authorizer})
            server = ThreadedFTPServer(("127.0.0.1", 0), handler)
            thread = threading.Thread(target=server.serve_forever, kwargs={"timeout": 0.01}, daemon=True)
            thread.start()
            try:
                [report] = probe(plan(f"ftp://127.0.0.1:{server.address[1]}"))
            finally:
                server.close_all()
                thread.join(5)
        self.assertEqual(report.contents, {SOURCE: MirrorStatus.UP, I386: MirrorStatus.UP})
        self.assertEqual((judge(report), kinds(report)), (Verdict.GOOD, {"missing"}))


if __name__ == "__main__":
    unittest.main()

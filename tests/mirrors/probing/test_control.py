"""Whether it is the mirror or the prober's own network: against real servers that fall silent together."""

import asyncio
import random
import unittest
from asyncio import StreamWriter
from ipaddress import ip_network
from typing import Any

import transaction

from librarian.mirrors.enums import FindingKind
from librarian.mirrors.probing.control import Controls, ControlSite, needs_control
from librarian.mirrors.probing.interfaces import Finding, ProberSettings
from librarian.mirrors.probing.plan import ProbePlan, ProbeReport
from librarian.mirrors.probing.transport.fetcher import Fetcher
from librarian.mirrors.runs.summary import explain
from tests.mirrors.runs.test_probe_run import FILES, RunCase
from tests.support.mirrors import servers as mirrorservers
from tests.support.mirrors.servers import MirrorFarm, MirrorServer, Request, reply
from tests.support.outbox import outbox
from tests.support.world import HandMovedClock, overlay

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


async def hang_up(mirror: MirrorServer, request: Request, writer: StreamWriter) -> None:
    """What a network that is gone looks like: the connection breaks."""
    writer.close()


async def log_in_first(mirror: MirrorServer, request: Request, writer: StreamWriter) -> None:
    """A wireless network that wants a log-in: a page for whatever is asked."""
    reply(writer, request, "200 OK", b"<html>Welcome to the airport</html>")


async def bad_gateway(mirror: MirrorServer, request: Request, writer: StreamWriter) -> None:
    """A proxy whose own way out is gone."""
    reply(writer, request, "502 Bad Gateway", b"no route to host")


async def forbidden(mirror: MirrorServer, request: Request, writer: StreamWriter) -> None:
    """A store that says 403 for what is absent."""
    known = request.path in mirror.files
    reply(writer, request, "200 OK" if known else "403 Forbidden", mirror.files.get(request.path, b""))


class Asking(unittest.TestCase):
    """The controls alone."""

    def setUp(self) -> None:
        self.farm = MirrorFarm()
        self.addCleanup(self.farm.close)
        self.clock = HandMovedClock()

    def site(self, behaviour: Any = None, **options: Any) -> ControlSite:
        path = options.pop("path", "")
        is_mirror = options.pop("is_mirror", True)
        server = self.farm.add(FILES, behaviour, **options)
        return ControlSite(server.url, path, is_mirror)

    def main(self, behaviour: Any = None) -> ControlSite:
        return self.site(behaviour, is_mirror=False)

    def counts(self, *sites: ControlSite, failed: str = "http://127.0.9.9:9", **settings: Any) -> bool | None:
        """Whether a failure of the mirror at `failed` counts."""
        return asyncio.run(self._counts(sites, failed, settings))

    async def _counts(self, sites: Any, failed: str, settings: Any) -> bool | None:
        prober = ProberSettings(**{"allowed_networks": LOOPBACK, "timeout_seconds": 2, **settings})
        async with Fetcher(prober) as fetcher:
            controls = Controls(fetcher, sites, self.clock, random.Random(1))
            report = ProbeReport(ProbePlan(1, "x", failed), self.clock.now(), self.clock.now())
            return (await controls.confirm(report)).counts

    def test_which_answers_are_believed(self) -> None:
        dead = hang_up
        for expected, sites in (
            (True, [self.main()]),
            (None, [self.main(dead)]),  # one silent server shows nothing
            (None, []),
            (False, [self.main(dead), self.site(dead)]),
            (True, [self.main(dead), self.site()]),
            (False, [self.main(), self.site(dead)]),  # the archive may stand in the next room
            (False, [self.main(), self.site(), self.site(dead), self.site(dead), self.site(dead)]),
            (True, [self.main(), self.site(), self.site(), self.site(dead), self.site(dead)]),
        ):
            self.assertIs(self.counts(*sites), expected, len(sites))

    def test_only_the_servers_own_words_count(self) -> None:
        for behaviour in (log_in_first, bad_gateway, mirrorservers.sorry, mirrorservers.garbage, hang_up):
            sites = self.site(behaviour), self.site(behaviour)
            self.assertIs(self.counts(*sites), False, behaviour)

    def test_a_mirror_that_refuses_absent_files_shows_a_known_one(self) -> None:
        path = next(iter(FILES))
        self.assertIs(self.counts(self.site(forbidden, path=path)), True)
        self.assertIs(self.counts(self.site(forbidden), self.site(forbidden)), False)

    def test_one_named_in_the_settings_is_enough(self) -> None:
        urls = [self.farm.add({}, behaviour).url for behaviour in (hang_up, hang_up, None)]
        sites = [ControlSite(url, chosen=True) for url in urls]
        self.assertIs(self.counts(*sites), True)
        self.assertIs(self.counts(*sites[:1]), False)

    def test_the_one_that_failed_is_not_asked(self) -> None:
        site = self.site()
        self.assertIsNone(self.counts(site, failed=site.url))

    def test_addresses_that_must_not_be_reached_show_nothing(self) -> None:
        sites = self.site(), *(self.site(hang_up, host=f"127.0.0.{n}") for n in (2, 3))
        self.assertIs(self.counts(*sites), False)
        self.assertIs(self.counts(*sites, allowed_networks=(ip_network("127.0.0.1/32"),)), True)
        self.assertIsNone(self.counts(*sites, allowed_networks=()))

    def test_a_mirror_with_ipv6_alone_needs_controls_with_ipv6(self) -> None:
        gone = "http://[::1]:9"
        four, six = self.site(), self.site(host="::1")
        self.assertIsNone(self.counts(four, failed=gone))
        self.assertIs(self.counts(four, six, failed=gone), True)
        broken = self.site(hang_up, host="::1"), self.site(hang_up, host="::1")
        self.assertIs(self.counts(four, *broken, failed=gone), False)
        self.assertIs(self.counts(four, *broken, failed="http://127.0.9.9:9"), True)

    def test_an_outage_that_is_over_when_the_probe_is(self) -> None:
        servers = [self.farm.add(FILES, hang_up), self.farm.add(FILES, hang_up)]
        sites = [ControlSite(server.url, is_mirror=True) for server in servers]

        async def run() -> bool | None:
            async with Fetcher(ProberSettings(allowed_networks=LOOPBACK, timeout_seconds=2)) as fetcher:
                controls = Controls(fetcher, sites, self.clock, random.Random(1))
                report = ProbeReport(ProbePlan(1, "x", "http://127.0.9.9:9"), self.clock.now())
                controls.request_failed()
                await controls.close()
                for server in servers:
                    server.behaviour = mirrorservers.good
                self.clock.move(minutes=5)
                return (await controls.confirm(report)).counts

        self.assertIs(asyncio.run(run()), False)

    def test_failures_at_once_share_one_question(self) -> None:
        site = self.site()

        async def run() -> None:
            async with Fetcher(ProberSettings(allowed_networks=LOOPBACK)) as fetcher:
                controls = Controls(fetcher, [site], self.clock, random.Random(1))
                plans = [ProbePlan(n, f"m{n}", f"http://127.0.9.{n}:9") for n in range(1, 30)]
                reports = [ProbeReport(plan, self.clock.now()) for plan in plans]
                await asyncio.gather(*(controls.confirm(report) for report in reports))

        asyncio.run(run())
        self.assertEqual(len(self.farm.traffic.requests), 1)


class Doubt(unittest.TestCase):
    def test_which_failures_could_be_our_own(self) -> None:
        def report(*kinds: FindingKind, answered: int = 1) -> ProbeReport:
            made = ProbeReport(ProbePlan(1, "x", "http://x"), HandMovedClock().now())
            made.findings = [Finding(kind, "http://x", "") for kind in kinds]
            made.seconds = [0.1] * answered
            return made

        self.assertFalse(needs_control(report(FindingKind.MISSING), behind_proxy=False))
        self.assertFalse(needs_control(report(FindingKind.WRONG_BYTES), behind_proxy=False))
        self.assertTrue(needs_control(report(FindingKind.MISSING), behind_proxy=True))
        self.assertTrue(needs_control(report(answered=0), behind_proxy=False))
        for kind in (FindingKind.TIMEOUT, FindingKind.SOFT_404, FindingKind.CERTIFICATE):
            self.assertTrue(needs_control(report(FindingKind.MISSING, kind), behind_proxy=False), kind)


class Runs(RunCase):
    """Whole runs, with mirrors due one by one."""

    def setUp(self) -> None:
        super().setUp()
        self.main = self.farm.add({})
        self.ubuntu.main_url = self.main.url
        self.ubuntu.getRelease("hoary").active = False  # half the questions are enough
        self.servers = [self.farm.add(FILES) for _ in range(8)]
        self.mirrors = []
        for number, server in enumerate(self.servers):
            self.mirrors.append(self.add(f"mirror{number}", server))
            self.probe()
            self.clock.move(hours=3)

    def all_behave(self, behaviour: Any) -> None:
        for server in (self.main, *self.servers):
            server.behaviour = behaviour

    def pass_hours(self, hours: float) -> None:
        """Probe what is due every hour."""
        for _ in range(int(hours)):
            self.probe()
            self.clock.move(hours=1)

    def test_lone_due_mirrors_survive_an_outage_of_nine_hours(self) -> None:
        for behaviour in (hang_up, log_in_first):
            self.all_behave(behaviour)
            self.pass_hours(9)
            self.assertEqual([mirror.enabled for mirror in self.mirrors], [True] * 8, behaviour)
            self.all_behave(mirrorservers.good)
            self.pass_hours(26)
            self.assertEqual({mirror.last_probe_record.verdict for mirror in self.mirrors}, {"good"})
        transaction.commit()
        self.assertEqual(len(outbox), 0)

    def test_the_same_with_the_archive_in_the_next_room(self) -> None:
        self.all_behave(hang_up)
        self.main.behaviour = mirrorservers.good
        self.pass_hours(9)
        self.assertEqual([mirror.enabled for mirror in self.mirrors], [True] * 8)

    def test_one_that_is_really_gone_is_found_out(self) -> None:
        self.servers[3].behaviour = hang_up
        self.pass_hours(26)
        self.assertEqual([mirror.name for mirror in self.mirrors if not mirror.enabled], ["mirror3"])

    def test_after_an_outage_it_takes_a_second_look(self) -> None:
        with overlay("[librarian.mirrors]\nfailures_to_disable = 1\n"):
            self.all_behave(hang_up)
            self.pass_hours(4)
            self.all_behave(mirrorservers.good)
            self.servers[0].behaviour = hang_up
            self.probe(force=True)
            self.assertTrue(self.mirrors[0].enabled)
            self.assertEqual(self.mirrors[0].last_probe_record.verdict, "inconclusive")
            self.clock.move(hours=1)
            self.probe()
            self.assertFalse(self.mirrors[0].enabled)
            self.clock.move(hours=25)
            self.servers[1].behaviour = hang_up
            self.probe()
            self.assertFalse(self.mirrors[1].enabled)  # looked at meanwhile, so the first is a verdict again


class Intranet(RunCase):
    """Nothing but private addresses, and no setting that allows them."""

    def test_the_setting_is_named(self) -> None:
        for number in range(6):
            self.add(f"mirror{number}")
        self.ubuntu.main_url = self.farm.add({}).url
        with overlay("[librarian.mirrors]\nallowed_networks =\n"):
            for _ in range(3):
                summary = self.probe(force=True)
        self.assertFalse(summary.prober_offline)
        self.assertEqual(len(summary.refused), 6)
        said = " ".join(explain(summary))
        self.assertIn("librarian.mirrors.allowed_networks", said)
        self.assertNotIn("offline", said)
        self.assertEqual(
            {mirror.enabled for mirror in self.ubuntu.mirrors if mirror.name.startswith("mirror")}, {True}
        )
        log = self.ubuntu["mirror0"].last_probe_record.log_file.read().decode()
        self.assertIn("librarian.mirrors.allowed_networks does not name it", log)
        self.assertCountEqual(self.probe(force=True).good, [f"mirror{number}" for number in range(6)])

    def test_a_private_one_among_public_ones_is_a_failure(self) -> None:
        with overlay("[librarian.mirrors]\nallowed_networks = 127.0.0.1/32\n"):
            for number in range(5):
                self.add(f"mirror{number}")
            inside = self.add("inside", self.farm.add(FILES, host="127.0.0.2"))
            for _ in range(2):
                summary = self.probe(force=True)
        self.assertEqual((summary.refused, inside.enabled), (["inside"], False))


if __name__ == "__main__":
    unittest.main()

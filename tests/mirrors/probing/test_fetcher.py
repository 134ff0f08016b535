"""The fetcher against servers that do what servers on the Internet do."""

import asyncio
import os
import socket
import tempfile
import time
import unittest
from asyncio import StreamWriter
from collections import Counter
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from unittest import mock

from librarian.mirrors.probing.interfaces import (
    AddressRefused,
    Answer,
    BadResponseCode,
    BodyTooLarge,
    ConnectionFailed,
    ConnectionSkipped,
    InfiniteLoopDetected,
    InvalidCertificate,
    ProbeFailed,
    ProberSettings,
    ProberTimeout,
    RedirectToDifferentFile,
    UnknownURLScheme,
)
from librarian.mirrors.probing.transport.fetcher import Fetcher
from librarian.mirrors.probing.transport.throttle import Throttle
from librarian.net.networks import AddressGuard
from tests.support.mirrors import servers as mirrorservers
from tests.support.mirrors.servers import MirrorFarm, MirrorServer, Request
from tests.support.servers.certificates import Authority

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
FILES = {"dists/hoary/Release": b"12345", "pool/a b~1+2.dsc": b"dsc"}


def ask(*urls: str, method: str = "head", **changes: Any) -> list[Any]:
    """The answers to `urls`, asked one after the other in one run; errors as values."""
    settings = replace(ProberSettings(allowed_networks=LOOPBACK, timeout_seconds=5), **changes)

    async def run() -> list[Any]:
        answers: list[Any] = []
        async with Fetcher(settings) as fetcher:
            for url in urls:
                try:
                    answers.append(await getattr(fetcher, method)(url))
                except ProbeFailed as error:
                    answers.append(error)
        return answers

    return asyncio.run(run())


class FarmCase(unittest.TestCase):
    def setUp(self) -> None:
        self.farm = MirrorFarm()
        self.addCleanup(self.farm.close)

    def file(self, *behaviour: mirrorservers.Behaviour, **options: Any) -> str:
        """The URL of a file on a new mirror."""
        return self.farm.add(FILES, *behaviour, **options).url + "/dists/hoary/Release"


class GoodServers(FarmCase):
    def test_head_gives_size_and_peer(self) -> None:
        [answer] = ask(self.file())
        self.assertEqual((answer.size, answer.address, answer.body), (5, "127.0.0.1", b""))

    def test_get_gives_the_bytes(self) -> None:
        [answer] = ask(self.file(), method="get")
        self.assertEqual((answer.size, answer.body), (5, b"12345"))

    def test_quoted_names_reach_the_server_once_quoted(self) -> None:
        mirror = self.farm.add(FILES)
        [answer] = ask(mirror.url + "/pool/a%20b~1+2.dsc")
        self.assertEqual((answer.size, mirror.requests[0].path), (3, "pool/a b~1+2.dsc"))

    def test_ipv6_literal(self) -> None:
        [answer] = ask(self.file(host="::1"))
        self.assertEqual((answer.size, answer.address), (5, "::1"))

    def test_only_200_is_success(self) -> None:
        for status in ("204 No Content", "206 Partial Content", "403 Forbidden", "404 Not Found", "503 Busy"):

            async def behaviour(
                mirror: MirrorServer, request: Request, writer: StreamWriter, status: str = status
            ) -> None:
                mirrorservers.reply(writer, request, status)

            [answer] = ask(self.file(behaviour))
            self.assertIsInstance(answer, BadResponseCode)
            self.assertEqual(answer.status, int(status[:3]))

    def test_no_proxy_of_the_environment_is_used(self) -> None:
        with mock.patch.dict(
            os.environ, {"http_proxy": "http://127.0.0.1:1", "all_proxy": "http://127.0.0.1:1"}
        ):
            [answer] = ask(self.file())
        self.assertEqual(answer.size, 5)

    def test_a_configured_proxy_is_asked_for_the_whole_url(self) -> None:
        seen = []

        async def behaviour(mirror: MirrorServer, request: Request, writer: StreamWriter) -> None:
            seen.append(request.path)
            mirrorservers.reply(writer, request, "200 OK", b"12345")

        proxy = self.farm.add({}, behaviour)
        [answer] = ask("http://mirror.invalid/x", proxy=proxy.url, allowed_networks=())
        self.assertEqual((answer.size, seen), (5, ["http://mirror.invalid/x"]))


class Redirects(FarmCase):
    def test_every_redirect_status_is_followed(self) -> None:
        target = self.farm.add(FILES)
        for status in ("301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"):
            [answer] = ask(self.file(mirrorservers.redirect_to(target.url, status)))
            self.assertEqual(answer.url, target.url + "/dists/hoary/Release")
        self.assertEqual({request.method for request in target.requests}, {"HEAD"})

    def test_relative_location(self) -> None:
        async def behaviour(mirror: MirrorServer, request: Request, writer: StreamWriter) -> None:
            if request.path.startswith("moved"):
                mirrorservers.reply(writer, request, "200 OK", b"12345")
            else:
                mirrorservers.reply(writer, request, "302 Found", b"", "Location: ../../moved/Release")

        [answer] = ask(self.file(behaviour))
        self.assertEqual(answer.size, 5)

    def test_same_name_is_compared_unquoted(self) -> None:
        target = self.farm.add(FILES)

        async def behaviour(mirror: MirrorServer, request: Request, writer: StreamWriter) -> None:
            mirrorservers.reply(
                writer, request, "302 Found", b"", f"Location: {target.url}/pool/a%20b%7E1%2B2.dsc"
            )

        [answer] = ask(self.farm.add({}, behaviour).url + "/pool/a%20b~1+2.dsc")
        self.assertEqual(answer.size, 3)

    def test_three_are_followed_and_the_fourth_is_a_loop(self) -> None:
        url = self.farm.add(FILES).url
        for _ in range(3):
            url = self.farm.add({}, mirrorservers.redirect_to(url)).url
        longer = self.farm.add({}, mirrorservers.redirect_to(url)).url
        answers = ask(f"{url}/dists/hoary/Release", f"{longer}/dists/hoary/Release")
        self.assertEqual(answers[0].size, 5)
        self.assertIsInstance(answers[1], InfiniteLoopDetected)

    def test_refused_redirects(self) -> None:
        for location, error in (
            ("/sorry.html", RedirectToDifferentFile),
            ("http://[::1/Release", UnknownURLScheme),
            ("file:///etc/Release", UnknownURLScheme),
            ("gopher://127.0.0.1/Release", UnknownURLScheme),
            ("http://127.0.0.1:99999/Release", UnknownURLScheme),
        ):

            async def behaviour(
                mirror: MirrorServer, request: Request, writer: StreamWriter, location: str = location
            ) -> None:
                mirrorservers.reply(writer, request, "302 Found", b"", f"Location: {location}")

            [answer] = ask(self.file(behaviour))
            self.assertIsInstance(answer, error, location)

    def test_loop(self) -> None:
        [answer] = ask(self.file(mirrorservers.loop))
        self.assertIsInstance(answer, InfiniteLoopDetected)

    def test_the_target_host_is_charged(self) -> None:
        target = self.farm.add(FILES, mirrorservers.hang, host="127.0.0.2")
        start = self.file(mirrorservers.redirect_to(target.url))

        async def run() -> tuple[dict[str, int], dict[str, int]]:
            async with Fetcher(ProberSettings(allowed_networks=LOOPBACK, timeout_seconds=1)) as fetcher:
                with self.assertRaises(ProberTimeout):
                    await fetcher.head(start)
                return dict(fetcher.ledger.requests), dict(fetcher.ledger.timeouts)

        self.assertEqual(asyncio.run(run()), ({"127.0.0.1": 1, "127.0.0.2": 1}, {"127.0.0.2": 1}))


class BrokenServers(FarmCase):
    def test_hang_and_drip_end_at_the_time_allowed(self) -> None:
        for behaviour in (mirrorservers.hang, mirrorservers.drip):
            started = time.monotonic()
            url = self.file(behaviour)
            [answer] = ask(url, timeout_seconds=0.2)
            self.assertIsInstance(answer, ProberTimeout)
            self.assertEqual(str(answer), f"HEAD request on {url} took longer than 0.2 seconds")
            self.assertLess(time.monotonic() - started, 10)

    def test_garbage_refused_and_unresolvable(self) -> None:
        urls = [self.file(mirrorservers.garbage), "http://127.0.0.1:9/x", "http://no-such-host.invalid/x"]
        for answer in ask(*urls):
            self.assertIsInstance(answer, ConnectionFailed)

    def test_a_body_without_end_is_cut(self) -> None:
        async def behaviour(mirror: MirrorServer, request: Request, writer: StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while not writer.is_closing():
                writer.write(b"x" * 65536)
                await writer.drain()

        [answer] = ask(self.file(behaviour), method="get", max_body_bytes=100_000)
        self.assertIsInstance(answer, BodyTooLarge)

    def test_a_body_that_ends_short_is_no_answer(self) -> None:
        async def behaviour(mirror: MirrorServer, request: Request, writer: StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            writer.close()

        [answer] = ask(self.file(behaviour), method="get")
        self.assertIsInstance(answer, ConnectionFailed)

    def test_a_compressed_file_is_not_unpacked(self) -> None:
        async def behaviour(mirror: MirrorServer, request: Request, writer: StreamWriter) -> None:
            mirrorservers.reply(writer, request, "200 OK", b"\x1f\x8bpacked", "Content-Encoding: gzip")

        [answer] = ask(self.file(behaviour), method="get")
        self.assertEqual(answer.body, b"\x1f\x8bpacked")

    def test_bad_urls(self) -> None:
        for url in ("mailto:x@example.com", "http://", "http://[::1", "http://a:b/", "//x/y", "http://h:0/"):
            self.assertIsInstance(ask(url)[0], UnknownURLScheme, url)


class Certificates(FarmCase):
    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.authority = Authority(Path(folder.name))
        self.trust: dict[str, Any] = {"ca_file": str(self.authority.ca_file)}

    def test_good_certificate_and_its_end(self) -> None:
        url = self.file(tls=self.authority.context("127.0.0.1", 90))
        [answer] = ask(url, **self.trust)
        self.assertEqual(answer.size, 5)
        self.assertAlmostEqual(answer.certificate_expires.timestamp(), time.time() + 90 * 86400, delta=60)

    def test_self_signed_expired_and_wrong_name_are_refused(self) -> None:
        for tls in (
            self.authority.context("127.0.0.1", self_signed=True),
            self.authority.context("127.0.0.1", -1),
            self.authority.context("mirror.example"),
        ):
            [answer] = ask(self.file(tls=tls), **self.trust)
            self.assertIsInstance(answer, InvalidCertificate)

    def test_a_bad_certificate_is_remembered_by_host_and_port(self) -> None:
        bad = self.farm.add(FILES, tls=self.authority.context("127.0.0.1", -1))
        well = self.farm.add(FILES, tls=self.authority.context("127.0.0.1"))
        urls = [f"{mirror.url}/dists/hoary/Release" for mirror in (bad, bad, well)]

        async def run() -> tuple[list[str], int]:
            async with Fetcher(replace(ProberSettings(allowed_networks=LOOPBACK), **self.trust)) as fetcher:
                kinds = []
                for url in urls:
                    try:
                        kinds.append(str((await fetcher.head(url)).size))
                    except InvalidCertificate:
                        kinds.append("refused")
                return kinds, fetcher.ledger.requests["127.0.0.1"]

        self.assertEqual(asyncio.run(run()), (["refused", "refused", "5"], 2))

    def test_redirect_rules_hold_for_https(self) -> None:
        tls = self.authority.context("127.0.0.1")
        target = self.farm.add(FILES, tls=tls)
        answers = ask(
            self.file(mirrorservers.redirect_to(target.url, "308 Permanent"), tls=tls),
            self.file(mirrorservers.sorry, tls=tls),
            self.file(mirrorservers.loop, tls=tls),
            **self.trust,
        )
        self.assertEqual(answers[0].size, 5)
        self.assertIsInstance(answers[1], RedirectToDifferentFile)
        self.assertIsInstance(answers[2], InfiniteLoopDetected)

    def test_plain_http_on_the_https_port(self) -> None:
        url = self.file().replace("http:", "https:")  # the server waits for the rest of a request
        self.assertIsInstance(ask(url, timeout_seconds=0.2)[0], ProberTimeout)


class PrivateAddresses(FarmCase):
    def test_loopback_is_refused_before_anything_is_sent(self) -> None:
        mirror = self.farm.add(FILES)
        for host, error in (
            ("127.0.0.1", AddressRefused),
            ("localhost", AddressRefused),
            ("[::ffff:127.0.0.1]", AddressRefused),
            ("127.1", ConnectionFailed),  # aiohttp itself refuses what is no canonical address
            ("2130706433", ConnectionFailed),
        ):
            url = f"http://{host}:{mirror.port}/dists/hoary/Release"
            [answer] = ask(url, allowed_networks=())
            self.assertIsInstance(answer, error, host)
        self.assertEqual(mirror.requests, [])

    def test_a_redirect_into_the_private_network_is_refused(self) -> None:
        inner = self.farm.add(FILES, host="127.0.0.2")
        outer = self.file(mirrorservers.redirect_to(inner.url))
        [answer] = ask(outer, allowed_networks=(ip_network("127.0.0.1/32"),))
        self.assertIsInstance(answer, AddressRefused)
        self.assertEqual(inner.requests, [])

    def test_ftp_is_guarded_too(self) -> None:
        [answer] = ask("ftp://127.0.0.1:9/x", allowed_networks=())
        self.assertIsInstance(answer, AddressRefused)


class Sockets:
    """Makes sockets, and counts how many are open, by address."""

    def __init__(self) -> None:
        self._sockets: list[tuple[str, socket.socket]] = []
        self.peak: Counter[str] = Counter()

    @property
    def made(self) -> int:
        return len(self._sockets)

    def make(self, info: Any) -> socket.socket:
        family, kind, protocol, _, where = info
        made = socket.socket(family=family, type=kind, proto=protocol)
        self._sockets.append((where[0], made))
        for name in ("all", where[0]):
            self.peak[name] = max(self.peak[name], self.open(name))
        return made

    def open(self, name: str) -> int:
        return sum(each.fileno() != -1 for where, each in self._sockets if name in ("all", where))


class Limits(FarmCase):
    def load(self, mirrors: list[mirrorservers.MirrorServer], each: int, **changes: Any) -> None:
        """Ask every mirror for `each` files, all at once."""
        settings = replace(ProberSettings(allowed_networks=LOOPBACK), **changes)

        async def run() -> None:
            async with Fetcher(settings) as fetcher:
                urls = [mirror.url + "/dists/hoary/Release" for mirror in mirrors for _ in range(each)]
                await asyncio.gather(*(fetcher.head(url) for url in urls))

        asyncio.run(run())

    def test_two_per_host_measured_at_the_server(self) -> None:
        mirror = self.farm.add(FILES, mirrorservers.slow(0.01))
        self.load([mirror], 20)
        self.assertEqual(self.farm.traffic.peak["all"], 2)

    def test_overall_limit_measured_at_the_servers(self) -> None:
        mirrors = [self.farm.add(FILES, mirrorservers.slow(0.01), host=f"127.0.1.{n}") for n in range(1, 21)]
        self.load(mirrors, 6, parallel=10)
        self.assertEqual(self.farm.traffic.peak["all"], 10)

    def test_connections_are_limited_not_only_requests(self) -> None:
        """Idle ones count as well, of whichever port and family; measured where sockets are made."""
        mirrors = [self.farm.add(FILES, host=f"127.0.1.{n}") for n in range(1, 16)] * 3
        mirrors += [self.farm.add(FILES, host="127.0.1.1") for _ in range(3)]  # the same host, other ports
        settings = ProberSettings(allowed_networks=LOOPBACK, parallel=10)
        sockets = Sockets()

        async def run() -> None:
            with mock.patch.object(AddressGuard, "socket", sockets.make):
                async with Fetcher(settings) as fetcher:
                    urls = [f"{mirror.url}/dists/hoary/Release" for mirror in mirrors for _ in range(4)]
                    families = (socket.AF_UNSPEC, socket.AF_INET)
                    await asyncio.gather(*(fetcher.head(url, family) for url in urls for family in families))

        asyncio.run(run())
        self.assertEqual(len(self.farm.traffic.requests), len(mirrors) * 8)
        self.assertEqual((sockets.peak["all"], sockets.peak["127.0.1.1"]), (10, 2))
        self.assertEqual(sockets.open("all"), 0)
        self.assertLess(sockets.made, len(self.farm.traffic.requests))  # they are used again

    def test_a_question_beside_the_run_takes_no_third_connection(self) -> None:
        mirror = self.farm.add(FILES, mirrorservers.slow(0.005))
        sockets = Sockets()

        async def run() -> None:
            prober = ProberSettings(allowed_networks=LOOPBACK)
            throttle = Throttle(prober.parallel, prober.parallel_per_host)
            with mock.patch.object(AddressGuard, "socket", sockets.make):
                async with Fetcher(prober, throttle) as fetcher, Fetcher(prober, throttle.spare(5)) as beside:
                    url = f"{mirror.url}/dists/hoary/Release"
                    asking = [fetcher.head(url) for _ in range(20)] + [beside.head(url) for _ in range(5)]
                    await asyncio.gather(*asking)
                    await asyncio.gather(beside.head(url), beside.head(url))

        asyncio.run(run())
        self.assertEqual(sockets.peak["all"], 2)

    def test_a_host_that_hangs_does_not_hold_the_slots_of_others(self) -> None:
        stuck = self.farm.add(FILES, mirrorservers.hang, host="127.0.1.1")
        swift = self.farm.add(FILES, host="127.0.1.2")
        settings = ProberSettings(allowed_networks=LOOPBACK, parallel=4)

        async def run() -> list[Answer]:
            async with Fetcher(settings) as fetcher:
                url = stuck.url + "/dists/hoary/Release"
                waiting = [asyncio.create_task(fetcher.head(url)) for _ in range(6)]
                await asyncio.sleep(0)
                asking = (fetcher.head(swift.url + "/dists/hoary/Release") for _ in range(20))
                answers = await asyncio.wait_for(asyncio.gather(*asking), 20)
                for task in waiting:
                    self.assertFalse(task.done())
                    task.cancel()
                return answers

        self.assertEqual({answer.size for answer in asyncio.run(run())}, {5})

    def test_a_host_that_hangs_is_given_up(self) -> None:
        mirror = self.farm.add(FILES, mirrorservers.hang)
        urls = [mirror.url + "/dists/hoary/Release"] * 8
        answers = ask(*urls, timeout_seconds=0.02, skip_after_requests=5)
        self.assertEqual([type(answer) for answer in answers], [ProberTimeout] * 5 + [ConnectionSkipped] * 3)


if __name__ == "__main__":
    unittest.main()

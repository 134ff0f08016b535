"""Tokens under attack and in a crowd."""

import hashlib
import math
import threading
import time
import unittest
from datetime import timedelta
from io import BytesIO
from itertools import islice
from types import SimpleNamespace
from typing import Any
from unittest import mock

import transaction
from webob import Request
from zope.component import getUtility

from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.model.tokens import TimeLimitedToken
from librarian.library.tokens.interfaces import InvalidLifetime, InvalidUses, ITimeLimitedTokenSet
from librarian.library.tokens.service import TimeLimitedTokenSet
from tests.support.documents.people import bearer, person
from tests.support.layers import Functional
from tests.support.servers.in_process import request

DATA = bytes(range(256)) * 16


class WithFiles(unittest.TestCase):
    """Two restricted files with the same bytes, and what a client can try."""

    layer = Functional

    def setUp(self) -> None:
        aliases = getUtility(ILibraryFileAliasSet)
        self.alias = aliases.create("a ~+%.bin", len(DATA), BytesIO(DATA), "text/plain", restricted=True)
        self.other = aliases.create("b.bin", len(DATA), BytesIO(DATA), "text/plain", restricted=True)
        transaction.commit()
        self.url = self.alias.http_url.replace(":8005", ":8000")
        self.other_url = self.other.http_url.replace(":8005", ":8000")
        self.clock = Functional.world.clock

    def get(
        self, token: str, url: str = "", address: str = "192.0.2.1", method: str = "GET", **headers: str
    ) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return request(method, f"{url or self.url}?token={token}", named, REMOTE_ADDR=address)

    def allocate(self, **options: Any) -> str:
        return getUtility(ITimeLimitedTokenSet).allocate(self.alias.private_url, **options)


class Stated(WithFiles):
    """``POST +tokens``: how many uses are stated, in JSON and in forms."""

    def setUp(self) -> None:
        super().setUp()
        self.token = bearer(person("ada", "admins"), "all")

    def statuses(self, kind: str, *bodies: bytes) -> list[int]:
        headers = {"Authorization": self.token, "Content-Type": kind}
        url = f"http://localhost:6543/files/{self.alias.id}/+tokens"
        return [request("POST", url, headers, body).status_int for body in bodies]

    def test_uses(self) -> None:
        taken = [b'{"uses": %s}' % uses for uses in (b"5", b"5.0", b'"5"', b'""')]
        self.assertEqual(self.statuses("application/json", *taken), [201] * len(taken))
        refused = b'0 0.0 5.5 "5.0" true null [5] 1e9 1e300 1e400 -1'.split()
        bodies = [b'{"uses": %s}' % uses for uses in refused]
        self.assertEqual(self.statuses("application/json", *bodies), [400] * len(refused))
        kind = "application/x-www-form-urlencoded"
        self.assertEqual(self.statuses(kind, b"uses=5", b"uses=", b"", b"uses=0"), [201, 201, 201, 400])


class Tokens(WithFiles):
    def test_every_refusal_is_the_same_to_the_letter(self) -> None:
        good, dead = self.allocate(), self.allocate()
        self.clock.move(hours=1)
        tokens = getUtility(ITimeLimitedTokenSet)
        transaction.abort()
        tokens.revoke(next(t.id for t in tokens.of_alias(self.alias.id)))
        transaction.commit()
        revoked = good if self.get(good).status_int == 404 else dead
        answers = [
            self.get(""),
            self.get("x" * 32),
            self.get(revoked),
            self.get(good if revoked is dead else dead, url=self.other_url),
            self.get("%FF%00"),
            request("GET", self.other_url),
            request("GET", "http://localhost:8000/123/never.txt"),
        ]
        for answer in answers:
            self.assertEqual(answer.status_int, 404)
            self.assertEqual(answer.body, answers[0].body)
            self.assertEqual(dict(answer.headers), dict(answers[0].headers))

    def test_a_token_works_for_exactly_a_day(self) -> None:
        token = self.allocate()
        for seconds, status in ((86399, 200), (1, 404)):
            self.clock.move(seconds=seconds)
            self.assertEqual(self.get(token).status_int, status)

    def test_a_node_whose_clock_is_a_little_behind_honours_a_token_at_once(self) -> None:
        """Each node's clock may be LEFT_ALONE from the database's, one before and one after it."""
        token = self.allocate()
        for behind, status in ((9.9, 200), (10.1, 404), (0, 200)):
            self.clock.move(seconds=-behind)
            self.assertEqual(self.get(token).status_int, status)
            self.clock.move(seconds=behind)

    def test_the_path_may_be_quoted_in_any_way(self) -> None:
        token = self.allocate()
        base = f"http://localhost:8000/{self.alias.id}/"
        for name in ("a%20~+%25.bin", "a%20%7E%2B%25%2e%62in"):
            self.assertEqual(request("GET", f"{base}{name}?token={token}").body, DATA)
        for name in ("a%2520~+%2525.bin", "a%20~+%25.bin/", "./x/../b.bin"):
            self.assertEqual(request("GET", f"{base}{name}?token={token}").status_int, 404)

    def test_concurrent_downloads_succeed_as_often_as_there_are_uses(self) -> None:
        token = self.allocate(max_uses=3)
        answers: list[int] = []
        threads = [
            threading.Thread(target=lambda: answers.append(self.get(token).status_int)) for _ in range(10)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(answers), [200] * 3 + [404] * 7)

    def ranges(self, token: str, *ranges: str, **headers: str) -> list[int]:
        return [self.get(token, Range=f"bytes={one}", **headers).status_int for one in ranges]

    def test_the_pieces_of_one_download_may_come_in_any_order(self) -> None:
        orders = (
            ("0-1023", "1024-2047", "2048-"),
            ("2048-", "1024-2047", "0-1023"),
            ("1024-2047", "2048-", "0-1023"),
        )
        for order in orders:
            with self.subTest(order):
                token = self.allocate(max_uses=1)
                self.assertEqual(self.ranges(token, *order), [206] * 3)
                self.assertEqual(self.get(token).status_int, 404)

    def test_pieces_at_the_same_time_are_one_use(self) -> None:
        token = self.allocate(max_uses=1)
        answers: list[int] = []
        wanted = [f"{start}-{start + 255}" for start in range(0, len(DATA), 256)]
        threads = [
            threading.Thread(target=lambda one=one: answers.extend(self.ranges(token, one))) for one in wanted
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, [206] * len(wanted))

    def test_each_byte_is_sent_once_more_for_repair(self) -> None:
        token = self.allocate(max_uses=1)
        self.assertEqual(self.get(token).status_int, 200)
        self.assertEqual(
            self.ranges(token, "1000-1999", "1-999", "1500-1500", "2000-", "1-"), [206, 206, 404, 206, 404]
        )

    def test_repair_is_bounded_in_time(self) -> None:
        token = self.allocate(max_uses=1)
        self.assertEqual(self.ranges(token, "0-99", "200-299"), [206, 206])
        self.clock.move(hours=2)
        self.assertEqual(self.ranges(token, "0-99", "100-199", "300-"), [404, 206, 206])
        self.clock.move(minutes=59)
        self.assertEqual(self.ranges(token, "0-99"), [206])
        self.clock.move(minutes=61)
        self.assertEqual(self.ranges(token, "300-"), [404])
        self.assertEqual(self.get(token, method="HEAD").status_int, 404)

    def test_another_client_does_not_share_a_use(self) -> None:
        token = self.allocate(max_uses=1)
        self.assertEqual(self.ranges(token, "0-99", User_Agent="one"), [206])
        self.assertEqual(self.ranges(token, "100-", User_Agent="two"), [404])
        elsewhere = self.get(token, address="192.0.2.2", Range="bytes=100-", User_Agent="one")
        self.assertEqual(elsewhere.status_int, 404)
        self.assertEqual(self.ranges(token, "100-", User_Agent="one"), [206])

    def test_several_ranges_in_one_request(self) -> None:
        token = self.allocate(max_uses=1)
        self.assertEqual(
            self.ranges(token, "0-9,20-29", "10-19", "30-", "0-9,20-29", "0-9"), [206] * 4 + [404]
        )

    def test_answers_without_bytes_use_nothing(self) -> None:
        token = self.allocate(max_uses=1)
        self.assertEqual(self.get(token, method="HEAD").status_int, 200)
        self.assertEqual(self.get(token, Range="bytes=9999-").status_int, 416)
        etag = self.get(token, method="HEAD").headers["ETag"]
        self.assertEqual(self.get(token, If_None_Match=etag).status_int, 304)
        self.assertEqual(self.get(token).status_int, 200)

    def test_of_two_uses_each_is_a_whole_download(self) -> None:
        token = self.allocate(max_uses=2)
        self.assertEqual([self.get(token).status_int for _turn in range(3)], [200, 200, 404])

    def test_a_token_does_not_reach_the_public_space(self) -> None:
        self.assertEqual(self.get(self.allocate(), url=self.other_url).status_int, 404)

    def test_invalid_lifetimes_and_uses(self) -> None:
        for lifetime in (timedelta(0), timedelta(seconds=-1), timedelta(days=8)):
            self.assertRaises(InvalidLifetime, self.allocate, lifetime=lifetime)
        self.assertRaises(InvalidUses, self.allocate, max_uses=0)

    def test_the_token_is_not_in_the_database(self) -> None:
        token = self.allocate()
        world = Functional.world
        dump = b"".join(record.data for record in _records(world.tree))
        self.assertIn(self.alias.filename.encode(), dump)
        self.assertNotIn(token.encode(), dump)


def _records(tree: Any) -> Any:
    for one in tree._database.storage.changes.iterator():
        yield from one


class Timing(WithFiles):
    """How long a refusal takes says nothing of how much of a guess was right.

    The tree is asked for the hash of what was sent; nowhere are a token and a guess compared letter by
    letter, and a guess that is nearly right has a hash like any other.
    """

    def test_a_guess_is_looked_up_by_its_hash_alone(self) -> None:
        good, looked_up = self.allocate(), mock.Mock(return_value=None)
        guesses = [good[:-1] + "?", "?" + good[1:], "?" * 32, good.swapcase()]
        with mock.patch.object(
            TimeLimitedTokenSet, "_subtree", SimpleNamespace(tokens=SimpleNamespace(get=looked_up))
        ):
            for guess in guesses:
                self.assertEqual(self.get(guess).status_int, 404)
        digests = [hashlib.sha256(guess.encode()).digest() for guess in guesses]
        self.assertEqual([call.args for call in looked_up.call_args_list], [(digest,) for digest in digests])
        real = hashlib.sha256(good.encode()).digest()
        self.assertNotIn(real[:3], [digest[:3] for digest in digests])

    def test_a_guess_takes_as_long_as_a_valid_token(self) -> None:
        good, path = self.allocate(), TimeLimitedToken.path_of(self.alias.private_url)
        transaction.abort()
        tokens = TimeLimitedTokenSet()
        near, far = good[:-1] + "?", "?" * 32
        self.assertTrue(tokens.admits(good, path, ""))
        shortest = {near: math.inf, far: math.inf}
        for _turn in range(300):  # in turn, and the shortest of each: what else the machine does only adds
            for guess in (near, far):
                began = time.perf_counter()
                tokens.admits(guess, path, "")
                shortest[guess] = min(shortest[guess], time.perf_counter() - began)
        self.assertLess(max(shortest.values()) / min(shortest.values()), 2)


class BrokenOff(unittest.TestCase):
    """What was announced and not sent because the client left is not held against it."""

    layer = Functional
    SIZE = 1 << 20

    def setUp(self) -> None:
        aliases = getUtility(ILibraryFileAliasSet)
        data = BytesIO(bytes(self.SIZE))
        self.alias = aliases.create("a.bin", self.SIZE, data, "text/plain", restricted=True)
        transaction.commit()
        self.token = getUtility(ITimeLimitedTokenSet).allocate(self.alias.private_url, max_uses=1)
        # Nothing is lost between two ends of a function call.
        nothing = mock.patch("librarian.library.http.downloads.IN_FLIGHT", 0)
        nothing.start()
        self.addCleanup(nothing.stop)

    def get(self, ranges: str = "", blocks: int | None = None) -> tuple[int, int]:
        """Status, and how many bytes came; after so many blocks the client leaves."""
        url = f"{self.alias.http_url.replace(':8005', ':8000')}?token={self.token}"
        asked = Request.blank(url, headers={"Range": f"bytes={ranges}"} if ranges else {})
        asked.environ["REMOTE_ADDR"] = "192.0.2.1"
        transaction.abort()  # the request runs in this thread, and is to see what was committed apart
        status, _headers, body = asked.call_application(Functional.world.app)
        came = sum(len(block) for block in islice(body, blocks))
        if hasattr(body, "close"):
            body.close()
        return int(status[:3]), came

    def test_a_broken_download_resumes_any_number_of_times(self) -> None:
        position = 0
        for _turn in range(4):
            status, came = self.get(f"{position}-", blocks=1)
            self.assertEqual(status, 206)
            position += came
        self.assertEqual(position, self.SIZE)
        self.assertEqual(self.get()[0], 404)

    def test_a_broken_download_restarts(self) -> None:
        self.assertEqual(self.get(blocks=1)[0], 200)
        self.assertEqual(self.get(), (200, self.SIZE))
        self.assertEqual(self.get()[0], 404)

    def test_lost_bytes_are_sent_again_up_to_the_size_of_the_file(self) -> None:
        with mock.patch("librarian.library.http.downloads.IN_FLIGHT", self.SIZE):
            statuses = [self.get(blocks=1)[0] for _turn in range(10)]
        self.assertEqual(statuses, [200] * 6 + [404] * 4)  # four times a quarter is forgiven, two are counted

    def test_a_completed_download_does_not_restart(self) -> None:
        with mock.patch("librarian.library.http.downloads.IN_FLIGHT", self.SIZE):
            _status, came = self.get(blocks=2)
            self.assertEqual(self.get(f"{came - 1000}-")[0], 206)
            self.assertEqual(self.get()[0], 404)

    def test_a_client_that_aborts_gets_the_beginning_twice(self) -> None:
        self.assertEqual([self.get(blocks=1)[0] for _turn in range(3)], [200, 200, 404])

"""Tokens under attack and in a crowd."""

import hashlib
import math
import threading
import time
import unittest
from datetime import timedelta
from io import BytesIO
from types import SimpleNamespace
from typing import Any
from unittest import mock

import transaction
from zope.component import getUtility

from librarian.library.interfaces import (
    ILibraryFileAliasSet,
    InvalidLifetime,
    InvalidUses,
    ITimeLimitedTokenSet,
)
from librarian.library.tokens import TimeLimitedToken, TimeLimitedTokenSet
from librarian.testing.http import request
from librarian.testing.layers import Functional

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
        return TimeLimitedToken.allocate(self.alias.private_url, **options)


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

    def test_the_edges_of_a_day(self) -> None:
        token = self.allocate()
        for seconds, status in ((86399, 200), (1, 404), (-86401, 404), (1, 200)):
            self.clock.move(seconds=seconds)
            self.assertEqual(self.get(token).status_int, status)

    def test_the_path_may_be_quoted_in_any_way(self) -> None:
        token = self.allocate()
        base = f"http://localhost:8000/{self.alias.id}/"
        for name in ("a%20~+%25.bin", "a%20%7E%2B%25%2e%62in"):
            self.assertEqual(request("GET", f"{base}{name}?token={token}").body, DATA)
        for name in ("a%2520~+%2525.bin", "a%20~+%25.bin/", "./x/../b.bin"):
            self.assertEqual(request("GET", f"{base}{name}?token={token}").status_int, 404)

    def test_of_many_at_once_as_many_win_as_there_are_uses(self) -> None:
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

    def test_a_resumed_download_is_one_use(self) -> None:
        token = self.allocate(max_uses=1)
        body = self.get(token, Range="bytes=0-99").body
        for start in (100, 1000, 4000):
            body = body[:start] + self.get(token, Range=f"bytes={start}-").body
        self.assertEqual(body, DATA)
        self.assertEqual(self.get(token).status_int, 404)
        self.assertEqual(self.get(token, Range="bytes=100-").status_int, 404)

    def test_nobody_else_resumes_it(self) -> None:
        token = self.allocate(max_uses=1)
        self.get(token)
        self.assertEqual(self.get(token, address="192.0.2.2", Range="bytes=5-").status_int, 404)
        self.assertEqual(self.get(token, Range="bytes=5-").status_int, 206)

    def test_what_sends_no_bytes_costs_nothing(self) -> None:
        token = self.allocate(max_uses=1)
        self.assertEqual(self.get(token, method="HEAD").status_int, 200)
        self.assertEqual(self.get(token, Range="bytes=9999-").status_int, 416)
        etag = self.get(token, method="HEAD").headers["ETag"]
        self.assertEqual(self.get(token, If_None_Match=etag).status_int, 304)
        self.assertEqual(self.get(token).status_int, 200)

    def test_a_token_does_not_reach_the_public_space(self) -> None:
        self.assertEqual(self.get(self.allocate(), url=self.other_url).status_int, 404)

    def test_lifetimes_and_uses_that_make_no_sense(self) -> None:
        for lifetime in (timedelta(0), timedelta(seconds=-1), timedelta(days=8)):
            self.assertRaises(InvalidLifetime, self.allocate, lifetime=lifetime)
        self.assertRaises(InvalidUses, self.allocate, max_uses=0)

    def test_the_secret_is_nowhere_in_the_database(self) -> None:
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
            TimeLimitedTokenSet, "_branch", SimpleNamespace(tokens=SimpleNamespace(get=looked_up))
        ):
            for guess in guesses:
                self.assertEqual(self.get(guess).status_int, 404)
        digests = [hashlib.sha256(guess.encode()).digest() for guess in guesses]
        self.assertEqual([call.args for call in looked_up.call_args_list], [(digest,) for digest in digests])
        real = hashlib.sha256(good.encode()).digest()
        self.assertNotIn(real[:3], [digest[:3] for digest in digests])

    def test_and_takes_as_long_as_any_other(self) -> None:
        good, path = self.allocate(), TimeLimitedToken.url_to_token_path(self.alias.private_url)
        transaction.abort()
        tokens = TimeLimitedTokenSet()
        near, far = good[:-1] + "?", "?" * 32
        self.assertTrue(tokens.admits(good, path))
        shortest = {near: math.inf, far: math.inf}
        for _turn in range(300):  # in turn, and the shortest of each: what else the machine does only adds
            for guess in (near, far):
                began = time.perf_counter()
                tokens.admits(guess, path)
                shortest[guess] = min(shortest[guess], time.perf_counter() - began)
        self.assertLess(max(shortest.values()) / min(shortest.values()), 2)

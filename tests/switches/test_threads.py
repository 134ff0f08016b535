"""What threads of one process share in memory: two of them at one object, in every order of their steps.

Each test is the one that fails without the lock of the class that it works with.
"""

import asyncio
import io
import logging
import random
import sys
import unittest
import weakref
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from unittest import mock

from librarian import log_filters
from librarian.countries import service as countries
from librarian.events.streams import service as streams
from librarian.library.quotas import rules
from librarian.library.tokens import active_answers
from librarian.library.upkeep import verifying
from librarian.library.uploads import pieces
from librarian.machines.scheduler import leases
from librarian.mirrors.probing.control import Controls
from librarian.operations import clocks
from librarian.people.credentials import failures, passwords
from librarian.serving.http import file_lane
from librarian.serving.wsgi import application, outgoing
from librarian.store import memory
from librarian.store.cache import beside, fetching, local
from librarian.store.moving import copying
from librarian.store.s3 import breaker
from librarian.tree import together
from librarian.tree.engines import freshness, last_commit, postgresql
from librarian.web.access_log import log_file
from librarian.web.interfaces import BodyRefused
from tests.serving.test_file_lane import FACTS
from tests.support.interleaving import interleaved
from tests.switches import fakes
from tests.switches.fakes import NOW, UNUSED

BEARER = (b"token", "client")
NAME = ("name", "amy")
PATH = ("8000", "/1/a")
OID = b"a" * 8
EITHER = {(True, False), (False, True)}


class Counted(unittest.TestCase):
    """Nothing that two threads count is lost."""

    def test_active_answers(self) -> None:
        def begin(one: active_answers.ActiveAnswers) -> None:
            one.begin(BEARER)

        found = interleaved(active_answers.ActiveAnswers, begin, begin, active_answers, finely=True)
        self.assertEqual({one._counts[BEARER] for one, *_results in found}, {2})

    def test_failed_log_ins(self) -> None:
        def add(one: failures.MemoryCounts) -> None:
            one.add([NAME], NOW)

        found = interleaved(failures.MemoryCounts, add, add, failures)
        counts = [one.get(NAME) for one, *_results in found]
        self.assertEqual({count and count.number for count in counts}, {2})

    def test_bytes_fetched_into_the_cache(self) -> None:
        limit = 1 << 40

        def fill(one: local.LocalCache) -> None:
            one._filled(3)

        with TemporaryDirectory() as folder:
            found = interleaved(
                lambda: local.LocalCache(Path(folder), limit, 1), fill, fill, local, finely=True
            )
            self.assertEqual({one._since_trim for one, *_results in found}, {3})

    def test_objects_moved(self) -> None:
        def move(one: copying.Copying) -> None:
            one._move("a", is_held=True)

        found = interleaved(fakes.copying, move, move, copying, finely=True)
        self.assertEqual({one.moved.held for one, *_results in found}, {2})


class Once(unittest.TestCase):
    """What is done once is not done twice."""

    def test_a_database_of_countries_is_opened(self) -> None:
        def database(one: countries.CountrySet) -> Any:
            return one._database("x")

        with mock.patch("maxminddb.open_database", lambda path: object()):
            found = interleaved(countries.CountrySet, database, database, countries)
            self.assertEqual({a is b for _one, a, b in found}, {True})

    def test_all_is_counted_for_quotas(self) -> None:
        found = interleaved(fakes.Rules, fakes.Rules.require_counted, fakes.Rules.require_counted, rules)
        self.assertEqual({one.counted for one, *_results in found}, {1})

    def test_bytes_are_verified(self) -> None:
        def suspect(one: fakes.Reads) -> None:
            one.suspect(UNUSED, "digest")

        found = interleaved(fakes.Reads, suspect, suspect, verifying)
        self.assertEqual({tuple(one.enqueued) for one, *_results in found}, {("digest",)})

    def test_a_message_is_let_through(self) -> None:
        record = logging.LogRecord("n", logging.ERROR, "p", 1, "m", None, None)

        def say(one: log_filters.Rarely) -> bool:
            return one.filter(record)

        found = interleaved(lambda: log_filters.Rarely(monotonic=lambda: 0.0), say, say, log_filters)
        self.assertEqual({(a, b) for _one, a, b in found}, EITHER)

    def test_clocks_are_compared(self) -> None:
        tree: Any = SimpleNamespace(is_elsewhere=True)
        compared: list[int] = []

        def make() -> clocks.Clocks:
            compared.clear()
            clock: Any = SimpleNamespace(monotonic=lambda: 0.0)
            return clocks.Clocks(tree, clock)

        def compare(*_given: Any) -> str:
            compared.append(1)
            return ""

        with mock.patch.object(clocks, "compare_clocks", compare):
            found = interleaved(make, clocks.Clocks.warning, clocks.Clocks.warning, clocks)
            self.assertEqual({len(compared) for _each in found}, {1})

    def test_a_store_that_is_away_is_asked(self) -> None:
        seconds = [0.0]

        def make() -> breaker.Breaker:
            seconds[0] = 0.0
            one = breaker.Breaker(lambda: seconds[0])
            for _failure in range(breaker.FAILURES):
                one.failed()
            seconds[0] = breaker.PAUSE_SECONDS
            return one

        with self.assertLogs(breaker.log, "ERROR"):
            found = interleaved(make, breaker.Breaker.admits, breaker.Breaker.admits, breaker)
            self.assertEqual({(a, b) for _one, a, b in found}, EITHER)

    def test_the_folder_of_partial_uploads_is_made(self) -> None:
        def partials(one: memory.MemoryStore) -> Any:
            return one.partials

        found = interleaved(lambda: memory.MemoryStore(UNUSED), partials, partials, memory)
        self.assertEqual({a is b for _one, a, b in found}, {True})

    def test_a_storage_is_asked_for_changes(self) -> None:
        """By one thread at a time: what it has told one it does not tell another."""

        def make() -> freshness.PolledFreshness:
            database: Any = fakes.Polled()
            return freshness.PolledFreshness(database, UNUSED)

        catch_up = freshness.PolledFreshness.catch_up
        found = interleaved(make, catch_up, catch_up, freshness)
        asked = {tuple(one._storage.asked) for one, *_results in found}
        self.assertEqual(asked, {("new", *fakes.Polled.ASKED, *fakes.Polled.ASKED)})

    def test_control_sites_are_asked(self) -> None:
        asked: list[int] = []

        async def ask(*_given: Any) -> dict[Any, bool]:
            asked.append(1)
            await asyncio.sleep(0)
            return {}

        async def both() -> None:
            clock: Any = SimpleNamespace(now=lambda: NOW)
            control = Controls(UNUSED, [], clock, random.Random(1))
            with mock.patch.object(control, "_ask", ask):
                await asyncio.gather(*(control._answered_since(NOW, 0) for _each in range(2)))

        asyncio.run(both())
        self.assertEqual(asked, [1])


class Whole(unittest.TestCase):
    """Steps of one thread that belong together are not parted by those of another."""

    def test_an_answer_that_is_sent_while_it_grows(self) -> None:
        def make() -> outgoing.Outgoing:
            one = outgoing.Outgoing(io.BytesIO)
            one.put(b"1")
            return one

        found = interleaved(make, lambda one: one.take(), lambda one: one.put(b"2"), outgoing)
        self.assertEqual({taken + (one.take() or b"") for one, taken, _put in found}, {b"12"})

    def test_a_step_of_the_clock_between_two_looks(self) -> None:
        def make() -> leases.SteadyClock:
            clock: Any = fakes.Clock()
            return leases.SteadyClock(clock)

        def step(one: Any) -> timedelta:
            one._clock.step()
            steady: timedelta = one.steady_for()
            return steady

        found = interleaved(make, leases.SteadyClock.steady_for, step, leases)
        self.assertEqual({min(a, b) >= timedelta(0) for _one, a, b in found}, {True})

    def test_a_piece_that_is_interrupted(self) -> None:
        def write(one: Any) -> None:
            try:
                one.write(b"x")
            except BodyRefused:
                one.partial.done.append("refused")

        found = interleaved(fakes.piece, write, pieces.Piece.interrupt, pieces)
        done: Any = {tuple(one.partial.done) for one, *_results in found}  # type: ignore[attr-defined]
        self.assertEqual(done, {("write", "settle"), ("settle", "refused")})

    def test_a_line_is_logged_while_the_log_is_reopened(self) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder, "log")

            def make() -> log_file.LogFile:
                path.unlink(missing_ok=True)
                one = log_file.LogFile(path)
                one.reopen()
                return one

            for one, *_results in interleaved(
                make, lambda one: one.write(b"1\n"), lambda one: one.write(b"2\n"), log_file
            ):
                one.close()
                self.assertEqual(sorted(path.read_bytes().split()), [b"1", b"2"])

    def test_a_number_that_is_shared_until_its_memory_is_closed(self) -> None:
        with TemporaryDirectory() as folder, mock.patch.object(last_commit, "FOLDER", folder):
            found = interleaved(
                lambda: last_commit.LastCommit("x", create=True),
                lambda one: one.raise_to(b"1" * 8),
                last_commit.LastCommit.close,
                last_commit,
            )
            self.assertEqual({one.tid for one, *_results in found}, {last_commit.UNKNOWN})

    def test_what_is_remembered_of_passwords_is_bounded(self) -> None:
        def make() -> passwords.CheckedLately:
            one = passwords.CheckedLately()
            one.remember("hash", "before", NOW)
            return one

        with mock.patch.object(passwords.CheckedLately, "AT_MOST", 1):
            found = interleaved(
                make,
                lambda one: one.remember("hash", "first", NOW),
                lambda one: one.remember("hash", "second", NOW),
                passwords,
            )
            self.assertEqual({len(one._until) for one, *_results in found}, {1})

    def test_what_was_hashed_is_remembered(self) -> None:
        with TemporaryDirectory() as folder, mock.patch.object(fetching, "MOST_REMEMBERED", 1):
            path = Path(folder, "entry")
            path.write_bytes(b"x")
            with path.open("rb") as file:
                found = interleaved(
                    fetching.SoundEntries,
                    lambda one: one.add("a", file),
                    lambda one: one.add("b", file),
                    fetching,
                )
                self.assertEqual({len(one._until) for one, *_results in found}, {1})

    def test_those_that_wait_pay_one_after_the_other(self) -> None:
        paid: list[str] = []

        def spend(_count: int) -> None:
            paid.append("begun")
            paid.append("ended")

        def make() -> copying.Copying:
            paid.clear()
            return fakes.copying(spend)

        def pay(one: copying.Copying) -> None:
            one._pay(1)

        found = interleaved(make, pay, pay, copying, sys.modules[__name__])
        self.assertEqual({tuple(paid) for _each in found}, {("begun", "ended") * 2})

    def test_connections_that_are_made_while_all_are_broken_off(self) -> None:
        def make() -> Any:
            one: Any = postgresql.PostgresEngine(fakes.adapter())
            one.kept = [one._noted_connect("")]
            return one

        def connect(one: Any) -> None:
            one.kept.append(one._noted_connect(""))

        with mock.patch.object(postgresql, "_shut_down", lambda *_given: None):
            found = interleaved(make, postgresql.PostgresEngine.break_off, connect, postgresql, weakref)
            self.assertEqual({len(one._sockets) for one, *_results in found}, {2})


class Fresh(unittest.TestCase):
    """What another thread has changed is not taken for what it was."""

    def test_a_file_that_changes_while_the_lane_is_told_of_it(self) -> None:
        def make() -> Any:
            lane = file_lane.FileLane(UNUSED, UNUSED, UNUSED, lambda lasting: True)
            return SimpleNamespace(lane=lane, offer=lane.offers(PATH))

        found = interleaved(
            make, lambda one: one.offer(FACTS, (OID,)), lambda one: one.lane.changed([OID]), file_lane
        )
        self.assertEqual({tuple(one.lane.known_paths()) for one, *_results in found}, {()})


class NotForgotten(unittest.TestCase):
    """No work waits for a thread that does not come."""

    def test_cache_work_that_comes_while_the_thread_ends(self) -> None:
        def make() -> Any:
            one: Any = beside.Beside()
            one._thread = "about to end"
            return one

        with mock.patch("librarian.store.cache.beside.threading.Thread", mock.Mock()):
            found = interleaved(make, beside.Beside._next, lambda one: one.start("x", one.finish), beside)
            waits = {(work is None and not one._thread, bool(one._waiting)) for one, work, _none in found}
        self.assertNotIn((True, True), waits)

    def test_a_request_that_comes_while_a_thread_becomes_idle(self) -> None:
        def make() -> Any:
            return application.Application(UNUSED, UNUSED, 0)

        found = interleaved(
            make, lambda one: one.submit("exchange"), lambda one: one.next_for(mock.Mock()), application
        )
        self.assertNotIn((True, True), {(bool(one._backlog), bool(one._idle)) for one, *_results in found})

    def test_a_transaction_that_is_asked_for_while_another_ends(self) -> None:
        found = interleaved(
            lambda: together.Together(lambda work: work()),
            lambda one: one.run(lambda: 1),
            lambda one: one.run(lambda: 2),
            together,
        )
        self.assertEqual({(a, b, len(one._waiting)) for one, a, b in found}, {(1, 2, 0)})

    def test_a_stream_that_begins_while_others_end(self) -> None:
        hour = timedelta(hours=1)
        settings = SimpleNamespace(stream_heartbeat=hour, stream_lifetime=hour)
        clock = SimpleNamespace(monotonic=lambda: 0.0)
        self.enterContext(mock.patch.object(streams.EventStreams, "_settings", settings))
        self.enterContext(mock.patch.object(streams.EventStreams, "_clock", clock))

        def make() -> Any:
            one: Any = streams.EventStreams()
            one._thread = "runs"
            return one

        def add(one: Any) -> None:
            one.add(SimpleNamespace())

        found = interleaved(make, lambda one: one._feed([], []), add, streams, finely=True)
        self.assertEqual({len(one._streams) for one, *_results in found}, {1})

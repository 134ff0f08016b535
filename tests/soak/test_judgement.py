"""The judge of long runs: each fault alone is seen, and what is no fault is not."""

import random
import tempfile
import threading
import time
import unittest
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock
from xml.etree import ElementTree as ET

from tests.soak.jobs import Job, repeated
from tests.soak.judgement import BOUNDS, Run, faults, growth
from tests.soak.ledger import GONE, Key, Ledger
from tests.soak.machine import probe
from tests.soak.report import BEGIN, END, PAGE, PLOT, Result, markdown, summed, write
from tests.soak.samples import Sample
from tests.soak.watch import Span, Trouble, Unexpected, Watch, Wrong, described
from tests.soak.world import complaints

HOUR = 3600.0
KEY = Key("public", "/1/a")


def sample(at: float, life: int = 1, **figures: float) -> Sample:
    flat = Sample(at, life, 300.0, 400.0, 100, 30, 5.0, 50.0, 4.0, 40.0, 500)
    return replace(flat, **figures)  # type: ignore[arg-type]  # counts may be fractions here


def good_run() -> Run:
    """An hour of three lives, in which the server was killed and some requests had no answer."""
    samples = [sample(60.0 * minute, life=minute // 20) for minute in range(60)]
    outage = Span(1200.0, 1210.0, "all killed")
    refused = Trouble(Span(1195.0, 1203.0, "http upload"), "ProtocolError", is_outage=True)
    away = Trouble(Span(1209.0, 1209.1, "tree put"), "503", 503, is_outage=True)
    counts = {"http upload": 1000, "tree put": 300}
    return Run(HOUR, samples, [refused, away], [outage], counts=counts)


class Judging(unittest.TestCase):
    def judged(self, **changes: object) -> list[str]:
        return faults(replace(good_run(), **changes))  # type: ignore[arg-type]  # by name

    def test_a_good_run(self) -> None:
        self.assertEqual(self.judged(), [])

    def test_a_lost_byte(self) -> None:
        self.assertEqual(self.judged(lost=["public /1/a: gone"]), ["lost: public /1/a: gone"])
        self.assertEqual(self.judged(lost_in_backup=["x"]), ["lost in the backup: x"])
        self.assertEqual(self.judged(checks=["fsck: 1 error"]), ["check: fsck: 1 error"])

    def trouble(self, error: Exception, begun: float) -> list[str]:
        return self.judged(troubles=[described(Span(begun, begun + 1.0, "http upload"), error)])

    def test_answers(self) -> None:
        for when, error, is_fault in (
            (1205.0, Unexpected(500, "x"), True),
            (1205.0, Unexpected(404, "x"), True),
            (1205.0, Wrong("other bytes"), True),
            (1205.0, Unexpected(503, "x"), False),
            (1205.0, ConnectionRefusedError(), False),
            (1205.0, AttributeError("of the driver itself"), True),
            (100.0, Unexpected(503, "x"), True),
            (100.0, ConnectionResetError(), True),
        ):
            with self.subTest(f"{error!r} at {when}"):
                self.assertEqual(len(self.trouble(error, when)), is_fault)

    def test_hanging(self) -> None:
        for begun, is_fault in ((100.0, True), (1190.0, False)):
            self.assertEqual(len(self.judged(slow=[Span(begun, begun + 40.0, "http upload")])), is_fault)

    def test_complaints_of_the_log(self) -> None:
        for begun, is_fault in ((100.0, True), (1195.0, False)):
            self.assertEqual(
                len(self.judged(complaints=[(Span(begun, begun + 20.0, "log"), "ERROR x")])), is_fault
            )

    def test_a_kind_that_never_succeeded(self) -> None:
        self.assertEqual(self.judged(counts={"http upload": 1, "tree put": 2}), ["never done: http upload"])

    def test_growth(self) -> None:
        for name, bound in BOUNDS.items():
            for share, is_fault in ((0.8, False), (1.2, True)):
                grown = [
                    replace(each, **{name: getattr(each, name) + share * bound * each.at / HOUR})
                    for each in good_run().samples
                ]
                with self.subTest(name, share=share):
                    self.assertEqual(len(self.judged(samples=grown)), is_fault)

    def test_a_leak_is_seen_though_every_restart_hides_it(self) -> None:
        lives = [sample(60.0 * each, each // 12, memory=300.0 + 4.0 * (each % 12)) for each in range(60)]
        self.assertAlmostEqual(growth(lives)["memory"], 240.0)
        self.assertEqual(self.judged(samples=lives), ["grows: memory by +240.0 an hour"])

    def test_growth_while_caches_fill_and_of_a_short_run_is_not_judged(self) -> None:
        warm = [sample(60.0 * each, memory=300.0 + (100.0 if each > 1 else 0.0)) for each in range(60)]
        self.assertEqual(growth(warm)["memory"], 0.0)
        self.assertEqual(growth(warm[:8]), {})


class Acknowledged(unittest.TestCase):
    """The ledger: what may be found after which answers."""

    def setUp(self) -> None:
        self.ledger = Ledger()
        self.before = time.monotonic()

    def now(self) -> set[str]:
        return self.ledger.acceptable(KEY, time.monotonic(), time.monotonic())

    def test_what_was_answered(self) -> None:
        self.assertEqual(self.now(), {GONE})
        self.ledger.add(KEY, "a", time.monotonic())
        self.assertEqual(self.now(), {"a"})
        with self.ledger.changing((KEY, GONE)):
            self.assertEqual(self.now(), {"a", GONE})
        self.assertEqual(self.now(), {GONE})

    def test_what_was_not_answered_may_be_or_not_until_the_next_answer(self) -> None:
        self.ledger.add(KEY, "a", time.monotonic())
        with self.assertRaises(OSError), self.ledger.changing((KEY, "b")):
            raise OSError
        self.assertEqual(self.now(), {"a", "b"})
        with self.ledger.changing((KEY, "c")):
            pass
        self.assertEqual(self.now(), {"c"})

    def test_what_was_refused_did_not_happen(self) -> None:
        self.ledger.add(KEY, "a", time.monotonic())
        with self.ledger.changing((KEY, GONE)) as changes:
            changes.clear()
        self.assertEqual(self.now(), {"a"})

    def test_a_backup_has_what_was_acknowledged_before_it_began(self) -> None:
        self.ledger.add(KEY, "a", time.monotonic())
        begun = time.monotonic()
        self.ledger.add(KEY, "b", time.monotonic())
        ended = time.monotonic()
        self.ledger.add(KEY, "c", time.monotonic())
        self.assertEqual(self.ledger.acceptable(KEY, begun, ended), {"a", "b"})
        self.assertEqual(self.ledger.acceptable(KEY, self.before, begun), {GONE, "a"})


class Reporting(unittest.TestCase):
    def result(self) -> Result:
        run = good_run()
        facts = {"date": "2026-01-01", "seed": "a", "workers": 2, "python": "3.11", "pauses": [7.0, 9.0]}
        times = {kind: summed([0.001, 0.002, 1.5]) for kind in run.counts}
        return Result(
            run, [], facts, times, {"gc": [3.0, 1.0, 2.0]}, 1000, 900, [1800.0, 1810.0], [5.0, 50.0]
        )

    def test_it_is_kept_and_told_again(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "result.json")
            result = self.result()
            result.save(file)
            self.assertEqual(Result.load(file), result)
            self.assertEqual(faults(Result.load(file).run), [])

    def test_the_page(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder, PAGE)
            page.parent.mkdir()
            page.write_text(f"before\n{BEGIN}\nwhat was there\n{END}\nafter\n")
            for _turn in range(2):
                write(self.result(), Path(folder))
            text = page.read_text()
            self.assertEqual(text, f"before\n{BEGIN}\n\n{markdown(self.result())}\n\n{END}\nafter\n")
            self.assertIn("| http upload | 1,000 | 1 | 2 ms | 1.5 s | 1.5 s |", text)
            self.assertIn(" 2 had no answer, or 503", text)
            self.assertIn("stood still 2 times, 9 s at most", text)
            drawn = ET.fromstring(Path(folder, PLOT).read_text())  # noqa: S314  # our own
            self.assertEqual(len(drawn.findall("{http://www.w3.org/2000/svg}polyline")), 8)

    def test_the_page_of_this_checkout_has_a_place_for_it(self) -> None:
        text = PAGE.read_text()
        self.assertEqual((text.count(BEGIN), text.count(END)), (1, 1))


class Watching(unittest.TestCase):
    def test_operations_are_noted_and_their_errors_go_no_further(self) -> None:
        watch = Watch()
        with watch.operation("good", 30.0):
            pass
        with watch.operation("bad", -1.0):
            self.fail_at_once()
        self.assertEqual(dict(watch.counts), {"good": 1, "bad": 1})
        self.assertEqual([(each.span.what, each.status) for each in watch.troubles], [("bad", 500)])
        self.assertEqual([each.what for each in watch.slow], ["bad"])
        self.assertEqual(set(watch.take_times()), {"good", "bad"})
        self.assertEqual(watch.take_times(), {})

    def fail_at_once(self) -> None:
        raise Unexpected(500, "x")

    def test_a_machine_that_stands_still(self) -> None:
        for pause, is_noted in ((-1.0, True), (600.0, False)):
            watch, ended = Watch(), Mock()
            ended.is_set.side_effect = (False, True)
            with tempfile.TemporaryDirectory() as folder:
                probe(watch, Path(folder), ended, 0.0, pause)
            self.assertEqual((bool(watch.pauses), bool(watch.disturbances)), (is_noted, is_noted))

    def test_what_the_log_complains_of(self) -> None:
        trace = "Traceback (most recent call last):\n  File x"
        ours = f"ERROR librarian.web.errors unexpected\n{trace}\nKeyError: 1\n"
        others = f"ERROR ZODB.ConflictResolution Unexpected error\n{trace}\nPOSKeyError: 2\n"
        text = f"INFO a b\n{ours}INFO c d\n{others}WARNING e f\nCRITICAL g h\n"
        self.assertEqual(
            complaints(text), ["ERROR librarian.web.errors unexpected ... KeyError: 1", "CRITICAL g h"]
        )

    def test_what_is_not_excused_is_told_once(self) -> None:
        watch = Watch()
        with watch.disturbed("kill"):
            for error in (OSError(), Unexpected(500, "x")):
                watch.troubles.append(described(Span(watch.now(), watch.now(), "http upload"), error))
            self.assertEqual([each.status for each in watch.new_faults()], [500])
        self.assertEqual(watch.new_faults(), [])

    def test_a_disturbance_lasts_some_seconds_longer(self) -> None:
        watch = Watch()
        with watch.disturbed("kill", 5.0):
            pass
        (span,) = watch.disturbances
        self.assertGreaterEqual(span.ended - span.begun, 5.0)
        self.assertTrue(span.meets(Span(span.begun + 4.0, span.begun + 9.0, "")))
        self.assertFalse(span.meets(Span(span.ended + 1.0, span.ended + 2.0, "")))


class Scheduling(unittest.TestCase):
    """Jobs, for a fifth of a second."""

    def test_each_job_is_done_several_times_and_one_that_fails_is_noted(self) -> None:
        watch, done = Watch(), list[str]()
        jobs = [Job("works", 60.0, lambda: done.append("works")), Job("fails", 60.0, self.fail_at_once)]
        spans = list(repeated(jobs, watch, random.Random(1), threading.Event(), 0.2))
        self.assertGreaterEqual(len(done), 2)
        self.assertEqual({each.what for each in spans}, {"works", "fails"})
        self.assertEqual({each.span.what for each in watch.troubles}, {"fails"})

    def fail_at_once(self) -> None:
        raise TimeoutError

"""The operator's page, the same figures as metrics, and the audit log."""

import json
import tempfile
import unittest
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import transaction
from click.testing import CliRunner
from zope.component import getUtility
from zope.security.interfaces import Unauthorized

from librarian.commands.upkeep.collect import gc, sweep
from librarian.commands.upkeep.integrity import scrub
from librarian.interfaces import IClock, ISettings
from librarian.library.catalogue.indexing import Indexer
from librarian.library.catalogue.model import begin_anew
from librarian.library.interfaces import CollectorRefuses
from librarian.library.operations import Library
from librarian.library.upkeep.checking import Check
from librarian.library.upkeep.garbage.collector import GarbageCollector
from librarian.library.upkeep.outcomes import recorded
from librarian.library.upkeep.scrubbing import Damage, Scrub, ScrubReport
from librarian.operations.interfaces import AuditQuestion, BadAuditQuestion, Figures, IOverview
from librarian.operations.overview import audit_log
from librarian.operations.overview.audit_log import backwards, read_page, refused_log_ins
from librarian.security.interaction import acting_as
from librarian.security.principals import ANONYMOUS
from librarian.store.receiving import keep_or_put
from tests.support.documents.people import bearer, person
from tests.support.layers import Functional
from tests.support.servers.in_process import browser, request
from tests.support.world import overlay

APP = "http://localhost:6543"


class OverviewCase(unittest.TestCase):
    layer = Functional

    def add(self, data: bytes, name: str = "x") -> Any:
        library = Library()
        record = library.add(keep_or_put(library.store, BytesIO(data)), name, "text/plain")
        transaction.commit()
        return record

    def figures(self) -> Figures:
        Indexer().run()
        transaction.abort()
        found: Figures = getUtility(IOverview).figures()
        return found

    def move(self, **span: float) -> None:
        clock: Any = getUtility(IClock)
        clock.move(**span)

    def run_of(self, task: str, result: str = "fine", is_well: bool = True) -> None:
        with recorded(task) as ending:
            ending.say(result, is_well)
        transaction.abort()


class Numbers(OverviewCase):
    def test_files_as_named_and_once(self) -> None:
        self.add(b"twice")
        self.add(b"twice", "y")
        self.add(b"once")
        found = self.figures()
        self.assertEqual((found.files, found.bytes, found.contents, found.content_bytes), (3, 14, 2, 9))

    def test_deleted_and_brought_back(self) -> None:
        first, _second = self.add(b"twice"), self.add(b"twice", "y")
        lone = self.add(b"lone")
        for record in (first, lone):
            Library().delete(record)
        transaction.commit()
        found = self.figures()
        self.assertEqual((found.files, found.bytes, found.contents, found.content_bytes), (1, 5, 1, 5))
        Library().undelete(lone)
        transaction.commit()
        found = self.figures()
        self.assertEqual((found.files, found.bytes, found.contents, found.content_bytes), (2, 9, 2, 9))

    def test_they_are_the_sums_of_the_entries(self) -> None:
        for number in range(30):
            self.add(b"%d" % (number % 7), f"{number}")
        self.figures()
        catalogue = Library().tree.subtree("catalogue")
        self.assertEqual(catalogue.totals.as_tuple(), catalogue.recounted(lambda: None))

    def test_by_day(self) -> None:
        today = getUtility(IClock).now().date()
        self.add(b"first")
        self.move(days=1)
        self.add(b"second")
        self.add(b"third")
        tomorrow = today + timedelta(days=1)
        self.assertEqual(self.figures().days, [(today, 1, 5), (tomorrow, 2, 11)])

    def test_an_older_catalogue_is_made_anew(self) -> None:
        self.add(b"old")
        self.figures()
        catalogue = Library().tree.subtree("catalogue")
        del catalogue.totals
        begin_anew(catalogue)
        transaction.commit()
        self.assertEqual(self.figures().files, 1)


class Tasks(OverviewCase):
    def task(self, name: str) -> Any:
        return next(task for task in self.figures().tasks if task.name == name)

    def test_of_an_empty_library_nothing_is_overdue(self) -> None:
        self.assertEqual([task.name for task in self.figures().tasks if task.is_overdue], [])

    def test_what_never_ran_is_overdue_when_files_are_older_than_that(self) -> None:
        self.add(b"x")
        self.assertFalse(self.task("backup").is_overdue)
        self.move(days=4)
        self.assertTrue(self.task("backup").is_overdue)
        self.assertFalse(self.task("scrub").is_overdue)

    def test_a_run_and_its_age(self) -> None:
        self.run_of("backup", "7 contents")
        task = self.task("backup")
        self.assertEqual((task.result, task.is_well, task.is_overdue), ("7 contents", True, False))
        self.move(days=3)
        self.assertTrue(self.task("backup").is_overdue)

    def test_what_was_raised_is_the_reason(self) -> None:
        with self.assertRaises(OSError), recorded("backup"):
            raise OSError("no room\nthere")
        transaction.abort()
        self.assertEqual((self.task("backup").result, self.task("backup").is_well), ("no room there", False))
        self.run_of("backup")
        self.assertTrue(self.task("backup").is_well)
        failure = self.figures().failure
        assert failure is not None
        self.assertEqual((failure.task, failure.reason), ("backup", "no room there"))

    def test_no_age_is_too_old_where_the_settings_say_so(self) -> None:
        self.add(b"x")
        self.move(days=4)
        settings: Any = getUtility(ISettings)
        settings.push("test", "[librarian.overview]\nbackup_due = 0")
        self.addCleanup(settings.pop, "test")
        self.assertFalse(self.task("backup").is_overdue)


class Commands(OverviewCase):
    """Each records how it ended; the site is the test's own."""

    def invoke(self, command: click.Command, *words: str) -> int:
        module = f"{command.callback.__module__}.opened_site"
        with patch(module, lambda ini: nullcontext()):
            code: int = CliRunner().invoke(command, [*words, "-c", __file__]).exit_code
        transaction.abort()
        return code

    def outcomes(self) -> dict[str, tuple[str, bool]]:
        found = Library().tree.subtree("upkeep").outcomes
        return {name: (outcome.result, outcome.is_well) for name, outcome in found.items()}

    def test_gc_sweep_and_scrub(self) -> None:
        self.add(b"x")
        self.assertEqual(self.invoke(gc, "--dry-run"), 0)
        self.assertEqual(self.outcomes(), {})
        self.assertEqual([self.invoke(gc), self.invoke(sweep), self.invoke(scrub)], [0, 0, 0])
        self.assertEqual(
            self.outcomes(),
            {
                "gc": ("nothing to do; freed 0 bytes", True),
                "sweep": ("nothing to do; freed 0 bytes", True),
                "scrub": ("1 contents read, 1 bytes whole; no damage", True),
            },
        )

    def test_damage_is_no_good_end(self) -> None:
        report = ScrubReport(1, 0, [Damage("00" * 32, "missing", [])])
        with patch.object(Scrub, "run", return_value=report):
            self.assertEqual(self.invoke(scrub), 1)
        self.assertEqual(self.outcomes()["scrub"], ("1 contents read, 0 bytes whole; 1 missing", False))

    def test_a_refusal_is_recorded(self) -> None:
        with patch.object(GarbageCollector, "run", side_effect=CollectorRefuses("the clocks differ")):
            self.assertEqual(self.invoke(gc), 1)
        self.assertIn("the clocks differ", self.outcomes()["gc"][0])

    def test_fsck_compares_the_totals(self) -> None:
        self.add(b"x")
        self.figures()
        self.assertEqual(list(Check(Library())), [])
        Library().tree.subtree("catalogue").totals.files = 7
        transaction.commit()
        self.assertEqual([found.kind for found in Check(Library())], ["totals of the catalogue"])


class Pages(OverviewCase):
    def test_for_administrators(self) -> None:
        overview = getUtility(IOverview)
        with acting_as(ANONYMOUS), self.assertRaises(Unauthorized):
            overview.figures()
        for path in ("/+overview", "/+audit"):
            with self.subTest(path):
                bob = {"Authorization": bearer(person(f"bob{path[2]}"), "all")}
                self.assertEqual(request("GET", APP + path).status_int, 401)
                self.assertEqual(request("GET", APP + path, bob).status_int, 403)

    def test_as_a_page(self) -> None:
        self.add(b"x")
        self.figures()
        page = self.admin().get("/+overview")
        self.assertEqual(page.html.find(role="status").text, "Everything is well.")
        self.run_of("scrub", "1 damaged", is_well=False)
        page = self.admin().get("/+overview")
        self.assertIn("failed: 1 damaged", [cell.text for cell in page.html.select("td.bad")])
        self.assertIn("Something needs attention", page.html.find(role="status").text)

    def test_as_json(self) -> None:
        self.add(b"x")
        self.figures()
        self.run_of("gc")
        found = self.admin().get("/+overview", headers={"Accept": "application/json"}).json
        self.assertEqual((found["files"], found["days"][0]["bytes"], found["room"]), (1, 1, None))
        self.assertEqual(found["tasks"][0]["result"], "fine")

    def test_the_lines_of_the_audit_log_as_a_page_and_as_json(self) -> None:
        with tempfile.NamedTemporaryFile("w") as file, overlay(f"[librarian]\naudit_log = {file.name}"):
            file.write('{"time":"2026-03-01T11:00:00+00:00","event":"file added","alias":7,"by":"x"}\n')
            file.flush()
            page = self.admin().get("/+audit")
            cells = [cell.text for cell in page.html.select("table.files td")]
            self.assertEqual((cells[0], cells[4]), ("file added", "file 7"))
            told = self.admin().get("/+audit", headers={"Accept": "application/json"}).json
            self.assertEqual([line["alias"] for line in told["lines"]], [7])

    def test_as_metrics(self) -> None:
        self.add(b"x")
        self.figures()
        self.run_of("pack", "no", is_well=False)
        lines = request("GET", "http://localhost:9191/metrics").text.splitlines()
        for line in (
            "librarian_files 1.0",
            "librarian_content_bytes 1.0",
            "librarian_mail_queue 0.0",
            'librarian_upkeep_well{task="pack"} 0.0',
            'librarian_upkeep_overdue{task="pack"} 0.0',
        ):
            self.assertIn(line, lines)

    def admin(self) -> Any:
        app = browser()
        app.extra_environ["HTTP_AUTHORIZATION"] = self.token()
        return app

    def token(self) -> str:
        if not hasattr(self, "_token"):
            self._token = bearer(person("root-of-all", "admins"), "all")
        return self._token


class AuditLog(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name, "audit.log")
        self.begun = datetime(2026, 1, 1, tzinfo=UTC)

    def write(self, *events: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as log:
            for event in events:
                log.write(json.dumps(event) + "\n")

    def event(self, number: int, **facts: Any) -> dict[str, Any]:
        time = (self.begun + timedelta(hours=number)).isoformat()
        return {"time": time, "event": "file added", "by": "person:ada", "alias": number, **facts}

    def ids(self, **asked: str) -> list[int]:
        return [line["alias"] for line in read_page(str(self.path), AuditQuestion(**asked)).lines]

    def test_the_newest_first(self) -> None:
        self.write(*map(self.event, range(3)))
        self.assertEqual(self.ids(), [2, 1, 0])

    def test_filters(self) -> None:
        self.write(
            self.event(0, filename="Report.pdf"),
            self.event(24, event="file deleted", filename="x"),
            self.event(48, by="person:bob", path="/reports/y"),
            self.event(72, by="system:gc"),
        )
        for asked, found in (
            ({"who": "bob"}, [48]),
            ({"who": "system:gc"}, [72]),
            ({"what": "Deleted"}, [24]),
            ({"file": "report"}, [48, 0]),
            ({"file": "24"}, [24]),
            ({"since": "2026-01-02", "until": "2026-01-02"}, [24]),
            ({"since": "2026-01-03T00:00:00+00:00"}, [72, 48]),
            ({"until": "2026-01-01T12:00"}, [0]),
            ({"since": "0001-01-01T00:00:00+05:00", "until": "2026-01-01T12:00"}, [0]),
            ({"since": "9999-12-31T23:00:00-05:00"}, []),
            ({"until": "9999-12-31"}, [72, 48, 24, 0]),
        ):
            with self.subTest(asked):
                self.assertEqual(self.ids(**asked), found)

    def test_pages_go_on_where_the_last_ended_also_after_a_rotation(self) -> None:
        self.write(*map(self.event, range(120)))
        page = read_page(str(self.path), AuditQuestion())
        self.assertEqual([line["alias"] for line in page.lines], list(range(119, 69, -1)))
        self.path.rename(self.path.with_name("audit.log.1"))
        self.write(self.event(120))
        page = read_page(str(self.path), AuditQuestion(before=page.following))
        self.assertEqual([line["alias"] for line in page.lines], list(range(69, 19, -1)))
        page = read_page(str(self.path), AuditQuestion(before=page.following))
        self.assertEqual(
            ([line["alias"] for line in page.lines], page.following), (list(range(19, -1, -1)), "")
        )
        self.assertEqual(self.ids()[:2], [120, 119])

    def test_a_page_reads_a_part_of_a_long_log(self) -> None:
        self.write(self.event(0, event="rare"), *map(self.event, range(1, 200)))
        before, audit_log.MOST_READ = audit_log.MOST_READ, 4000
        self.addCleanup(setattr, audit_log, "MOST_READ", before)
        following, turns = "", 0
        while True:
            page = read_page(str(self.path), AuditQuestion(what="rare", before=following))
            turns, following = turns + 1, page.following
            if page.lines:
                break
        self.assertGreater(turns, 2)

    def test_what_is_no_line(self) -> None:
        self.path.write_bytes(b'\n\xff\n[1]\n{"event": "e", "alias": 7}\n{"cut')
        self.assertEqual(self.ids(), [7])

    def test_refusals(self) -> None:
        self.write(self.event(0))
        for asked in (
            {"since": "yesterday"},
            {"until": "2026-13-01"},
            {"before": "x"},
            {"before": "1-" + "9" * 50},
        ):
            with self.subTest(asked), self.assertRaises(BadAuditQuestion):
                self.ids(**asked)

    def test_there_is_none(self) -> None:
        self.assertEqual(read_page("", AuditQuestion()).lines, [])
        self.assertEqual(self.ids(), [])
        self.assertIsNone(refused_log_ins("", self.begun))

    def test_log_ins_refused_in_the_last_day(self) -> None:
        self.write(*(self.event(number, event="log-in refused") for number in range(5)), self.event(6))
        self.assertEqual(refused_log_ins(str(self.path), self.begun + timedelta(hours=2)), 3)

    def test_lines_over_the_borders_of_blocks(self) -> None:
        lines = [b"%d" % number * (number % 50 + 1) for number in range(400)]
        before, audit_log.BLOCK = audit_log.BLOCK, 61
        self.addCleanup(setattr, audit_log, "BLOCK", before)
        data = b"\n".join(lines) + b"\n"
        found = list(backwards(BytesIO(data)))
        self.assertEqual([line for _offset, line in found], lines[::-1])
        for offset, line in found:
            self.assertEqual(data[offset : offset + len(line)], line)

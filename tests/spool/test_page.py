"""The spool's pages when folders, ledgers and names are not as they should be."""

import json
import os
import threading
from typing import Any
from unittest import mock

import zc.lockfile
from zope.component import getUtility
from zope.security.interfaces import Unauthorized

from librarian.security.interaction import acting_as
from librarian.security.principals import ANONYMOUS
from librarian.spool.interfaces import BadTarget, ISpoolSet, NoSuchTarget, NotExported
from librarian.spool.model.ledger import Entry, Ledger, LockNote, Stage, ledger_path, local_lock_path
from librarian.spool.model.lock_holder import holder
from librarian.spool.model.report import record_path
from librarian.spool.model.state import SpoolState, read_state
from tests.spool.cases import SceneCase
from tests.support.documents.people import bearer, person
from tests.support.documents.spool import describe_partner, partners_in
from tests.support.layers import Functional
from tests.support.servers.in_process import request
from tests.support.world import overlay

BASE = "http://localhost:6543/spool"


class SpoolCase(SceneCase):
    layer = Functional

    def setUp(self) -> None:
        super().setUp()
        self.ini = describe_partner(self.scene, "cds")
        self.settings = partners_in(self.ini)
        self.target = self.scene.target()
        self.ledger_path = ledger_path("export", self.target)
        self.clock = Functional.world.clock

    def ledger(self) -> Ledger:
        made = Ledger(self.ledger_path, self.clock)
        self.addCleanup(made.close)
        return made


class PageTests(SpoolCase):
    def setUp(self) -> None:
        super().setUp()
        self.anna = bearer(person("anna", "admins"), "spool")

    def ask(self, path: str = "/export/cds", accept: str = "text/html") -> Any:
        with overlay(self.settings):
            return request("GET", BASE + path, {"Authorization": self.anna, "Accept": accept}, b"")

    def page(self, path: str = "/export/cds") -> str:
        answer = self.ask(path)
        self.assertEqual(answer.status_int, 200, answer.text)
        return str(answer.text)

    def test_what_cannot_be_read_is_named(self) -> None:
        lock = local_lock_path("export", self.target)
        for path in (self.ledger_path, record_path(self.ledger_path), lock):
            with self.subTest(path.name):
                path.mkdir(parents=True)
                self.assertIn("It cannot be read:", self.page())
                self.assertIn("It cannot be read:", self.page(""))
                path.rmdir()
                path.parent.rmdir()

    def test_a_file_in_place_of_new(self) -> None:
        (self.scene.store.path / "new").rmdir()
        (self.scene.store.path / "new").write_text("no folder")
        self.assertIn("is not a spool", self.page())

    def test_damaged_lines_and_records_do_no_harm(self) -> None:
        ledger = self.ledger()
        ledger.note(Entry("arrived", "1", "temp"), Stage.DELIVERED, size=3, sha256="ab" * 32)
        with self.ledger_path.open("ab") as file:
            file.write(b'{"event": "file", "name": 5}\n\xff\xfe\n[]\n{"event":"file"')
        for text in ("", "[]", "{}", "nonsense", '{"at": 1, "outcome": "else"}', "[" * 100_000):
            with self.subTest(text[:20]):
                record_path(self.ledger_path).write_text(text)
                page = self.page()
                self.assertIn("arrived", page)
                self.assertIn("4 lines of the ledger cannot be read", page)
                self.assertIn("how the last export ended is not on record", page)
        self.assertEqual(self.ask(accept="application/json").json["unreadable"], 4)

    def test_times_are_relative_and_what_is_no_time_is_shown(self) -> None:
        facts = {"outcome": "done", "files": 1, "reasons": {}, "lock": None, "error": None}
        self.ledger().note(Entry("arrived", "1", "temp"), Stage.DELIVERED)
        for at, shown in ((self.clock.now().isoformat(), ">just now</time>"), ("<soon>", "&lt;soon&gt;")):
            record_path(self.ledger_path).write_text(json.dumps({"at": at, **facts}))
            for path in ("", "/export/cds"):
                with self.subTest(path, at=at):
                    self.assertIn(shown, self.page(path).partition("done</span>")[2][:150])

    def test_names_that_are_no_utf8_and_names_with_markup(self) -> None:
        for name in (b"caf\xe9", b"<script>alert(1)</script>".replace(b"/", b"|"), b"two\nlines"):
            (self.scene.store.path / "new" / os.fsdecode(name)).write_bytes(b"")
        self.ledger().note(Entry("b", "1", "t"), Stage.STUCK, reason="550 caf\udce9 <b>no</b>")
        self.scene.spool("b", "")
        page = self.page()
        self.assertIn("caf\\xe9", page)
        self.assertIn("550 caf\\xe9 &lt;b&gt;no&lt;/b&gt;", page)
        self.assertNotIn("<script>", page)
        stuck = self.ask(accept="application/json").json["stuck"]
        self.assertEqual([file["name"] for file in stuck], ["b", "caf\\xe9", "two\nlines"])

    def test_a_file_that_is_not_regular_is_stuck(self) -> None:
        os.mkfifo(self.scene.store.path / "new" / "pipe")
        (self.scene.store.path / "new" / "link").symlink_to("/etc/passwd")
        stuck = self.ask(accept="application/json").json["stuck"]
        self.assertEqual(
            [file["reason"] for file in stuck],
            ["'link' is not a regular file", "'pipe' is not a regular file"],
        )

    def test_many_files_are_counted_and_the_first_are_shown(self) -> None:
        for number in range(105):
            (self.scene.store.path / "new" / f"{number:03}").write_bytes(b"")
        found = self.ask(accept="application/json").json
        self.assertEqual((found["waiting_count"], len(found["waiting"])), (105, 100))
        self.assertIn("The first 100 of 105.", self.page())

    def test_the_waiting_files_by_pages(self) -> None:
        names = [*(f"{number:03}" for number in range(100)), "plus+and", "slash", "z"]
        for name in names:
            (self.scene.store.path / "new" / name).write_bytes(b"")
        first = self.ask(accept="application/json").json
        self.assertEqual(first["next"], "/spool/export/cds?start=plus%2Band")
        rest = self.ask(first["next"].removeprefix("/spool"), accept="application/json").json
        listed = [file["name"] for page in (first, rest) for file in page["waiting"]]
        self.assertEqual(listed, names)
        self.assertEqual((rest["next"], rest["waiting_count"]), (None, 103))
        self.assertIn('rel="next" href="/spool/export/cds?start=plus%2Band"', self.page())
        self.assertIn('<a href="/spool/export/cds">First page</a>', self.page("/export/cds?start=slash"))
        self.assertIn("from <q>zz</q> on", self.page("/export/cds?start=zz"))

    def test_what_is_not_there(self) -> None:
        for path in ("/export/missing", "/elsewhere", "/export", "/import/cds", "/export/cds/more"):
            with self.subTest(path):
                self.assertEqual(self.ask(path).status_int, 404)

    def test_a_file_of_targets_that_cannot_be_used(self) -> None:
        self.settings = "[librarian.spool]\ntargets_file = /nowhere.ini"
        answer = self.ask(accept="application/json")
        self.assertEqual(answer.status_int, 503)
        self.assertIn("cannot read /nowhere.ini", answer.json["error"])
        self.assertIn("cannot read /nowhere.ini", self.page(""))

    def test_no_file_of_targets(self) -> None:
        self.settings = "[librarian.spool]\ntargets_file ="
        self.assertIn("No partner is described.", self.page(""))

    def test_only_reading(self) -> None:
        with overlay(self.settings):
            answer = request("POST", BASE, {"Authorization": self.anna}, b"")
        self.assertEqual((answer.status_int, answer.headers["Allow"]), (405, "GET, HEAD"))

    def test_a_password_is_neither_read_nor_shown(self) -> None:
        self.assertNotIn("PARTNER_PASSWORD", os.environ)
        self.assertNotIn("password", self.page().lower())


class StateTests(SpoolCase):
    def test_the_page_fills_no_log_with_the_lines_of_a_damaged_ledger(self) -> None:
        self.ledger_path.parent.mkdir()
        self.ledger_path.write_bytes(b"?\n" * 1000)
        with self.assertNoLogs("librarian.spool"):
            self.assertEqual(read_state("export", self.target).unreadable, 1000)

    def test_a_run_at_work_is_seen_and_not_disturbed(self) -> None:
        path = local_lock_path("export", self.target)
        path.parent.mkdir()
        self.assertIsNone(holder(path))
        alone = zc.lockfile.LockFile(str(path))
        self.assertEqual(
            read_state("export", self.target).lock, f"An export is running (process {os.getpid()})."
        )
        self.ledger().note_lock(LockNote("n", "text", "2026-03-01T12:00:00+00:00", held=True))
        self.assertIn(
            "and holds the lock file 'write' on the server since 2026", read_state("export", self.target).lock
        )
        alone.close()
        self.assertIsNone(holder(path))

    def test_reading_takes_no_lock_and_writes_nothing(self) -> None:
        self.scene.spool("a", "a")
        self.run_export()
        before = {path: path.stat().st_mtime_ns for path in self.scene.store.path.rglob("*")}
        with (
            mock.patch("fcntl.flock", side_effect=AssertionError),
            mock.patch("fcntl.lockf", side_effect=AssertionError),
        ):
            read_state("export", self.target)
        self.assertEqual({path: path.stat().st_mtime_ns for path in self.scene.store.path.rglob("*")}, before)

    def test_a_file_closed_since_is_stuck_no_more(self) -> None:
        ledger = self.ledger()
        self.scene.spool("a", "a")
        entry = ledger.note(Entry("a", "1", "t"), Stage.STUCK, reason="550 no")
        self.assertEqual([file.reason for file in read_state("export", self.target).stuck], ["550 no"])
        ledger.note(entry, Stage.CLOSED)
        state = read_state("export", self.target)
        self.assertEqual((state.stuck, [file.name for file in state.waiting]), ((), ["a"]))

    def test_a_failure_is_on_record(self) -> None:
        self.scene.spool("a", "a")
        self.scene.partner.stop()
        self.run_export()
        last_run = read_state("export", self.target).last_run
        assert last_run is not None
        self.assertEqual((last_run.outcome, last_run.error), ("failed", "[Errno 111] Connection refused"))

    def test_a_record_that_cannot_be_written_spoils_no_run(self) -> None:
        self.scene.spool("a", "a")
        with mock.patch("librarian.spool.exchange.base.write_record", side_effect=OSError("disk full")):
            self.run_export()
        self.assertEqual(self.scene.partner.files(), {"a": b"a"})

    def test_what_an_import_leaves_on_the_server(self) -> None:
        (self.scene.partner.root / "a").write_text("new")
        self.scene.spool("a", "old")
        self.run_import()
        state = read_state("import", self.target)
        self.assertEqual([file.name for file in state.waiting], ["a"])
        self.assertEqual(
            [file.reason for file in state.stuck],
            ["'a' waits on the server, as new still has a file of that name"],
        )

    def test_what_was_fetched_and_not_removed_is_stuck_also_after_a_run_that_failed(self) -> None:
        with Ledger(ledger_path("import", self.target), self.clock) as ledger:
            ledger.note(Entry("a", "1", "t"), Stage.DELIVERED, size=3, sha256="ab" * 32)
        self.scene.partner.stop()
        self.run_import()
        stuck = read_state("import", self.target).stuck
        self.assertEqual(
            [(file.name, file.reason) for file in stuck],
            [("a", "was fetched, and had not been removed from the server when this was noted")],
        )

    def test_an_import_makes_its_spool(self) -> None:
        (self.scene.store.path / "cur").rmdir()
        self.assertIn("`librarian import` makes it.", str(read_state("import", self.target).trouble))


class UtilityTests(SpoolCase):
    def setUp(self) -> None:
        super().setUp()
        laid_over = overlay(self.settings)
        laid_over.__enter__()
        self.addCleanup(laid_over.__exit__, None, None, None)
        self.spools = getUtility(ISpoolSet)

    def test_exchange(self) -> None:
        self.scene.spool("a", "a")
        with mock.patch.dict(os.environ, {"PARTNER_PASSWORD": "secret"}):
            report = self.spools["cds"].exchange()
        self.assertEqual((report.outcome, report.files), ("done", ["a"]))
        self.assertRaises(BadTarget, self.spools["cds"].exchange)  # without the password's variable

    def test_unknown_names(self) -> None:
        self.assertRaises(NoSuchTarget, lambda: self.spools["missing"])
        self.assertIsNone(self.spools.getByName("cds", "import"))

    def test_a_target_that_was_taken_out_since(self) -> None:
        spool = self.spools["cds"]
        self.ini.write_text("")
        self.assertRaises(NoSuchTarget, spool.exchange)

    def test_nothing_is_delivered_to_an_import(self) -> None:
        self.ini.write_text(self.ini.read_text().replace("export:", "import:"))
        self.assertRaises(NotExported, self.spools.getByName("cds", "import").deliver, None)

    def test_strangers_see_nothing(self) -> None:
        spool = self.spools["cds"]
        with acting_as(ANONYMOUS):
            for use in (
                lambda: self.spools["cds"],
                lambda: spool.deliver,
                lambda: spool.exchange,
                lambda: spool.state,
            ):
                self.assertRaises(Unauthorized, use)


class RecordTests(SceneCase):
    def test_the_format(self) -> None:
        """Other programs may read it: a change of the names is a change of an interface."""
        self.scene.spool("write", "")
        self.run_export()
        facts = json.loads(record_path(ledger_path("export", self.scene.target())).read_text())
        self.assertEqual(sorted(facts), ["at", "error", "files", "lock", "outcome", "reasons"])
        self.assertEqual(facts["reasons"], {"write": "'write' is the name of a lock"})


class ConcurrentReadingTests(SpoolCase):
    def test_while_the_ledger_is_written_and_compacted(self) -> None:
        """A reader meets whole lines only, in the old file or in the new one."""
        stop = threading.Event()
        self.addCleanup(stop.set)
        states: list[SpoolState] = []

        def read() -> None:
            while not stop.is_set():
                states.append(read_state("export", self.target))

        reader = threading.Thread(target=read)
        reader.start()
        with (
            mock.patch("librarian.spool.model.ledger.COMPACT_ABOVE", 20_000),
            self.assertNoLogs("librarian.spool.model.ledger"),
        ):
            for turn in range(8):
                self.write(turn)
            stop.set()
            reader.join()
        self.assertEqual({state.trouble for state in states}, {None})
        self.assertEqual(read_state("export", self.target).sent[0].name, "7-49")

    def write(self, turn: int) -> None:
        with Ledger(self.ledger_path, self.clock) as ledger:
            for number in range(50):
                entry = ledger.note(Entry(f"{turn}-{number}", "1", "t"), Stage.DELIVERED)
                ledger.note(entry, Stage.CLOSED)

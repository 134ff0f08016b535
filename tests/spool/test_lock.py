"""The remote lock: whose it is, when it goes, and when it must not."""

import os
from datetime import UTC, datetime, timedelta
from unittest import mock

from librarian.clock import SystemClock
from librarian.spool.exchange.exporter import Exporter
from librarian.spool.interfaces import LockLost, LockStays
from librarian.spool.model.ledger import Ledger, LockNote, ledger_path
from librarian.spool.model.report import Outcome
from tests.spool.cases import SceneCase


class LockCase(SceneCase):
    def setUp(self) -> None:
        super().setUp()
        self.lock_file = self.partner.root / "write"
        self.scene.spool("a", "data")

    def arrived(self) -> list[str]:
        return list(self.scene.partner.files())


class TestForeignLocks(LockCase):
    def test_contents_do_not_matter(self) -> None:
        for name in ("write", "read"):
            for body in (
                b"",
                b"Lock file",
                b"This is a lock file.",
                b"This is a lock file.\n",
                b"\xff\0" * 500_000,
            ):
                with self.subTest(name=name, body=body):
                    lock = self.scene.partner.root / name
                    lock.write_bytes(body)
                    self.assertEqual(self.run_export().outcome, Outcome.POSTPONED)
                    self.assertEqual(lock.read_bytes(), body)
                    lock.unlink()
        self.assertEqual(self.run_export().files, ["a"])

    def test_a_foreign_lock_of_any_age_stays(self) -> None:
        self.lock_file.write_text("theirs")
        os.utime(self.lock_file, (0, 0))
        self.assertEqual(self.run_export().outcome, Outcome.POSTPONED)

    def test_an_age_after_which_it_is_broken(self) -> None:
        hour_ago = datetime.now(UTC) - timedelta(hours=1)
        self.lock_file.write_text("theirs")
        os.utime(self.lock_file, (hour_ago.timestamp(),) * 2)
        self.assertEqual(self.run_export(break_lock_after=3700).outcome, Outcome.POSTPONED)
        self.assertEqual(self.run_export(break_lock_after=3500).outcome, Outcome.DONE)
        self.assertIn("Breaking the lock file of another program", "\n".join(self.scene.page.lines))
        self.assertEqual(self.arrived(), ["a"])

    def test_waiting_for_it_to_go(self) -> None:
        self.lock_file.write_text("theirs")

        def pause(seconds: float) -> None:
            self.scene.pauses.append(seconds)
            if len(self.scene.pauses) == 2:
                self.lock_file.unlink()

        target = self.scene.target(lock_wait=12)
        report = Exporter(target, SystemClock(), sleep=pause).run()
        self.assertEqual((report.files, self.scene.pauses), (["a"], [5, 5]))

    def test_waiting_has_an_end(self) -> None:
        self.lock_file.write_text("theirs")
        self.assertEqual(self.run_export(lock_wait=12).outcome, Outcome.POSTPONED)
        self.assertEqual(self.scene.pauses, [5, 5, 2])

    def test_a_lock_that_comes_between_our_look_and_our_append(self) -> None:
        def hook(command: str, argument: str) -> None:
            if command == "APPE":
                self.lock_file.write_text("theirs")

        self.scene.partner.hook = hook
        self.assertEqual(self.run_export().outcome, Outcome.POSTPONED)
        self.assertTrue(self.lock_file.read_text().startswith("theirs"))
        self.assertEqual(self.arrived(), ["write"])

    def test_the_other_sides_lock_that_comes_while_we_take_ours(self) -> None:
        def hook(command: str, argument: str) -> None:
            if command == "APPE":
                (self.scene.partner.root / "read").write_text("theirs")

        self.scene.partner.hook = hook
        self.assertEqual(self.run_export().outcome, Outcome.POSTPONED)
        self.assertEqual(self.arrived(), ["read"])

    def test_a_lock_that_is_taken_from_us_is_not_removed(self) -> None:
        def hook(command: str, argument: str) -> None:
            if command == "RNTO":  # after our last look
                self.lock_file.write_text("theirs")

        self.scene.partner.hook = hook
        report = self.run_export()
        self.assertEqual((report.outcome, self.lock_file.read_text()), (Outcome.DONE, "theirs"))
        self.assertIn("Lock file is not ours any more and stays: write", self.scene.page.lines)

    def replace_while_the_second_is_sent(self, theirs: str | None) -> None:
        """The partner puts its lock in place of ours, of the size of ours if None."""
        stored: list[str] = []

        def hook(command: str, argument: str) -> None:
            if command != "STOR":
                return
            stored.append(argument)
            if len(stored) == 2:
                text = theirs or "x" * self.lock_file.stat().st_size
                self.lock_file.unlink()
                self.lock_file.write_text(text)
                os.utime(self.lock_file, (5, 5))

        self.scene.partner.hook = hook

    def test_nothing_is_renamed_under_a_foreign_lock(self) -> None:
        for name in "bcdefgh":
            self.scene.spool(name, "x")
        for theirs in ("theirs", None):
            with self.subTest(theirs):
                self.replace_while_the_second_is_sent(theirs)
                waiting = self.scene.waiting()
                report = self.run_export()
                self.assertIsInstance(report.error, LockLost)
                self.assertEqual((report.exit_status, len(report.files)), (1, 1))
                self.assertEqual(self.scene.waiting(), waiting[1:])
                self.lock_file.unlink()

    def test_a_lock_that_was_lost_while_a_file_took_long_stops_the_run(self) -> None:
        class Slow:
            offset = timedelta(0)

            def now(self) -> datetime:
                return datetime.now(UTC) + self.offset

        def hook(command: str, argument: str) -> None:
            if command == "STOR":
                Slow.offset = timedelta(minutes=1)
                self.lock_file.write_text("theirs")

        self.scene.partner.hook = hook
        report = Exporter(self.scene.target(), Slow()).run()  # type: ignore[arg-type]
        self.assertIsInstance(report.error, LockLost)
        self.assertEqual((self.lock_file.read_text(), "a" in self.arrived()), ("theirs", False))


class TestOurLocks(LockCase):
    def dead_run(self, *, held: bool, minutes_ago: float = 1) -> LockNote:
        """Leave the note of a run that died, as its ledger has it."""
        at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        note = LockNote("nonce", "This is a lock file.\nnonce host 1 then\n", at.isoformat(), held)
        with Ledger(ledger_path("export", self.scene.target()), SystemClock()) as ledger:
            ledger.note_lock(note)
        return note

    def test_what_it_says(self) -> None:
        seen = []

        def hook(command: str, argument: str) -> None:
            if command == "RNFR":
                seen.append(self.lock_file.read_text())

        self.scene.partner.hook = hook
        self.run_export()
        self.assertRegex(
            seen[0],
            r"\AThis is a lock file\.\n[0-9a-f]{32} \S+ \d+ \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00\n\Z",
        )

    def test_of_a_dead_run(self) -> None:
        self.lock_file.write_text(self.dead_run(held=True).text)
        self.assertEqual(self.run_export().files, ["a"])
        self.assertIn("Removed our own lock file of a run that died: write", self.scene.page.lines)

    def test_of_a_dead_run_with_nothing_new(self) -> None:
        self.lock_file.write_text(self.dead_run(held=True).text)
        self.scene.store.remove("a", "new")
        self.run_export()
        self.assertEqual(self.arrived(), [])

    def test_of_a_dead_run_on_another_machine(self) -> None:
        self.lock_file.write_text("This is a lock file.\nother host 1 then\n")
        self.dead_run(held=True)
        self.assertEqual(self.run_export().outcome, Outcome.POSTPONED)

    def test_cut_short_while_it_was_made(self) -> None:
        self.lock_file.write_text("")
        self.dead_run(held=False)
        self.assertEqual(self.run_export().files, ["a"])

    def test_an_empty_lock_is_not_ours_once_we_had_seen_ours(self) -> None:
        self.lock_file.write_text("")
        self.dead_run(held=True)
        self.assertEqual(self.run_export().outcome, Outcome.POSTPONED)

    def test_an_empty_lock_from_another_time_is_not_ours(self) -> None:
        self.lock_file.write_text("")
        self.dead_run(held=False, minutes_ago=20)
        self.assertEqual(self.run_export().outcome, Outcome.POSTPONED)
        self.assertEqual(self.run_export().outcome, Outcome.POSTPONED)

    def test_a_server_that_lets_no_client_read_is_not_left_locked(self) -> None:
        self.scene.partner.hook = lambda command, argument: (
            "550 Permission denied." if command == "RETR" else None
        )
        report = self.run_export()
        self.assertIn("does not let us read the lock file", str(report.error))
        self.assertEqual(self.arrived(), [])

    def test_removed_in_every_way_out(self) -> None:
        for command in ("STOR", "SIZE", "RNFR", "RNTO"):
            for reply in ("550 No.", "421 Closing.", "553 No.", "552 Full."):
                with self.subTest(command=command, reply=reply):
                    self.scene.partner.hook = lambda one, _, c=command, r=reply: r if one == c else None  # type: ignore[misc]
                    self.run_export(tries=2)
                    self.assertFalse(self.lock_file.exists())

    def test_left_if_the_server_is_gone_and_removed_by_the_next_run(self) -> None:
        self.scene.partner.hook = lambda command, argument: (
            "421 Closing." if command in {"SIZE", "DELE", "USER"} and self.lock_file.exists() else None
        )
        self.assertEqual(self.run_export(tries=2).outcome, Outcome.FAILED)
        self.assertIn("the next run will", "\n".join(self.scene.page.lines))
        self.assertTrue(self.lock_file.exists())
        self.scene.partner.hook = lambda command, argument: None
        self.assertEqual(self.run_export().files, ["a"])
        self.assertEqual(self.arrived(), ["a"])

    def test_a_server_that_will_not_remove_it(self) -> None:
        self.scene.partner.hook = lambda command, argument: (
            "550 Permission denied." if (command, argument) == ("DELE", "write") else None
        )
        report = self.run_export()
        self.assertIsInstance(report.error, LockStays)
        self.assertEqual((report.files, report.exit_status, self.scene.waiting("cur")), (["a"], 1, ["a"]))
        self.assertNotIn("Exiting with success.", self.scene.page.lines)
        self.scene.spool("b", "x")
        self.assertEqual(self.run_export().exit_status, 1)
        self.scene.partner.hook = lambda command, argument: None
        self.assertEqual(self.run_export().files, ["b"])

    def test_removed_when_the_program_is_stopped_while_it_removes_it(self) -> None:
        exporter = Exporter(self.scene.target(), SystemClock())
        release = exporter._remove_lock
        stops = [KeyboardInterrupt()]

        def stopped() -> None:
            if stops:
                raise stops.pop()
            release()

        with mock.patch.object(exporter, "_remove_lock", stopped):
            self.assertRaises(KeyboardInterrupt, exporter.run)
        self.assertFalse(self.lock_file.exists())

    def test_removed_when_the_program_is_stopped(self) -> None:
        class Stopped:
            def begin(self, name: str, size: int, done: int) -> None:
                pass

            def advance(self, count: int) -> None:
                raise KeyboardInterrupt

            finish = begin

        exporter = Exporter(self.scene.target(), SystemClock(), progress=Stopped())  # type: ignore[arg-type]
        self.assertRaises(KeyboardInterrupt, exporter.run)
        self.assertFalse(self.lock_file.exists())
        self.assertEqual(self.run_export().files, ["a"])


class TestWithoutAppend(TestOurLocks):
    facts = {"without": ("APPE",)}  # noqa: RUF012  # constant

    def test_it_looks_again_after_a_pause(self) -> None:
        self.run_export(lock_settle=3)
        self.assertEqual(self.scene.pauses, [3])

    def test_a_program_that_writes_in_the_pause_wins(self) -> None:
        def pause(seconds: float) -> None:
            self.lock_file.write_text("theirs")

        report = Exporter(self.scene.target(), SystemClock(), sleep=pause).run()
        self.assertEqual((report.outcome, self.lock_file.read_text()), (Outcome.POSTPONED, "theirs"))


class TestWithoutPermissionToAppend(TestWithoutAppend):
    facts = {"permissions": "elrdfmwMT"}  # noqa: RUF012  # constant

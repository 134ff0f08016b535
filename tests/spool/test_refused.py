"""What a partner's server refuses for one file; the others go on, and the run says that something is left."""

from librarian.clock import SystemClock
from librarian.spool.exchange.exporter import Exporter
from librarian.spool.interfaces import LockLost, PermanentError
from librarian.spool.model.ledger import Ledger, Stage, ledger_path
from librarian.spool.model.report import Outcome
from tests.spool.cases import SceneCase


class TestImportedAndNotRemoved(SceneCase):
    def take(self) -> dict[str, bytes]:
        """Consume what was delivered."""
        new = self.scene.store.path / "new"
        found = {path.name: path.read_bytes() for path in new.iterdir()}
        for name in found:
            (new / name).unlink()
        return found

    def test_it_is_delivered_once(self) -> None:
        for name in ("a", "b"):
            (self.partner.root / name).write_text(name)
        for reply in ("550 Permission denied.", "553 No.", "502 Not here."):
            with self.subTest(reply):
                (self.partner.root / "a").write_text(reply)
                self.refuse("DELE", reply, "a")
                report = self.run_import()
                self.assertEqual((report.refused, report.exit_status), (["a"], 1))
                self.assertIn(reply[:3], report.reasons["a"])
                self.assertEqual(self.take().pop("a"), reply.encode())
                for _again in range(3):
                    report = self.run_import()
                    self.assertEqual((report.files, report.refused, report.exit_status), ([], ["a"], 1))
                    self.assertEqual(self.take(), {})
                self.assertEqual(self.said("RETR").count("RETR a"), 1, "fetched again")
                self.partner.commands.clear()

    def test_no_log_says_success_while_something_is_left(self) -> None:
        (self.partner.root / "a").write_text("a")
        self.refuse("DELE", "550 Permission denied.", "a")
        self.assertEqual(self.run_import().exit_status, 1)
        self.assertEqual(self.scene.page.lines[-1], "Exiting, 1 refused.")

    def test_it_goes_when_the_server_lets_it(self) -> None:
        (self.partner.root / "a").write_text("a")
        self.refuse("DELE", "550 Permission denied.", "a")
        self.run_import()
        self.take()
        self.refuse("DELE", "", "nothing")
        report = self.run_import()
        self.assertEqual((report.files, report.exit_status), (["a"], 0))
        self.assertEqual((self.take(), self.partner.files()), ({}, {}))

    def test_another_file_of_that_name_is_fetched(self) -> None:
        (self.partner.root / "a").write_text("first")
        self.refuse("DELE", "550 Permission denied.", "a")
        self.run_import()
        self.take()
        (self.partner.root / "a").write_text("the second")
        self.assertEqual(self.run_import().files, ["a"])
        self.assertEqual(self.take(), {"a": b"the second"})

    def test_gone_already_is_no_refusal(self) -> None:
        (self.partner.root / "a").write_text("a")

        def hook(command: str, argument: str) -> None:
            if (command, argument) == ("DELE", "a"):
                (self.partner.root / "a").unlink()

        self.partner.hook = hook
        report = self.run_import()
        self.assertEqual((report.files, report.exit_status), (["a"], 0))

    def test_nothing_is_taken_under_a_foreign_lock(self) -> None:
        for name in ("a", "b"):
            (self.partner.root / name).write_text(name)

        def hook(command: str, argument: str) -> None:
            if (command, argument) == ("RETR", "b"):
                (self.partner.root / "read").write_text("theirs")

        self.partner.hook = hook
        self.assertIsInstance(self.run_import().error, LockLost)
        self.assertEqual((list(self.take()), sorted(self.partner.files())), (["a"], ["b", "read"]))


class TestImportedAndNotRemovedWithoutMlsd(TestImportedAndNotRemoved):
    facts = {"without": ("MLSD", "MLST")}  # noqa: RUF012  # constant


class TestExportedAndNotNamed(SceneCase):
    def test_a_directory_of_that_name(self) -> None:
        (self.partner.root / "b").mkdir()
        for name in ("a", "b", "c"):
            self.scene.spool(name, name)
        report = self.run_export()
        self.assertEqual((report.outcome, report.exit_status), (Outcome.DONE, 1))
        self.assertEqual((report.files, report.refused), (["a", "c"], ["b"]))
        self.assertEqual(
            (sorted(path.name for path in self.partner.root.iterdir()), self.scene.waiting()),
            (["a", "b", "c"], ["b"]),
        )
        self.assertIn("Refused, left where it is: 'b': 550", "\n".join(self.scene.page.lines))
        with Ledger(ledger_path("export", self.scene.target()), SystemClock()) as ledger:
            entry = ledger.entries["b"]
        self.assertEqual((entry.stage, entry.reason), (Stage.STUCK, report.reasons["b"].partition(": ")[2]))

    def test_it_is_not_sent_only_to_be_refused_again(self) -> None:
        (self.partner.root / "b").mkdir()
        self.scene.spool("b", "b")
        self.run_export()
        self.partner.commands.clear()
        report = self.run_export()
        self.assertEqual((report.refused, report.exit_status, self.said("STOR")), (["b"], 1, []))
        (self.partner.root / "b").rmdir()
        self.assertEqual(self.run_export().files, ["b"])
        self.assertEqual(self.partner.files(), {"b": b"b"})

    def test_taken_back_from_new(self) -> None:
        (self.partner.root / "b").mkdir()
        self.scene.spool("b", "b")
        self.run_export()
        self.scene.store.remove("b", "new")
        self.assertEqual(self.run_export().exit_status, 0)
        self.assertEqual(self.run_export().outcome, Outcome.NOTHING)

    def test_a_name_that_is_refused_for_reasons_of_its_own(self) -> None:
        for name in ("a", "b", "c"):
            self.scene.spool(name, name)
        self.refuse("RNTO", "550 Not this one.", "a", "b")
        report = self.run_export()
        self.assertEqual(
            (report.files, report.refused, list(self.partner.files())), (["c"], ["a", "b"], ["c"])
        )

    def test_a_server_that_renames_nothing(self) -> None:
        """Then no name is to blame, and the rest is not sent in vain."""
        for name in ("a", "b", "c"):
            self.scene.spool(name, name)
        self.refuse("RNTO", "550 No renaming.")
        report = self.run_export()
        self.assertIsInstance(report.error, PermanentError)
        self.assertEqual((report.refused, len(self.said("STOR"))), ([], 1))
        self.refuse("RNTO", "", "nothing")
        self.assertEqual(self.run_export().files, ["a", "b", "c"])
        self.assertEqual(list(self.partner.files()), ["a", "b", "c"])


class TestNamesThatAreNoFiles(SceneCase):
    def test_no_log_says_success_without_a_connection_either(self) -> None:
        (self.scene.store.path / "new" / "folder").mkdir()
        report = self.run_export()
        self.assertEqual((report.exit_status, self.partner.commands), (1, []))
        self.assertEqual(self.scene.page.lines[-1], "Exiting, 1 refused.")


class TestAFileThatGrows(SceneCase):
    def test_it_does_not_hold_the_lock_for_ever(self) -> None:
        self.scene.spool("a", b"x" * 100_000)
        self.scene.spool("b", "b")
        path = self.scene.store.path / "new" / "a"

        class Grows:
            def begin(self, name: str, size: int, done: int) -> None:
                self.name = name

            def advance(self, count: int) -> None:
                if self.name == "a":
                    with path.open("ab") as file:
                        file.write(b"x" * 2 * count)

            def finish(self, name: str) -> None:
                pass

        report = Exporter(self.scene.target(), SystemClock(), progress=Grows()).run()
        self.assertEqual((report.files, report.refused, report.exit_status), (["b"], ["a"], 1))
        self.assertEqual((self.partner.files(), self.scene.waiting()), ({"b": b"b"}, ["a"]))
        self.assertLess(self.partner.received, 300_000)

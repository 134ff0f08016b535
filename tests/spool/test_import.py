"""Fetching: nothing lost, nothing twice, nothing that is not ours."""

import os

from librarian.clock import SystemClock
from librarian.spool.exchange.importer import Importer
from librarian.spool.interfaces import FTPOSError, TransferDamaged
from librarian.spool.model.report import Outcome
from tests.spool.cases import SceneCase

BIG = os.urandom(3_000_000)


class ImportCase(SceneCase):
    def offer(self, name: str, data: bytes) -> None:
        (self.partner.root / name).write_bytes(data)

    def delivered(self) -> dict[str, bytes]:
        new = self.scene.store.path / "new"
        return {path.name: path.read_bytes() for path in sorted(new.iterdir())}

    def tmp(self) -> list[str]:
        return [path.name for path in (self.scene.store.path / "tmp").iterdir()]


class TestImport(ImportCase):
    def test_files_and_only_files(self) -> None:
        self.offer("b ü", BIG)
        self.offer("a", b"")
        self.offer(".librarian-1.part", b"another program has not finished this")
        (self.partner.root / "folder").mkdir()
        report = self.run_import()
        self.assertEqual((report.files, self.delivered()), (["a", "b ü"], {"a": b"", "b ü": BIG}))
        self.assertEqual((list(self.partner.files()), self.tmp()), ([".librarian-1.part"], []))

    def test_either_lock_stops_it(self) -> None:
        self.offer("a", b"x")
        for lock in ("read", "write"):
            self.offer(lock, b"")
            self.assertEqual(self.run_import().outcome, Outcome.POSTPONED)
            (self.partner.root / lock).unlink()
        self.assertEqual(self.run_import().files, ["a"])

    def test_it_holds_the_read_lock(self) -> None:
        self.offer("a", b"x")
        seen: list[str] = []

        def hook(command: str, argument: str) -> None:
            if (command, argument) == ("RETR", "a"):
                seen.extend(self.partner.files())

        self.partner.hook = hook
        self.run_import()
        self.assertEqual((seen, self.partner.files()), (["a", "read"], {}))

    def test_nothing_there(self) -> None:
        report = self.run_import()
        self.assertEqual((report.outcome, report.exit_status), (Outcome.NOTHING, 0))
        self.assertNotIn("APPE read", self.partner.commands)

    def test_a_name_that_still_waits_in_new(self) -> None:
        self.scene.spool("a", "earlier")
        self.offer("a", b"later")
        self.offer("b", b"x")
        report = self.run_import()
        self.assertEqual((report.files, report.refused), (["b"], ["a"]))
        self.assertEqual((self.delivered()["a"], self.partner.files()), (b"earlier", {"a": b"later"}))
        self.scene.store.archive("a")
        self.run_import()
        self.assertEqual((self.delivered()["a"], self.partner.files()), (b"later", {}))

    def test_names_that_no_spool_takes(self) -> None:
        self.offer("a\\b", b"x")
        self.offer(os.fsdecode(b"latin\xe9"), b"x")
        self.offer("good", b"x")
        report = self.run_import()
        self.assertEqual((report.files, len(report.refused), report.exit_status), (["good"], 2, 1))
        self.assertEqual(len(self.partner.files()), 2)

    def test_a_broken_connection_resumes(self) -> None:
        self.offer("a", BIG)
        drops = [1_000_000]

        def progress_drops(count: int) -> None:
            if drops and sum(self.scene.pauses) == 0 and self.seen >= drops[0]:
                drops.pop()
                raise FTPOSError("cut by the test")

        importer = Importer(self.scene.target(), SystemClock(), sleep=self.scene.pauses.append)
        self.seen = 0

        class Cut:
            def begin(inner, name: str, size: int, done: int) -> None:  # noqa: N805  # self is the test
                pass

            def advance(inner, count: int) -> None:  # noqa: N805
                self.seen += count
                progress_drops(count)

            def finish(inner, name: str) -> None:  # noqa: N805
                pass

        importer.transfer._progress = Cut()
        self.assertEqual(importer.run().files, ["a"])
        self.assertEqual(self.delivered(), {"a": BIG})
        self.assertIn("REST", " ".join(self.partner.commands))

    def test_cut_short_is_not_delivered(self) -> None:
        self.offer("a", b"twelve bytes")

        def hook(command: str, argument: str) -> None:
            if command == "RETR" and argument == "a":
                self.offer("a", b"eleven byte")

        self.partner.hook = hook
        report = self.run_import(tries=2)
        self.assertIsInstance(report.error, TransferDamaged)
        self.assertEqual((self.delivered(), list(self.partner.files())), ({}, ["a"]))

    def test_another_file_of_the_same_name_by_the_next_run(self) -> None:
        self.offer("a", b"first")
        self.partner.hook = lambda command, argument: (
            "421 Bye." if (command, argument) == ("DELE", "a") else None
        )
        self.run_import(tries=1)
        self.assertEqual(self.delivered(), {"a": b"first"})
        self.partner.hook = lambda command, argument: None
        (self.scene.store.path / "new" / "a").unlink()  # taken by its consumer
        self.run_import()
        self.assertEqual((self.delivered(), self.partner.files()), ({}, {}), "the same file came twice")

        self.offer("a", b"first")
        self.partner.hook = lambda command, argument: (
            "421 Bye." if (command, argument) == ("DELE", "a") else None
        )
        self.run_import(tries=1)
        (self.scene.store.path / "new" / "a").unlink()
        self.offer("a", b"second!")
        self.partner.hook = lambda command, argument: None
        self.run_import()
        self.assertEqual((self.delivered(), self.partner.files()), ({"a": b"second!"}, {}))


class TestImportWithoutMlsd(TestImport):
    facts = {"without": ("MLSD", "MLST")}  # noqa: RUF012  # constant

    def test_what_cannot_be_read_is_told_from_a_folder(self) -> None:
        for name in ("locked", "good"):
            self.offer(name, b"x")
        (self.partner.root / "folder").mkdir()
        replies = {("SIZE", "locked"): "550 Permission denied."}
        self.partner.hook = lambda command, argument: replies.get((command, argument))
        report = self.run_import()
        self.assertEqual((report.files, report.refused, report.exit_status), (["good"], ["locked"], 1))


class TestImportWithMlsdThatIsNotMeant(ImportCase):
    def test_announced_and_refused(self) -> None:
        self.offer("a", b"x")
        replies = {"MLSD": "502 No.", "MLST": "502 No."}
        self.partner.hook = lambda command, argument: replies.get(command)
        self.assertEqual(self.run_import().files, ["a"])
        self.assertEqual((self.delivered(), self.partner.files()), ({"a": b"x"}, {}))

    def test_names_that_begin_with_a_dot(self) -> None:
        self.offer(".a", b"x")
        self.run_import()
        self.assertEqual(self.delivered(), {".a": b"x"})
        self.assertNotIn("NLST", self.partner.commands)


class TestImportWithDigests(ImportCase):
    facts = {"digest": "SHA-1"}  # noqa: RUF012  # constant

    def test_a_wrong_digest_is_not_delivered(self) -> None:
        self.offer("a", b"x")
        self.partner.lie_about_digests = True
        self.assertIsInstance(self.run_import(tries=2).error, TransferDamaged)
        self.assertEqual((self.delivered(), list(self.partner.files())), ({}, ["a"]))

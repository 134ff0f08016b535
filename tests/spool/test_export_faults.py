"""What goes wrong on the way, and what the next try makes of it."""

import hashlib
import os
import socket
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from librarian.clock import SystemClock
from librarian.spool.exchange.exporter import Exporter
from librarian.spool.interfaces import (
    CertificateRefused,
    FTPOSError,
    NotPrepared,
    PermanentError,
    TemporaryError,
    TransferDamaged,
)
from librarian.spool.model.ledger import deliveries, ledger_path
from librarian.spool.model.report import Outcome, Report
from tests.spool.cases import SceneCase
from tests.support.servers.ftp import Scene

BIG = os.urandom(3_000_000)


class ExportCase(SceneCase):
    def verbs(self) -> list[str]:
        return [command.partition(" ")[0] for command in self.partner.commands]


class TestBrokenConnections(ExportCase):
    def test_in_the_middle_of_the_second_file(self) -> None:
        for name in ("a", "b", "c"):
            self.scene.spool(name, name.encode() + BIG)
        self.partner.cut_after = len(BIG) + 2_000_000
        report = self.run_export()
        self.assertEqual((report.outcome, report.files), (Outcome.DONE, ["a", "b", "c"]))
        self.assertEqual(self.partner.files(), {name: name.encode() + BIG for name in ("a", "b", "c")})
        self.assertEqual(self.scene.pauses, [1])
        self.assertIn("REST", self.verbs())
        self.assertLess(self.partner.received, 3 * len(BIG) + 2_500_000, "what was there was sent again")

    def test_without_second_tries_the_next_run_resumes(self) -> None:
        self.scene.spool("a", BIG)
        self.partner.cut_after = 2_500_000
        report = self.run_export(tries=1)
        self.assertIsInstance(report.error, FTPOSError)
        self.assertEqual([name[:11] for name in self.partner.files()], [".librarian-"], "lock and final name")
        self.assertEqual(self.run_export().files, ["a"])
        self.assertIn("REST", self.verbs())
        self.assertEqual(self.partner.files(), {"a": BIG})

    def test_a_server_that_cannot_resume(self) -> None:
        self.scene.spool("a", BIG)
        self.partner.cut_after = 2_500_000
        self.run_export(tries=1)
        self.refuse("REST", "502 No.")
        self.assertEqual(self.run_export().files, ["a"])
        self.assertEqual(self.partner.files(), {"a": BIG})

    def test_what_is_resumed_belongs_to_the_same_file(self) -> None:
        self.scene.spool("a", BIG)
        self.partner.cut_after = 2_500_000
        self.run_export(tries=1)
        with self.scene.store.writer("a", replace=True) as file:
            file.write(BIG[::-1])
        self.assertEqual(self.run_export().files, ["a"])
        self.assertEqual(self.partner.files(), {"a": BIG[::-1]})

    def test_what_was_begun_and_withdrawn_is_cleared_away(self) -> None:
        self.scene.spool("a", BIG)
        self.partner.cut_after = 2_500_000
        self.run_export(tries=1)
        self.scene.store.remove("a", "new")
        self.run_export()
        self.assertEqual(self.partner.files(), {})

    def test_progress_renews_patience(self) -> None:
        self.scene.spool("a", BIG)
        cuts = [700_000, 1_400_000, 2_100_000, 2_800_000]
        self.partner.cut_after = cuts.pop(0)

        def hook(command: str, argument: str) -> None:
            if command == "STOR" and self.partner.cut_after is None and cuts:
                self.partner.cut_after = self.partner.received + 600_000
                cuts.pop()

        self.partner.hook = hook
        self.assertEqual(self.run_export(tries=2).files, ["a"])
        self.assertEqual(self.scene.pauses, [1] * 4)

    def test_patience_ends_where_there_is_no_progress(self) -> None:
        self.scene.spool("a", BIG)
        starts = []

        def hook(command: str, argument: str) -> None:
            if command == "STOR":
                starts.append(self.partner.received)
                self.partner.cut_after = (
                    starts[0] + 1_000_000 if len(starts) == 1 else self.partner.received + 1
                )

        self.partner.hook = hook
        self.assertIsInstance(self.run_export(tries=3).error, FTPOSError)
        self.assertLess(len(starts), 10)

    def test_pauses_grow_and_end(self) -> None:
        self.scene.spool("a", "x")
        self.refuse("STOR", "450 Busy.")
        report = self.run_export(tries=5, backoff=2, backoff_limit=7)
        self.assertIsInstance(report.error, TemporaryError)
        self.assertEqual(self.scene.pauses, [2, 4, 7, 7])

    def test_the_reply_to_the_rename_is_lost(self) -> None:
        self.scene.spool("a", "x")
        done: list[str] = []

        def hook(command: str, argument: str) -> str | None:
            if command == "RNTO" and not done:
                done.append(argument)
                (temp,) = (path for path in self.partner.root.iterdir() if path.name.startswith("."))
                temp.rename(self.partner.root / "a")
                return "421 Closing."
            return None

        self.partner.hook = hook
        self.assertEqual(self.run_export().files, ["a"])
        self.assertEqual((self.partner.files(), self.verbs().count("STOR")), ({"a": b"x"}, 1))

    def test_trying_to_connect_again(self) -> None:
        self.scene.spool("a", "x")
        self.refuse("USER", "421 Too many.", times=2)
        self.assertEqual(self.run_export(connect_tries=3).files, ["a"])
        self.assertEqual(self.scene.pauses, [1, 2])

    def test_authorities_that_cannot_be_read(self) -> None:
        self.scene.spool("a", "x")
        for ca_file in (Path("/does/not/exist"), Path(__file__)):
            report = self.run_export(tls="explicit", ca_file=ca_file)
            self.assertIsInstance(report.error, CertificateRefused)

    def test_a_host_that_does_not_exist(self) -> None:
        self.scene.spool("a", "x")
        self.assertIsInstance(self.run_export(host="nowhere.invalid").error, FTPOSError)

    def test_a_server_that_is_no_ftp_server(self) -> None:
        self.scene.spool("a", "x")
        report = self.run_export(tls="implicit", timeout=2)  # it waits for a welcome, the server for TLS
        self.assertIsInstance(report.error, FTPOSError)
        self.assertEqual(self.scene.waiting(), ["a"])


class TestRefusals(ExportCase):
    def test_disk_full(self) -> None:
        self.scene.spool("a", "x" * 100)
        self.scene.spool("b", BIG)
        self.scene.spool("c", "x")
        self.partner.full_after = 1_000_000
        report = self.run_export()
        self.assertEqual((report.error and report.error.code, report.files), (552, ["a"]))  # type: ignore[attr-defined]
        self.assertEqual(list(self.partner.files()), ["a"], "neither a lock nor half a file stays")
        self.assertEqual((self.scene.pauses, self.scene.waiting()), ([], ["b", "c"]))
        self.partner.full_after = None
        self.assertEqual(self.run_export().files, ["b", "c"])

    def test_no_room_even_for_the_lock(self) -> None:
        self.scene.spool("a", "x")
        self.partner.full_after = 0
        report = self.run_export()
        self.assertEqual((report.outcome, self.partner.files()), (Outcome.FAILED, {}))

    def test_a_name_the_server_will_not_have(self) -> None:
        self.scene.spool("a", "x")
        self.scene.spool("b", "x")
        self.refuse("RNTO", "553 Not allowed.", times=1)
        report = self.run_export()
        self.assertEqual((report.outcome, report.files, report.refused), (Outcome.DONE, ["b"], ["a"]))
        self.assertEqual(
            (list(self.partner.files()), self.scene.waiting(), report.exit_status), (["b"], ["a"], 1)
        )

    def test_names_that_would_break_the_protocol(self) -> None:
        for name in ("write", "READ", "a\nDELE b", "x\udcff", " blank", ".librarian-x"):
            (self.scene.store.path / "new" / name).write_text("x")
        (self.scene.store.path / "new" / "folder").mkdir()
        (self.scene.store.path / "new" / "link").symlink_to("/etc/passwd")
        self.scene.spool("good", "x")
        report = self.run_export()
        self.assertEqual((report.files, len(report.refused)), (["good"], 8))
        self.assertEqual(self.partner.files(), {"good": b"x"})
        self.assertEqual(len(self.scene.waiting()), 8)

    def test_no_permission_to_rename(self) -> None:
        self.scene.spool("a", "x")
        self.refuse("RNFR", "550 Permission denied.")
        for _ in range(2):
            self.assertIsInstance(self.run_export().error, PermanentError)
            self.assertEqual(self.scene.waiting(), ["a"])
        self.refuse("RNFR", "", times=0)
        self.assertEqual(self.run_export().files, ["a"])

    def test_no_permission_to_rename_and_no_sizes(self) -> None:
        self.scene.spool("a", "x")
        replies = {"RNFR": "550 Permission denied.", "SIZE": "502 No."}
        self.partner.hook = lambda command, argument: replies.get(command)
        for _ in range(3):
            self.assertIsInstance(self.run_export().error, PermanentError)
            self.assertEqual(self.scene.waiting(), ["a"], "taken for delivered")

    def test_a_server_that_will_not_rename_onto_a_file(self) -> None:
        (self.partner.root / "a").write_text("the partner has not taken this yet")

        def hook(command: str, argument: str) -> str | None:
            return "550 File exists." if command == "RNTO" and "a" in self.partner.files() else None

        self.partner.hook = hook
        self.scene.spool("a", "newer")
        self.assertEqual(self.run_export().files, ["a"])
        self.assertEqual(self.partner.files(), {"a": b"newer"})

    def test_a_listing_without_end(self) -> None:
        for number in range(20):
            (self.partner.root / f"{number}").touch()
        self.scene.spool("a", "x")
        with mock.patch("librarian.spool.ftp.connection.LONGEST_LISTING", 50):
            self.assertIn("more than 50 bytes", str(self.run_export().error))
        self.assertEqual(self.run_export().files, ["a"])

    def test_not_a_spool(self) -> None:
        report = self.run_export(store_dir=self.scene.folder)
        self.assertIsInstance(report.error, NotPrepared)
        self.assertEqual(self.partner.commands, [])


class TestVerification(ExportCase):
    def test_a_server_that_drops_bytes_on_the_floor(self) -> None:
        self.scene.spool("a", "twelve bytes")
        self.refuse("SIZE", "213 11")
        report = self.run_export(tries=3)
        self.assertIsInstance(report.error, TransferDamaged)
        self.assertEqual((self.partner.files(), self.verbs().count("STOR")), ({}, 3))

    def test_a_server_without_sizes(self) -> None:
        self.scene.spool("a", "x")
        self.scene.spool("b", "x")
        self.refuse("SIZE", "502 No.")
        self.assertEqual(self.run_export().files, ["a", "b"])
        warnings = [line for line in self.scene.page.lines if "cannot tell sizes" in line]
        self.assertEqual(len(warnings), 1)

    def test_a_file_that_is_still_being_written(self) -> None:
        self.scene.spool("a", "begun")
        self.scene.spool("b", "whole")

        def hook(command: str, argument: str) -> None:
            if command == "SIZE":
                with (self.scene.store.path / "new" / "a").open("a") as file:
                    file.write(" and gone on")

        self.partner.hook = hook
        report = self.run_export()
        self.assertEqual((report.files, report.refused, self.scene.waiting()), (["b"], ["a"], ["a"]))
        self.assertEqual(list(self.partner.files()), ["b"])

    def test_a_file_that_is_replaced_meanwhile(self) -> None:
        self.scene.spool("a", "old")
        replaced: list[str] = []

        def hook(command: str, argument: str) -> None:
            if command == "RNTO" and not replaced:
                replaced.append(argument)
                with self.scene.store.writer("a", replace=True) as file:
                    file.write("new")

        self.partner.hook = hook
        self.run_export()
        self.assertEqual((self.partner.files(), self.scene.waiting()), ({"a": b"old"}, ["a"]))
        self.run_export()
        self.assertEqual((self.partner.files(), self.scene.waiting()), ({"a": b"new"}, []))

    def test_the_ledger_proves_the_delivery(self) -> None:
        self.scene.spool("a", BIG)
        self.run_export()
        (delivery,) = deliveries(ledger_path("export", self.scene.target()))
        self.assertEqual((delivery.size, delivery.sha256), (len(BIG), hashlib.sha256(BIG).hexdigest()))

    def test_no_password_anywhere(self) -> None:
        self.scene.spool("a", "x")
        self.run_export(password="tops3cret")
        written = [path.read_text() for path in Path(self.scene.store.path).rglob("*") if path.is_file()]
        self.assertNotIn("tops3cret", "".join([*self.scene.page.lines, *written]))


class TestDigests(ExportCase):
    facts = {"digest": "SHA-256"}  # noqa: RUF012  # constant

    def test_asked_for(self) -> None:
        self.scene.spool("a", BIG)
        self.assertEqual(self.run_export().files, ["a"])
        self.assertIn("HASH", self.verbs())

    def test_another_digest_than_ours(self) -> None:
        self.scene.spool("a", "x")
        self.partner.lie_about_digests = True
        report = self.run_export(tries=2)
        self.assertIsInstance(report.error, TransferDamaged)
        self.assertEqual((self.partner.files(), self.scene.waiting()), ({}, ["a"]))

    def test_not_asked_for(self) -> None:
        self.scene.spool("a", "x")
        self.partner.lie_about_digests = True
        self.assertEqual(self.run_export(verify="size").files, ["a"])
        self.assertNotIn("HASH", self.verbs())

    def test_announced_and_not_meant(self) -> None:
        self.scene.spool("a", "x")
        self.refuse("HASH", "502 No.")
        self.assertEqual(self.run_export().files, ["a"])


class TestDigestsInMd5(TestDigests):
    facts = {"digest": "MD5"}  # noqa: RUF012  # constant


class TestPace(unittest.TestCase):
    def test_a_limited_export(self) -> None:
        scene = Scene()
        self.addCleanup(scene.close)
        scene.spool("a", b"x" * 100_000)
        Exporter(scene.target(bandwidth=10_000), SystemClock(), sleep=scene.pauses.append).run()
        self.assertGreater(sum(scene.pauses), 9)
        self.assertEqual(list(scene.partner.files()), ["a"])


class TestAddresses(unittest.TestCase):
    def export_to(self, scene: Scene, **settings: Any) -> Report:
        self.addCleanup(scene.close)
        scene.spool("a", "x")
        return Exporter(scene.target(**settings), SystemClock()).run()

    def test_ipv6(self) -> None:
        try:
            scene = Scene(host="::1")
        except OSError as error:
            raise unittest.SkipTest(f"no IPv6 here: {error}") from None
        self.assertEqual(self.export_to(scene, host="::1").files, ["a"])

    def test_epsv_then_pasv(self) -> None:
        scene = Scene(without=("EPSV",))
        self.assertEqual(self.export_to(scene).files, ["a"])
        self.assertEqual(sum("EPSV" in command for command in scene.partner.commands), 1)

    def test_a_firewall_that_knows_only_pasv(self) -> None:
        scene = Scene()
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))  # bound, and not listening: connections are refused
            reply = f"229 Entering extended passive mode (|||{closed.getsockname()[1]}|)."
            scene.partner.hook = lambda command, argument: reply if command == "EPSV" else None
            self.assertEqual(self.export_to(scene).files, ["a"])
        self.assertEqual(sum("EPSV" in command for command in scene.partner.commands), 1)

    def test_utf8_names_and_path(self) -> None:
        scene = Scene()
        (scene.partner.root / "Eingang ü€").mkdir()
        scene.spool("grüße 😀.xml", "x")
        self.assertEqual(self.export_to(scene, path="/Eingang ü€").files, ["a", "grüße 😀.xml"])
        self.assertTrue((scene.partner.root / "Eingang ü€" / "grüße 😀.xml").exists())

    def test_replies_in_latin_1(self) -> None:
        scene = Scene()
        (scene.partner.root / os.fsdecode(b"f\xfcr sie")).write_text("x")
        self.assertEqual(self.export_to(scene).files, ["a"])

    def test_two_runs_on_one_spool(self) -> None:
        scene = Scene()
        outcomes: list[Outcome] = []

        def hook(command: str, argument: str) -> None:
            if command == "STOR":
                outcomes.append(Exporter(scene.target(), SystemClock()).run().outcome)

        scene.partner.hook = hook
        self.assertEqual(self.export_to(scene).files, ["a"])
        self.assertEqual(outcomes, [Outcome.POSTPONED])

"""Against a server of Debian that insists on TLS, with the session resumed on data connections."""

import os
from typing import Any, ClassVar
from unittest import TestCase, mock

from librarian.clock import SystemClock
from librarian.spool.exchange.base import Exchange
from librarian.spool.exchange.exporter import Exporter
from librarian.spool.exchange.importer import Importer
from librarian.spool.ftp.control import Control
from librarian.spool.ftp.session import Session
from librarian.spool.interfaces import CertificateRefused, ExchangeError, LockLost
from librarian.spool.model.report import Outcome
from tests.support.layers import Server
from tests.support.servers.ftp import Scene
from tests.support.servers.ftpd import running

delete = Session.delete


class DaemonCase(TestCase):
    layer = Server
    implicit: ClassVar[bool]

    def setUp(self) -> None:
        self.daemon = running(implicit=self.implicit)
        self.addCleanup(self.daemon.close)
        self.scene = Scene()
        self.addCleanup(self.scene.close)

    def make(self, kind: type[Exchange], **settings: Any) -> Exchange:
        target = self.scene.target(**{**self.daemon.settings(implicit=self.implicit), **settings})
        return kind(target, SystemClock(), sleep=self.scene.pauses.append)


class TestExplicit(DaemonCase):
    implicit = False

    def test_there_and_back(self) -> None:
        files = {"a": b"", "grüße €": os.urandom(2_000_000), "z" * 200: b"z"}
        for name, data in files.items():
            self.scene.spool(name, data)
        self.assertEqual(self.make(Exporter).run().outcome, Outcome.DONE, self.scene.page.lines)
        self.assertEqual(self.daemon.files(), files)
        self.assertEqual(self.make(Importer).run().outcome, Outcome.DONE, self.scene.page.lines)
        new = self.scene.store.path / "new"
        self.assertEqual({path.name: path.read_bytes() for path in new.iterdir()}, files)
        self.assertEqual(self.daemon.files(), {})

    def test_resuming(self) -> None:
        data = os.urandom(2_000_000)
        self.scene.spool("a", data)
        exporter = self.make(Exporter)
        passed = 0

        def pass_on(count: int) -> None:
            nonlocal passed
            passed += count
            if 1_000_000 < passed < 1_300_000:
                exporter.session.close()
                raise OSError("cut by the test")

        with mock.patch.object(exporter.progress, "advance", pass_on):
            report = exporter.run()
        self.assertEqual(report.files, ["a"], self.scene.page.lines)
        self.assertEqual(self.daemon.files(), {"a": data})
        self.assertIn("Resuming at byte", "\n".join(self.scene.page.lines))

    def test_a_lock_of_another_program(self) -> None:
        (self.daemon.root / "write").write_text("theirs")
        self.scene.spool("a", "x")
        self.assertEqual(self.make(Exporter).run().outcome, Outcome.POSTPONED)
        self.assertEqual(self.daemon.files(), {"write": b"theirs"})

    def test_names_that_it_will_not_have(self) -> None:
        """A folder of that name; and a name that this server takes for a home directory."""
        (self.daemon.root / "folder").mkdir()
        for name in ("a", "folder", "~", "~b", "z"):
            self.scene.spool(name, name)
        for _run in range(2):
            report = self.make(Exporter).run()
            self.assertEqual((sorted(report.refused), report.exit_status), (["folder", "~"], 1))
            self.assertEqual(self.scene.waiting(), ["folder", "~"])
        arrived = sorted(path.name for path in self.daemon.root.iterdir())
        self.assertEqual(arrived, ["a", "folder", "z", "~b"], "a file is missing, or a part was left")

    def test_names_that_it_lists_and_does_not_give(self) -> None:
        for name in ("a", "~"):
            (self.daemon.root / name).write_text("news")
        (self.daemon.root / "folder").mkdir()
        (self.daemon.root / "link").symlink_to("nowhere")
        report = self.make(Importer).run()
        self.assertEqual(
            (report.files, sorted(report.refused), report.exit_status), (["a"], ["link", "~"], 1)
        )

    def test_a_file_that_it_will_not_remove(self) -> None:
        name = "stays"
        (self.daemon.root / name).write_text("news")
        with mock.patch.object(Session, "delete", lambda session, one: one != name and delete(session, one)):
            report = self.make(Importer).run()
            self.assertEqual((report.files, report.refused, report.exit_status), ([name], [name], 1))
            (self.scene.store.path / "new" / name).unlink()
            report = self.make(Importer).run()
            self.assertEqual((report.files, report.refused, self.scene.waiting()), ([], [name], []))
        self.assertEqual(self.make(Importer).run().exit_status, 0)
        self.assertEqual(self.daemon.files(), {})

    def test_a_lock_that_is_replaced(self) -> None:
        for name in "abcd":
            self.scene.spool(name, name)
        exporter = self.make(Exporter)

        def replace(name: str) -> None:
            (self.daemon.root / "write").unlink()
            (self.daemon.root / "write").write_text("theirs")

        with mock.patch.object(exporter.progress, "finish", replace):
            report = exporter.run()
        self.assertIsInstance(report.error, LockLost)
        self.assertEqual((report.files, report.exit_status), (["a"], 1))
        self.assertEqual((self.daemon.root / "write").read_text(), "theirs")

    def test_without_the_resumed_session_it_refuses(self) -> None:
        """What shows that the server insists, and so that the other tests prove something."""

        class Forgetful(Control):
            def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> Any:
                with mock.patch("ssl.SSLSocket.session", None):
                    return super().ntransfercmd(cmd, rest)

        self.scene.spool("a", "x")
        with mock.patch("librarian.spool.ftp.connection.Control", Forgetful):
            report = self.make(Exporter, tries=1).run()
        self.assertIsInstance(report.error, ExchangeError)
        self.assertEqual(self.scene.waiting(), ["a"])

    def test_certificates_are_checked(self) -> None:
        self.scene.spool("a", "x")
        self.assertIsInstance(self.make(Exporter, ca_file=None).run().error, CertificateRefused)
        self.assertIsInstance(self.make(Exporter, host="127.0.0.1").run().error, CertificateRefused)

    def test_without_tls_it_refuses(self) -> None:
        self.scene.spool("a", "x")
        self.assertIsInstance(self.make(Exporter, tls="no", timeout=2).run().error, ExchangeError)


class TestImplicit(TestExplicit):
    implicit = True

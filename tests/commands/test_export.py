"""``librarian export``, ``import``, ``deliveries`` and ``feed``, as processes where it matters."""

import json
import os
import signal
import subprocess
import sys
import time
import unittest
from io import BytesIO
from pathlib import Path
from unittest import mock

import transaction
from click.testing import CliRunner, Result
from zope.component import getUtility

from librarian.commands.main import librarian
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.opening import open_library
from librarian.naming.interfaces import INamedTree
from tests.support.layers import Functional
from tests.support.servers.ftp import PASSWORD, USER, Scene


class CommandCase(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()
        self.addCleanup(self.scene.close)
        self.ini = self.scene.folder / "site.ini"
        self.password_file = self.scene.folder / "password"
        self.password_file.write_text(f"{PASSWORD}\n")
        common = (
            f"store_dir = {self.scene.store.path}\nhost = 127.0.0.1\nport = {self.scene.partner.port}\n"
            f"user = {USER}\npassword_file = %(here)s/password\n"
        )
        self.ini.write_text(f"[export:cds]\n{common}\n[import:agency]\n{common}\n")

    def invoke(self, *arguments: str, **environ: str) -> Result:
        # "librarian" attaches a log handler to the stream of the moment, so none is asked for here.
        return CliRunner().invoke(librarian, arguments, env={"LIBRARIAN_INI": str(self.ini), **environ})


class TestExport(CommandCase):
    def test_done_then_nothing(self) -> None:
        self.scene.spool("a", "x")
        done = self.invoke("export")
        self.assertEqual((done.exit_code, done.stdout), (0, "cds: done; 1 file went over\n"))
        again = self.invoke("export", "cds")
        self.assertEqual((again.exit_code, again.stdout), (0, "cds: nothing new\n"))
        self.assertEqual(self.invoke("export", "--quiet").stdout, "")

    def test_postponed(self) -> None:
        self.scene.spool("a", "x")
        (self.scene.partner.root / "write").write_text("theirs")
        done = self.invoke("export", "--quiet")
        self.assertEqual(done.exit_code, 1)
        self.assertIn("postponed", done.stdout)

    def test_failed_as_json(self) -> None:
        self.scene.spool("a", "x")
        self.password_file.write_text("guess")
        done = self.invoke("export", "--json")
        self.assertEqual(done.exit_code, 1)
        report = json.loads(done.stdout)
        self.assertEqual((report["outcome"], report["files"]), ("failed", []))
        self.assertEqual(report["error"], "PermanentError: 530 Authentication failed.")

    def test_a_name_that_stays(self) -> None:
        self.scene.spool("write", "x")
        done = self.invoke("export")
        self.assertEqual((done.exit_code, done.stdout), (1, "cds: nothing new; 1 cannot: 'write'\n"))

    def test_called_wrongly(self) -> None:
        spool, host = str(self.scene.store.path), "127.0.0.1"
        cases = [
            ["export", "missing"],
            ["export", "cds", "--host", host],
            ["export", "--host", host],
            ["export", "--host", host, "--store-dir", spool, "--password", "x"],
            ["export", "--watch", "0"],
        ]
        for arguments in cases:
            with self.subTest(arguments=arguments):
                self.assertEqual(self.invoke(*arguments).exit_code, 2)

    def test_a_bad_ini_is_one_line(self) -> None:
        self.ini.write_text("[export:cds]\nhost = x\n")
        done = self.invoke("export")
        self.assertEqual((done.exit_code, done.stderr.count("\n")), (2, 1))

    def test_no_ini_is_one_line(self) -> None:
        for arguments in (["export"], ["import"], ["deliveries", "cds"]):
            with self.subTest(arguments):
                done = self.invoke(*arguments, "-c", "/does/not/exist")
                self.assertEqual((done.exit_code, done.stderr.count("\n")), (2, 1), done.stderr)
                self.assertIn("/does/not/exist", done.stderr)
        self.assertEqual(self.invoke("feed", "cds", "1", "-c", "/does/not/exist").exit_code, 2)

    def test_options_that_make_no_target(self) -> None:
        spool = ["--host", "localhost", "--store-dir", str(self.scene.store.path)]
        for arguments in (
            ["--port", "0"],
            ["--user", "a\nb"],
            ["--password-file", str(self.scene.folder / "bin")],
        ):
            with self.subTest(arguments):
                (self.scene.folder / "bin").write_bytes(b"\xff")
                self.assertEqual(self.invoke("export", *spool, *arguments).exit_code, 2)

    def test_without_an_ini_file(self) -> None:
        self.scene.spool("a", "x")
        arguments = ["--host", "127.0.0.1", "--port", str(self.scene.partner.port), "--user", USER]
        arguments += ["--store-dir", str(self.scene.store.path)]
        environ = {"LIBRARIAN_FTP_PASSWORD": PASSWORD, "LIBRARIAN_INI": "/does/not/exist"}
        done = self.invoke("export", *arguments, **environ)
        self.assertEqual((done.exit_code, list(self.scene.partner.files())), (0, ["a"]), done.output)

    def test_log_file(self) -> None:
        self.scene.spool("a", "x")
        log = self.scene.folder / "export.log"
        self.invoke("export", "--log-file", str(log))
        self.assertIn("INFO Uploading: a\n", log.read_text())
        self.assertTrue(log.read_text().endswith("INFO Exiting with success.\n"))

    def test_deliveries(self) -> None:
        self.scene.spool("a", "x")
        self.invoke("export")
        line = self.invoke("deliveries").stdout.split()
        self.assertEqual(line[1:3] + line[4:], ["cds", "1", "a"])
        entry = json.loads(self.invoke("deliveries", "cds", "--json").stdout)
        self.assertEqual(entry["sha256"], "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881")

    def test_stuck_are_those_of_the_page(self) -> None:
        """What the server refuses, and what is refused before it is sent; a name that is no UTF-8 too."""
        (self.scene.partner.root / "dogs").mkdir()
        for name in ("dogs", "~", "caf\udce9"):
            (self.scene.store.path / "new" / name).write_text("x")
        for tried in (False, True):
            if tried:
                self.invoke("export")
            done = self.invoke("deliveries", "--stuck")
            lines = [line.split(" ", 3) for line in done.stdout.splitlines()]
            found = {line[2]: line[0] for line in lines}
            self.assertEqual([found["caf\\xe9:"], found["~:"]], ["-", "-"], done.output)
            self.assertEqual("dogs:" in found, tried)
        rows = [
            json.loads(line) for line in self.invoke("deliveries", "--stuck", "--json").stdout.splitlines()
        ]
        self.assertEqual([row["name"] for row in rows], ["caf\\xe9", "dogs", "~"])
        self.assertEqual([row["at"] is None for row in rows], [True, False, True])
        self.assertEqual({row["target"] for row in rows}, {"cds"})

    def test_all_stuck_files_are_listed(self) -> None:
        for number in range(120):
            self.scene.spool(f"a\\{number}", "")
        self.assertEqual(len(self.invoke("deliveries", "--stuck").stdout.splitlines()), 120)

    def test_stuck_says_what_it_could_not_read(self) -> None:
        (self.scene.store.path / "new").rmdir()
        done = self.invoke("deliveries", "--stuck")
        self.assertEqual((done.exit_code, done.stdout), (1, ""))
        self.assertIn("cds: ", done.stderr)
        self.assertIn("is not a spool", done.stderr)

    def test_import(self) -> None:
        (self.scene.partner.root / "a").write_text("x")
        done = self.invoke("import")
        self.assertEqual((done.exit_code, done.stdout), (0, "agency: done; 1 file went over\n"))
        self.assertEqual(self.scene.waiting(), ["a"])
        self.assertEqual(self.invoke("deliveries", "--import").stdout.split()[-1], "a")


class TestProcesses(CommandCase):
    """The command as cron and systemd run it."""

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        code = "from librarian.commands.main import main; main()"
        command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
        environ = {**os.environ, "LIBRARIAN_INI": str(self.ini), "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def test_log_lines_and_traceback_on_standard_error(self) -> None:
        self.scene.spool("a", "x")
        self.password_file.write_text("tops3cret")
        process = self.start("-v", "export")
        out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 1)
        self.assertIn("Could not connect to CDS FTP server.", err)
        self.assertIn("Traceback (most recent call last):", err)
        self.assertNotIn("tops3cret", out + err)

    def test_sigterm_releases_the_lock(self) -> None:
        self.ini.write_text(self.ini.read_text().replace("user =", "bandwidth = 20k\nuser ="))
        self.scene.spool("a", b"x" * 1_000_000)
        process = self.start("export", "--watch", "60")
        lock = self.scene.partner.root / "write"
        self.wait_for(lambda: self.scene.partner.received > 5000)
        self.assertTrue(lock.exists())
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        self.assertEqual((process.returncode, lock.exists()), (143, False))
        self.assertEqual(self.scene.waiting(), ["a"])

    def test_watch(self) -> None:
        process = self.start("export", "--watch", "0.1")
        for name in ("a", "b"):
            self.scene.spool(name, "x")
            self.wait_for(lambda name=name: name in self.scene.waiting("cur"))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        self.assertEqual(list(self.scene.partner.files()), ["a", "b"])

    def wait_for(self, condition: object) -> None:
        until = time.monotonic() + 20
        while not condition():  # type: ignore[operator]
            self.assertLess(time.monotonic(), until)
            time.sleep(0.01)


class TestFeed(CommandCase):
    layer = Functional

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(mock.patch("librarian.commands.spool.feed.opened_site", lambda ini: open_library()))

    def alias(self, name: str, data: bytes) -> int:
        alias = getUtility(ILibraryFileAliasSet).create(name, len(data), BytesIO(data), "text/plain")
        transaction.commit()
        return int(alias.id)

    def test_fed_and_exported(self) -> None:
        ids = [self.alias("a b", b"one"), self.alias("c", b"two" * 200_000)]
        done = self.invoke("feed", "cds", *map(str, ids))
        self.assertEqual((done.exit_code, done.stdout), (0, "a b\nc\n"), done.output)
        self.assertEqual(self.invoke("export").exit_code, 0)
        self.assertEqual(self.scene.partner.files(), {"a b": b"one", "c": b"two" * 200_000})

    def test_all_or_none(self) -> None:
        first = self.alias("a", b"one")
        self.assertEqual(self.invoke("feed", "cds", str(first), "12345").exit_code, 1)
        self.assertEqual(self.scene.waiting(), [])
        self.scene.spool("a", "already")
        self.assertEqual(self.invoke("feed", "cds", str(first)).exit_code, 1)
        transaction.abort()  # what the end of the process does
        self.assertEqual(Path(self.scene.store.list("new")[0]).read_text(), "already")
        self.assertEqual(self.invoke("feed", "cds", str(first), "--replace").exit_code, 0)
        self.assertEqual(Path(self.scene.store.list("new")[0]).read_text(), "one")

    def test_files_of_this_machine(self) -> None:
        self.ini.write_text(self.ini.read_text().replace("spool\n", "fresh\n", 1))
        (self.scene.folder / "photo").write_bytes(b"x" * 300_000)
        photo, paper = str(self.scene.folder / "photo"), str(self.password_file)
        self.assertEqual(
            self.invoke("feed", "cds", "--file", photo, "--file", paper).stdout, "photo\npassword\n"
        )
        self.assertEqual((self.scene.folder / "fresh" / "new" / "photo").stat().st_size, 300_000)
        self.assertEqual(self.invoke("feed", "cds").exit_code, 2)

    def test_a_folder_of_the_tree(self) -> None:
        library, tree = getUtility(ILibraryFileAliasSet), getUtility(INamedTree)
        tree.make_folder("/press")
        tree.make_folder("/press/archive")
        for name in ("one.txt", "two.txt"):
            tree.put(f"/press/{name}", library[self.alias("any-name", name.encode())])
        transaction.commit()
        done = self.invoke("feed", "cds", "--folder", "/press")
        self.assertEqual((done.exit_code, done.stdout), (0, "one.txt\ntwo.txt\n"), done.output)
        self.assertEqual((self.scene.store.path / "new" / "two.txt").read_text(), "two.txt")
        self.assertEqual(self.invoke("feed", "cds", "--folder", "/nowhere").exit_code, 1)

    def test_no_spool(self) -> None:
        self.ini.write_text("[export:cds]\nstore_dir = /does/not/exist\nhost = x\n")
        self.assertEqual(self.invoke("feed", "cds", "1").exit_code, 1)
        self.assertEqual(self.invoke("feed", "missing", "1").exit_code, 2)

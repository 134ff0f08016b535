"""What is wrong with an installation is said in one line, with an exit status, and no traceback."""

import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

from tests.server.test_pserve import CHECKOUTS, RUN
from tests.support.layers import Server
from tests.support.servers.forked import with_path
from tests.support.servers.librarian import ServerProcess

COMMAND = "from librarian.commands.main import main; main()"


class Wrong(unittest.TestCase):
    def setUp(self) -> None:
        self.server = ServerProcess()
        self.addCleanup(self.server.remove)
        self.ini = self.server.ini
        self.good = self.ini.read_text()

    def run_python(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            capture_output=True,
            text=True,
            cwd=self.server.folder,
            env=with_path(os.environ),
            timeout=120,
            check=False,
        )

    def refused(self, *words: str, programs: tuple[str, ...] = ("pserve", "gc")) -> None:
        for name in programs:
            with self.subTest(program=name):
                done = self.start(name)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertNotIn("Traceback", done.stderr)
                [told] = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
                for word in words:
                    self.assertIn(word, told)

    def start(self, name: str) -> subprocess.CompletedProcess[str]:
        if name == "pserve":
            return self.run_python(RUN, str(self.ini))
        if name == "bin/pserve":
            return self.run_python(CHECKOUTS, str(self.ini))
        if name == "serve":
            return self.run_python(COMMAND, "serve", str(self.ini))
        return self.run_python(COMMAND, name, "-c", str(self.ini))

    def write(self, pattern: str, replacement: str) -> None:
        text, number = re.subn(pattern, replacement, self.good, count=1, flags=re.MULTILINE)
        self.assertEqual(number, 1)
        self.ini.write_text(text)

    def test_a_malformed_ini_file(self) -> None:
        self.ini.write_text("librarian.site = x\n[app:main\n")
        self.refused("server.ini", programs=("serve", "gc", "bin/pserve"))
        self.ini.write_bytes(b"\xff\xfe\x00")
        self.refused("server.ini", programs=("serve",))
        self.write(r"\[app:main\]", "[app:other]")
        self.refused("server.ini", programs=("gc",))
        self.write(r"^keys = root", "keys = root, nothing")
        self.refused("server.ini", programs=("serve", "bin/pserve"))

    def test_a_site_that_is_missing_or_malformed(self) -> None:
        self.write(r"^librarian.site = .*", "librarian.site = /nowhere/site.zcml")
        self.refused("librarian.site", "/nowhere/site.zcml", programs=("serve", "pserve", "gc"))
        site = self.server.folder / "site.zcml"
        self.write(r"^librarian.site = .*", f"librarian.site = {site}")
        for text in (
            "<configure",
            '<configure xmlns="http://namespaces.zope.org/zope"><nothing/></configure>',
        ):
            site.write_text(text)
            self.refused("librarian.site", "site.zcml", programs=("gc",))

    def test_a_setting_that_is_mistyped(self) -> None:
        self.server.make()
        self.write(r"^librarian.site", "librarian.tokn_lifetime = 1h\nlibrarian.site")
        self.refused("tokn_lifetime")

    def test_an_impossible_database(self) -> None:
        file = self.server.folder / "file"
        file.touch()
        self.write(r"^librarian.database_uri = .*", f"librarian.database_uri = file://{file}/Data.fs")
        self.refused("file")

    def test_an_impossible_byte_store(self) -> None:
        self.server.make()
        file = self.server.folder / "file"
        file.touch()
        self.write(r"^librarian.byte_store = .*", f"librarian.byte_store = {file}/bytes")
        self.refused("byte store", programs=("gc",))  # a server waits for a volume that is not mounted


class BesideAServer(unittest.TestCase):
    layer = Server

    def test_another_server(self) -> None:
        server = Server.server
        for program, arguments in ((RUN, [str(server.ini)]), (COMMAND, ["serve", str(server.ini)])):
            done = subprocess.run(
                [sys.executable, "-c", program, *arguments],
                capture_output=True,
                text=True,
                env=with_path(os.environ),
                timeout=120,
                check=False,
            )
            self.assertEqual(done.returncode, 1)
            self.assertNotIn("Traceback", done.stderr)
            self.assertIn("Error: the database is served by another process", done.stderr)

    def test_a_backup_folder_that_cannot_be_made(self) -> None:
        file = Server.server.folder / "a-file"
        file.touch()
        for folder in (file / "backup", Path("/proc/nowhere/backup")):
            done = Server.server.command("backup", str(folder))
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 1), done.stderr)
            self.assertTrue(done.stderr.startswith("Error: "), done.stderr)


class Modes(unittest.TestCase):
    """Nothing of a library is for others on the machine, whatever the umask, and however it was found."""

    def test_files_and_folders(self) -> None:
        before = os.umask(0o022)
        self.addCleanup(os.umask, before)
        server = ServerProcess()
        self.addCleanup(server.remove)
        logs = server.folder / "logs"
        text = server.ini.read_text()
        more = f"librarian.access_log = {logs}/access.log\nlibrarian.audit_log = {logs}/audit.log\n"
        server.ini.write_text(text.replace("[server:main]", f"{more}[server:main]"))
        server.start()
        self.addCleanup(server.stop)
        for number in range(2):
            server.request("PUT", server.urls["upload"] + "a.txt", body=b"%d" % number)
            self.assertEqual(server.command("pack", "--days", "0").returncode, 0)
            self.assertEqual(server.command("backup", "backup").returncode, 0)
            found = [server.folder / "tree", server.folder / "bytes", *self.files(server.folder)]
            names = {path.name for path in found}
            self.assertLessEqual({"Data.fs", "Data.fs.index", "audit.log", "access.log"}, names)
            self.assertTrue((server.folder / "tree" / "Data.fs.sock").is_socket())
            self.assertEqual(self.open_to_others(found), [])
            server.stop()
            self.assertEqual(self.open_to_others(found), [])
            for path in found:
                if path.exists() and "backup" not in path.parts and len(path.name) < 64:
                    path.chmod(0o755 if path.is_dir() else 0o644)
            server.start()

    def files(self, folder: Path) -> list[Path]:
        tops = [folder / name for name in ("tree", "bytes", "logs", "backup")]
        return [path for top in tops for path in top.rglob("*") if not path.is_dir()]

    def open_to_others(self, found: list[Path]) -> list[str]:
        return [str(path) for path in found if path.exists() and path.stat().st_mode & 0o077]

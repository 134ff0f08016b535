"""The named tree from the command line, against a real server."""

import json
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

from tests.support.layers import Server
from tests.support.servers.librarian import ServerProcess


class NamedTree(unittest.TestCase):
    layer = Server

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.server = ServerProcess()
        self.addCleanup(self.server.remove)
        self.server.start()
        self.addCleanup(self.server.stop)
        self.admin = {"LIBRARIAN_USER": "admin", "LIBRARIAN_PASSWORD": self.server.admin_password}

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def run_it(self, *arguments: str, status: int = 0, **environ: str) -> str:
        """What the command prints, which is to end with `status`; acting for admin."""
        done = self.server.command(*arguments, **{**self.admin, **environ})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def listed(self, path: str = "/", **environ: Any) -> Any:
        return [json.loads(line) for line in self.run_it("ls", "--json", path, **environ).splitlines()]

    def test_files_come_and_go(self) -> None:
        one, two = self.file("one.txt", "1"), self.file("two.txt", "22")
        self.assertIn("409", self.run_it("put", one, "--to", "/docs/one.txt", status=1))
        self.run_it("put", one, two, "--to", "/docs/", "--parents")
        self.run_it("put", two, "--to", "/docs/one.txt")
        self.assertIn("412", self.run_it("put", two, "--to", "/docs/one.txt", "--no-clobber", status=1))
        found = [(line["name"], line["version"], line["size"]) for line in self.listed("/docs")]
        self.assertEqual(found, [("one.txt", 2, 2), ("two.txt", 1, 2)])
        self.assertEqual(self.run_it("ls"), "docs/\n")
        self.run_it("mv", "/docs/one.txt", "/one 1.txt")
        self.run_it("mv", "/one 1.txt", "/docs/")
        got = self.run_it("get", "/docs/one 1.txt", "-o", str(self.folder / "got"))
        self.assertEqual(Path(got.strip()).read_text(), "22")
        self.assertIn("not empty", self.run_it("rm", "/docs", status=1))
        self.run_it("rm", "/docs/two.txt", "/docs/one 1.txt")
        self.run_it("rm", "/docs")
        self.assertEqual(self.listed(), [])

    def test_files_are_found_within_two_seconds(self) -> None:
        said = self.run_it("put", self.file("Annual report.txt", "1"))
        self.assertIn("kept while something refers to it; if nothing does, about a week", said)
        until = time.monotonic() + 20  # a machine with much to do
        while not (found := self.run_it("ls", "--list", "all")) and time.monotonic() < until:
            continue
        self.assertIn("Annual report.txt", found)
        self.assertIn("Annual report.txt  (name)", self.run_it("find", "rep", "ann"))
        self.run_it("find", "nothing", status=1)

    def test_credentials(self) -> None:
        secret = self.file("secret.txt", "S")
        anonymous: Any = {"LIBRARIAN_USER": "", "LIBRARIAN_PASSWORD": ""}
        self.assertIn("401", self.run_it("put", secret, "--to", "/s", status=1, **anonymous))
        wrong = self.run_it("put", secret, "--to", "/s", status=1, LIBRARIAN_PASSWORD="wrong")
        self.assertIn("401", wrong)
        self.run_it("put", secret, "--to", "/s", "--restricted")
        self.assertEqual(self.run_it("get", "/s", "-o", "-"), "S")
        self.assertIn("404", self.run_it("get", "/s", "-o", "-", status=1, **anonymous))
        self.assertEqual(self.listed(**anonymous), [])
        self.assertIn("sha256", self.listed()[0])

    def test_what_makes_no_sense(self) -> None:
        one, two = self.file("one", "1"), self.file("two", "2")
        for arguments in (
            ("put", one, two, "--to", "/docs"),
            ("put", one, "--to", "/docs", "--name", "x"),
            ("rm",),
            ("mv", "/x"),
        ):
            self.run_it(*arguments, status=2)
        for refused in (("ls", "/none"), ("rm", "/none"), ("mv", "/none", "/x"), ("rm", "/")):
            self.assertTrue(self.run_it(*refused, status=1).startswith("Error: "))

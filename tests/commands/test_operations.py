"""What the commands of an operator print, and with which status they end."""

import json
import unittest
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner

from librarian.commands.common.quantities import Share, Size
from librarian.commands.upkeep.report import report_lines
from librarian.library.operations import Library
from librarian.library.upkeep.usage import report
from tests.server.support import started
from tests.support.documents.library import keep
from tests.support.layers import Functional


class Quantities(unittest.TestCase):
    def read(self, kind: click.ParamType[Any], text: str) -> object:
        @click.command()
        @click.option("--it", type=kind)
        def command(it: object) -> None:
            click.echo(repr(it))

        return CliRunner().invoke(command, ["--it", text]).output.strip()

    def test_sizes(self) -> None:
        for text, size in [("500", 500), ("50MB", 50_000_000), ("1.5GiB", 3 << 29), ("2k", 2000), ("7b", 7)]:
            self.assertEqual(self.read(Size(), text), str(size))
        for text in ("", "-1", "MB"):
            self.assertIn("is no size", str(self.read(Size(), text)), text)
        self.assertIn("less than 1 bytes", str(self.read(Size(), "0")))

    def test_shares(self) -> None:
        for text, share in [("1/30", Fraction(1, 30)), ("10%", Fraction(1, 10)), ("0.5", Fraction(1, 2))]:
            self.assertEqual(self.read(Share(), text), repr(share))
        for text in ("", "0", "2", "-1/2", "1/0", "101%", "half"):
            self.assertIn("is no share", str(self.read(Share(), text)), text)


class Reports(unittest.TestCase):
    layer = Functional

    def test_lines(self) -> None:
        library = Library()
        first = keep(library, b"data", "a.bin", owner="person:ada")
        for name in ("b.bin", "c.bin"):
            keep(library, b"data", name)
        gone = keep(library, b"gone")
        library.tree.run(lambda: library.delete(library.alias(gone)))
        Functional.world.clock.move(days=20)
        day = Functional.world.clock.now().date()
        record = library.alias(first)
        library.tree.run(lambda: library.subtree.count_downloads(record, day, None, 3))
        lines = [" ".join(line.split()) for line in report_lines(report(library)) if line]
        self.assertEqual(lines[0], "3 files, 12 bytes; 1 deleted")
        self.assertIn("2 8 bytes -", lines)
        self.assertIn("1 4 bytes person:ada", lines)
        self.assertIn("3 12 bytes a month", lines)
        self.assertEqual(lines[-1], f"3 {first} a.bin")
        self.assertEqual(report(library, top=0).top_downloads, [])


class BesideAServer(unittest.TestCase):
    """An operator's round, on the real server, which goes on serving."""

    def setUp(self) -> None:
        # Its own: it counts what is damaged, and other tests damage files too.
        self.server = started(self)

    def run_command(self, *arguments: str, status: int = 0) -> str:
        done = self.server.command(*arguments)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    def test_the_round(self) -> None:
        server = self.server
        answer = server.request("PUT", server.urls["upload"] + "round.bin", body=b"round" * 1000)
        facts = json.loads(answer.data)
        to = server.folder / "backup"
        made = json.loads(self.run_command("backup", str(to), "--json"))
        self.assertEqual(made["damaged"], [])
        sha256 = facts["sha256"]
        path: Path = server.folder / "bytes" / sha256[:2] / sha256[2:4] / sha256
        data = bytearray(path.read_bytes())
        data[77] ^= 1
        path.write_bytes(data)
        found = json.loads(self.run_command("scrub", "--rate", "1GB", "--json", status=1))
        self.assertEqual([one["sha256"] for one in found["damage"]], [sha256])
        self.assertEqual([alias["id"] for alias in found["damage"][0]["aliases"]], [facts["id"]])
        self.assertEqual(server.request("GET", facts["url"]).status, 503)
        self.assertIn("error bytes quarantined", self.run_command("fsck", status=1))
        self.run_command("scrub", "--share", "1/100", "--repair-from", str(to / "bytes"))
        self.assertEqual(server.request("GET", facts["url"]).data, b"round" * 1000)
        self.run_command("fsck", "--json")
        self.assertGreaterEqual(json.loads(self.run_command("report", "--json"))["files"]["files"], 1)
        self.run_command("pack", "--days", "0")
        self.assertEqual(server.request("GET", server.urls["ops"] + "ready").status, 200)
        restored = server.folder / "restored"
        self.run_command("restore", str(to), "--to", str(restored))
        self.run_command("restore", str(to), "--to", str(restored), status=1)  # it is not empty any more
        self.assertEqual((restored / path.relative_to(server.folder)).read_bytes(), b"round" * 1000)

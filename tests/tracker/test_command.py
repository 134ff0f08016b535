"""The command: what it prints, and how it ends."""

import json
import os
import tempfile
import unittest
from pathlib import Path
from subprocess import PIPE
from unittest import mock

from click.testing import CliRunner, Result

from librarian.commands.tracker.files import tracker as command
from tests.tracker.client.processes import python
from tests.tracker.client.server import tracker


class CommandCase(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.base = Path(directory.name)
        serving = tracker()
        self.server = serving.__enter__()
        self.addCleanup(serving.__exit__, None, None, None)
        self.source = self.base / "source"
        self.source.write_bytes(b"some \xff bytes")

    def run_command(self, *arguments: str, status: int = 0, **environ: str) -> Result:
        named = {"FILETRACKER_URL": self.server.url, "FILETRACKER_DIR": str(self.base / "cache"), **environ}
        with mock.patch.dict(os.environ, named):
            result = CliRunner().invoke(command, arguments)
        self.assertEqual(result.exit_code, status, result.output)
        self.assertNotIn("Traceback", result.output)
        return result


class FiveCommandsTests(CommandCase):
    def test_commands_of_filetracker(self) -> None:
        source, out = str(self.source), self.base / "out"
        self.assertEqual(self.run_command("put", source, "/a@5").output, "/a@5\n")
        self.assertEqual(self.run_command("version", "/a").output, "5\n")
        self.assertEqual(self.run_command("get", "/a@5", str(out)).output, "")
        self.assertEqual(out.read_bytes(), b"some \xff bytes")
        self.assertEqual(self.run_command("cat", "/a").stdout_bytes, b"some \xff bytes")
        self.assertEqual(self.run_command("rm", "/a").output, "")
        self.assertEqual(self.server.files, {})

    def test_options(self) -> None:
        source, out = str(self.source), str(self.base / "out")
        self.run_command("put", "--no-local-cache", source, "/there@5")
        self.run_command("put", "--no-remote-cache", source, "/here@5")
        self.assertEqual(self.run_command("ls", "--local").output, "/here\n")
        self.assertEqual(self.run_command("ls").output, "/there\n")
        self.run_command("get", "-c", "/there@5", out)
        self.run_command("cat", "-c", "/there@5")
        self.assertEqual(self.run_command("ls", "--local").output, "/here\n")
        self.run_command("get", "/there@5", out)
        self.server.files["/there"] = {5: b"other"}
        self.assertEqual(self.run_command("cat", "/there@5").stdout_bytes, b"some \xff bytes")
        self.assertEqual(self.run_command("cat", "-f", "/there@5").stdout_bytes, b"other")

    def test_group_options_win_over_the_environment(self) -> None:
        cache = self.base / "another"
        self.run_command(
            "-r", self.server.url, "-c", str(cache), "put", str(self.source), "/a@5",
            FILETRACKER_URL="http://127.0.0.1:1",
        )  # fmt: skip
        self.assertEqual((cache / "files" / "a").read_bytes(), self.source.read_bytes())

    def test_failures(self) -> None:
        for arguments, status, said in (
            (("get", "/none", "out"), 1, "File not found: /none"),
            (("version", "/none"), 1, "File not found: /none"),
            (("cat", "none"), 1, "does not start with /"),
            (("put", "/no/such/file", "/a"), 2, "does not exist"),
            (("put", str(self.source)), 2, "Missing argument"),
            (("get", "/a"), 2, "Missing argument"),
            (("put", "--no-local-cache", "--no-remote-cache", str(self.source), "/a"), 2, "nothing to do"),
            (("bogus",), 2, "No such command"),
            (("cache-clean", "--limit", "lots"), 2, "no size"),
            (("migrate", str(self.base / "nothing")), 1, "no such directory"),
        ):
            with self.subTest(arguments):
                self.assertIn(said, self.run_command(*arguments, status=status).output)

    def test_on_this_machine_alone(self) -> None:
        self.run_command("put", str(self.source), "/a@5", FILETRACKER_URL="")
        self.assertEqual(self.run_command("ls", FILETRACKER_URL="").output, "/a\n")
        self.assertIn("history", self.run_command("history", "/a", status=1, FILETRACKER_URL="").output)
        self.assertEqual(self.server.log, [])


class ClientAloneTests(unittest.TestCase):
    def test_help_and_the_commands_of_a_server(self) -> None:
        """Where zope is missing, as on a worker machine, the others are listed and these say so."""
        script = """
            import sys
            class Missing:
                def find_spec(self, name, path=None, target=None):
                    if name.split(".")[0] == "zope":
                        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            sys.meta_path.insert(0, Missing())
            from librarian.commands.tracker.files import main
            sys.argv = ["filetracker", *sys.argv[1:]]
            main()
        """
        listed, _errors = python(script, "--help").communicate(timeout=60)
        self.assertIn(b"  get ", listed)
        self.assertIn(b"It needs a whole installation", listed)
        _printed, errors = python(script, "prune", "--dry-run", stderr=PIPE).communicate(timeout=60)
        self.assertEqual(errors, b"Error: prune: It needs a whole installation; zope is missing here.\n")


class OtherCommandsTests(CommandCase):
    def test_ls(self) -> None:
        self.server.files = {"/a/b": {5: b""}, "/a/c": {9: b""}, "/d": {7: b""}}
        self.assertEqual(self.run_command("ls", "/a").output, "/a/b\n/a/c\n")
        self.assertEqual(self.run_command("ls", "--not-after", "7").output, "/a/b\n/d\n")
        self.assertEqual(json.loads(self.run_command("ls", "--json").output), ["/a/b", "/a/c", "/d"])

    def test_cache_clean(self) -> None:
        cache = self.base / "cache"
        self.run_command("put", str(self.source), "/a@5")
        limit = ("cache-clean", "--limit", "1B")
        self.assertIn("1 files to be removed", self.run_command(*limit, "--dry-run").output)
        report = json.loads(self.run_command(*limit, "--json").output)
        self.assertEqual(report[str(cache)]["files_removed"], 1)
        self.run_command("put", str(self.source), "/a@5", FILETRACKER_URL="")  # now it is no cache any more
        self.assertIn("only copies", self.run_command(*limit, status=1).output)
        self.run_command(*limit, "--adopt", str(cache))
        self.assertEqual(self.run_command("ls", "--local").output, "")

    def test_migrate(self) -> None:
        old = self.base / "old" / "files"
        old.mkdir(parents=True)
        (old / "a").write_bytes(b"x")
        (old / "b@d").write_bytes(b"x")
        result = self.run_command("migrate", str(self.base / "old"), "--json", status=1)
        report = json.loads(result.stdout)
        self.assertEqual((report["copied"], report["failed"], report["bytes"]), (1, 1, 1))
        self.assertIn("/b@d: ", result.stderr)
        self.run_command("migrate", "x", status=2, FILETRACKER_URL="")

    def test_migrate_and_compare(self) -> None:
        with tracker(modern=False) as old:
            old.files = {"/żółć": {5: b"x"}}
            self.server.files = {"/ours": {5: b"y"}}
            result = self.run_command("migrate", old.url, "--verify", status=1)
            self.assertEqual(result.stdout, "1 copied, 1 only in the target (1 bytes)\n")
            self.assertEqual(result.stderr, "/ours: only in the target\n")
            self.run_command("migrate", old.url, "--verify", "--one-way")
            self.run_command("migrate", old.url, "--one-way", status=2)
            report = json.loads(self.run_command("migrate", old.url, "--verify", "--json", status=1).stdout)
            self.assertEqual(report["only_there"], ["/ours"])
            old.files["/lat\udce9"] = {5: b"x"}
            failed = self.run_command("migrate", old.url, status=1)
            self.assertIn("/lat\\udce9: ", failed.stderr)

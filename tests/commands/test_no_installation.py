"""No command but the servers makes a library: where there is none, each says so in one line."""

import contextlib
import logging
import socket
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import click
from click.testing import CliRunner, Result

from librarian.commands.common.site import ini_option
from librarian.commands.main import librarian
from librarian.interfaces import LibrarianError

INI = "[app:main]\nuse = egg:librarian\n[export:x]\nhost = 127.0.0.1\nstore_dir = spool\n"

AWAY = "postgres://joe:secret@127.0.0.1:1/x"
ENDPOINTS = ("app", "public", "upload", "restricted", "restricted-upload", "ops")

#: Arguments of commands which a value for each parameter does not make a right call.
WORDS = {
    "feed": ["x", "1"],
    "mirrors import-images": ["x", "{folder}/site.ini"],
    "mirrors import-json": ["x", "{folder}/site.ini"],
    "mirrors set-release": ["x", "x", "--active"],
    "move-tree": ["--to", "file://{folder}/moved/Data.fs"],
    "person add": ["x", "--no-password"],
    "person set-password": ["x", "--generate"],
    "tokens revoke": ["x"],
}
#: Those that open the database and not the library.
ELSEWHERE = {"move-tree"}
#: Those that open nothing.
READING = {"check-config"}


def commands(group: click.Command, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            found = group.get_command(context, name)
            assert found is not None
            yield from commands(found, *names, name)
    else:
        yield names, group


def inside() -> Iterator[tuple[str, click.Command]]:
    """Every command that works inside the library, with its name."""
    help_text = ini_option(click.command()(lambda ini: None)).params[0].help
    for names, command in commands(librarian):
        if any(getattr(each, "help", None) == help_text for each in command.params):
            yield " ".join(names), command


def value(parameter: click.Parameter, folder: str) -> str:
    kind = parameter.type
    if isinstance(kind, click.Choice):
        return str(kind.choices[0])
    if isinstance(kind, click.Path):
        return folder if not kind.file_okay else f"{folder}/site.ini"
    return "1" if isinstance(kind, (click.types.IntParamType, click.IntRange)) else "x"


class NoInstallation(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="librarian-none-"))
        self.ini = Path(self.folder, "site.ini")
        self.ini.write_text(INI)
        self.enterContext(contextlib.chdir(self.enterContext(tempfile.TemporaryDirectory())))

    def words(self, name: str, command: click.Command) -> list[str]:
        if name in WORDS:
            return [word.format(folder=self.folder) for word in WORDS[name]]
        found = []
        for each in command.params:
            if each.required:
                options = [] if isinstance(each, click.Argument) else [each.opts[0]]
                found += [*options, value(each, self.folder)]
        return found

    def run_it(self, name: str, command: click.Command) -> Result:
        return CliRunner().invoke(librarian, [*name.split(), *self.words(name, command), "-c", str(self.ini)])

    def test_no_command_may_make_a_database(self) -> None:
        """Each opens the library in the one way that makes none."""
        seen = 0
        for name, command in inside():
            if name in ELSEWHERE | READING:
                continue
            with (
                self.subTest(name),
                mock.patch("librarian.commands.common.site.configure_components") as opening,
            ):
                opening.side_effect = LibrarianError("seen")
                done = self.run_it(name, command)
                self.assertEqual((done.exit_code, done.stderr), (1, "Error: seen\n"))
                self.assertEqual(opening.call_args.args[0]["librarian.make_database"], "false")
            seen += 1
        self.assertGreater(seen, 40)

    def test_it_is_told_and_nothing_is_made(self) -> None:
        """The ini file names no places: they are beside it, and not where the command is called."""
        found = dict(inside())
        for name in ("sweep", *sorted(ELSEWHERE)):
            with self.subTest(name):
                done = self.run_it(name, found[name])
                self.assertEqual(done.exit_code, 1, done.output)
                place = f"{self.folder}/var/tree/Data.fs"
                self.assertRegex(done.stderr, f"there is no (library yet|tree) at {place}")
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertEqual([path.name for path in Path(self.folder).iterdir()], ["site.ini"])
                self.assertEqual(list(Path.cwd().iterdir()), [])

    def test_a_server_makes_nothing_before_it_knows_that_its_ports_are_free(self) -> None:
        closed = "".join(f"librarian.endpoint.{name}.listen =\n" for name in ENDPOINTS)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            listening = f"{closed}librarian.endpoint.tracker.listen = 127.0.0.1:{port}\n"
            self.ini.write_text(f"{INI.partition('[export')[0]}{listening}")
            for words in (["serve"], ["tracker", "serve"]):
                with self.subTest(words):
                    done = CliRunner().invoke(librarian, [*words, str(self.ini)])
                    told = f"Error: endpoint tracker cannot listen on 127.0.0.1 port {port}: Address already"
                    self.assertEqual((done.exit_code, done.stdout), (1, ""))
                    self.assertEqual(done.stderr, f"{told} in use\n")
                    self.assertEqual([path.name for path in Path(self.folder).iterdir()], ["site.ini"])

    def test_a_library_that_cannot_be_made_is_refused_in_a_line(self) -> None:
        """A folder below a file: neither half of the library is made."""
        closed = "".join(f"librarian.endpoint.{name}.listen =\n" for name in (*ENDPOINTS, "tracker"))
        for setting in ("byte_store", "access_log", "mail.queue"):
            place = f"librarian.{setting} = {self.ini}/there/x\n"
            ini = self.ini.with_name(f"{setting}.ini")  # what was read once is not read again
            ini.write_text(f"{INI.partition('[export')[0]}{closed}{place}")
            for words in (["serve"], ["tracker", "serve"]):
                with self.subTest(setting, words=words):
                    done = CliRunner().invoke(librarian, [*words, str(ini)])
                    told = f"Error: setting librarian.{setting}: {self.ini} is no folder\n"
                    self.assertEqual((done.exit_code, done.stdout, done.stderr), (1, "", told))
            ini.unlink()
            self.assertEqual([path.name for path in Path(self.folder).iterdir()], ["site.ini"])

    def test_an_engine_that_is_away_is_told_in_a_line(self) -> None:
        self.ini.write_text(f"{INI.partition('[export')[0]}librarian.database_uri = {AWAY}\n")
        for name in ("urllib3", "relstorage"):
            self.addCleanup(logging.getLogger(name).setLevel, logging.getLogger(name).level)
        done = CliRunner().invoke(librarian, ["sweep", "-c", str(self.ini)])
        self.assertEqual((done.exit_code, done.stderr.count("\n")), (1, 1), done.stderr)
        self.assertIn("cannot open the database postgres://joe:***@127.0.0.1:1/x", done.stderr)
        self.assertEqual(logging.getLogger("relstorage").getEffectiveLevel(), logging.ERROR)

"""Which installation a client command talks to, and what `serve` makes where there is none."""

import contextlib
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import click
from click.testing import CliRunner

from librarian.commands.common.places import place
from librarian.commands.main import librarian
from librarian.interfaces import LibrarianError
from librarian.library.settings import LibrarySettings
from librarian.settings import Settings

APP = "[app:main]\nuse = egg:librarian\n"
OWN = """librarian.endpoint.app.listen = 127.0.0.1:7001
librarian.endpoint.upload.listen = 127.0.0.1:7002
librarian.endpoint.tracker.listen = 127.0.0.1:7003
"""
CLOSED = """librarian.endpoint.app.listen =
librarian.endpoint.upload.listen =
librarian.endpoint.restricted-upload.listen =
librarian.endpoint.tracker.listen =
"""


class InFolder(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="librarian-places-")))
        self.enterContext(contextlib.chdir(self.folder))

    def ini(self, settings: str, name: str = "site.ini") -> str:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(APP + settings)
        return str(path)


class Places(InFolder):
    def test_the_ports_of_the_ini_file(self) -> None:
        ini = self.ini(OWN)
        found = [place(name, ini) for name in ("app_url", "upload_url", "tracker_url")]
        self.assertEqual(found, [f"http://127.0.0.1:{port}/" for port in (7001, 7002, 7003)])

    def test_an_endpoint_that_is_closed_is_not_at_its_usual_port(self) -> None:
        """What listens there is another installation's."""
        ini = self.ini(CLOSED)
        for name in ("app_url", "upload_url", "restricted_upload_url", "tracker_url"):
            with self.subTest(name), self.assertRaisesRegex(click.ClickException, f"{name} is closed"):
                place(name, ini)
        values = dict(line.split(" =") for line in CLOSED.splitlines())
        self.assertEqual(Settings(values).section(LibrarySettings).upload_url, "")

    def test_a_file_that_describes_no_library_names_no_server(self) -> None:
        """Else its bytes would go to whatever listens at the usual port."""
        poem = self.folder / "poem.txt"
        poem.write_text("a poem")
        for text in ("", "[server:main]\nport = 8080\n", "[app:main]\nuse = egg:shop\nshop.colour = red\n"):
            ini = self.folder / "development.ini"
            ini.write_text(text)
            with self.subTest(text):
                for words in (["put", str(poem)], ["put", str(poem), "-c", str(ini)], ["get", "5"]):
                    done = CliRunner().invoke(librarian, words)
                    self.assertEqual(done.exit_code, 1, done.output)
                    self.assertRegex(done.stderr, r"^Error: \S*development.ini: describes no library; .*\n$")

    def test_only_what_a_command_speaks_to_need_be_there(self) -> None:
        """A node that shows its upload endpoint alone is enough to add a file; port 1 refuses connections."""
        closed = "librarian.endpoint.app.listen =\nlibrarian.endpoint.upload.listen = 127.0.0.1:1\n"
        ini = self.ini(closed)
        poem = self.folder / "poem.txt"
        poem.write_text("a poem")
        for words in (["put", str(poem)], ["get", "http://127.0.0.1:1/5/poem.txt"]):
            with self.subTest(words):
                done = CliRunner().invoke(librarian, words, env={"LIBRARIAN_INI": ini})
                self.assertEqual(done.exit_code, 1)
                self.assertRegex(done.stderr, "http://127.0.0.1:1/.*Connection refused")
        told = f"Error: {ini}: the endpoint of app_url is closed, and no setting names its URL\n"
        for words in (
            ["put", str(poem), "--to", "/poems/"],
            ["get", "5"],
            ["get", "/a/b.txt"],
            ["info", "5"],
        ):
            with self.subTest(words):
                done = CliRunner().invoke(librarian, [*words, "-c", ini])
                self.assertEqual((done.exit_code, done.stderr), (1, told))

    def test_below_a_prefix_of_another_application(self) -> None:
        ini = self.ini("librarian.mount_url = https://shop.example.org/lib/\n")
        self.assertEqual(place("app_url", ini), "https://shop.example.org/lib/")

    def test_an_ini_file_that_is_at_hand(self) -> None:
        self.ini(OWN, "librarian-data/librarian.ini")
        self.assertEqual(place("app_url", None), "http://127.0.0.1:7001/")
        self.ini(OWN.replace("700", "800"), "librarian.ini")
        self.assertEqual(place("app_url", None), "http://127.0.0.1:8001/")

    def test_verbose_commands_tell_which_it_is(self) -> None:
        ini = self.ini(OWN.replace("7001", "1"))
        with self.assertLogs("librarian.commands.common.places") as logs:
            done = CliRunner().invoke(librarian, ["-v", "ls", "-c", ini])
        self.assertEqual(done.exit_code, 1)
        self.assertIn(f"server url=http://127.0.0.1:1/ because=as {ini} says", logs.output[0])

    def test_the_tracker_and_the_machines_take_it_too(self) -> None:
        ini = self.ini(OWN.replace("7001", "1").replace("7003", "2"))
        environ = {"LIBRARIAN_TOKEN": "x", "FILETRACKER_DIR": str(self.folder / "cache")}
        for words, port in ((["tracker", "--config", ini, "ls"], 2), (["machines", "list", "-c", ini], 1)):
            with self.subTest(words):
                done = CliRunner().invoke(librarian, words, env=environ)
                self.assertEqual(done.exit_code, 1, done.output)
                self.assertIn(f"127.0.0.1:{port}", done.stderr)


class Serving(InFolder):
    """What comes after the files were written is not of interest here."""

    def serve(self, status: int = 1) -> str:
        with (
            mock.patch("librarian.commands.serve.require_free"),
            mock.patch("librarian.commands.checking.starting.require_free"),
            mock.patch("librarian.commands.serve.make_app", side_effect=LibrarianError("so far")),
        ):
            done = CliRunner().invoke(librarian, ["serve"])
        self.assertEqual(done.exit_code, status, done.output)
        return done.stderr

    def test_an_empty_folder_gets_an_installation_that_is_taken_again(self) -> None:
        made = self.folder / "librarian-data"
        self.assertIn(f"new installation: {made}\n", self.serve())
        self.assertEqual(sorted(path.name for path in made.iterdir()), ["librarian.ini", "site.zcml"])
        said = self.serve()
        self.assertNotIn("new installation", said)
        self.assertIn(f"new library: tree {made}/data/tree/Data.fs", said)

    def test_a_folder_of_other_things_is_left_alone(self) -> None:
        (self.folder / "photo.jpg").touch()
        self.assertIn("name the ini file", self.serve(status=2))
        self.assertEqual([path.name for path in self.folder.iterdir()], ["photo.jpg"])

    def test_nothing_is_made_for_settings_that_are_refused(self) -> None:
        closed = CLOSED + "librarian.endpoint.ops.listen =\nlibrarian.endpoint.public.listen = 127.0.0.1:0\n"
        ini = self.ini(closed + "librarian.colour = red\nlibrarian.endpoint.restricted.listen =\n")
        done = CliRunner().invoke(librarian, ["serve", ini])
        self.assertEqual(
            (done.exit_code, done.stderr), (1, "Error: setting librarian.colour: no such setting\n")
        )
        self.assertEqual([path.name for path in self.folder.iterdir()], ["site.ini"])

    def test_nothing_is_written_where_a_port_is_taken(self) -> None:
        taken = mock.patch("librarian.commands.serve.require_free", side_effect=LibrarianError("taken"))
        with taken:
            done = CliRunner().invoke(librarian, ["serve"])
        self.assertEqual((done.exit_code, done.stderr), (1, "Error: taken\n"))
        self.assertEqual(list(self.folder.iterdir()), [])


def told(group: click.Command, *names: str) -> Iterator[tuple[str, click.Parameter, str]]:
    """Every parameter below `group`, with the words of its command and the help on that."""
    context = click.Context(group)
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield from told(command, *names, name)
    shown = group.get_help(context)
    yield from ((" ".join(names), parameter, shown) for parameter in group.params)


class Environment(unittest.TestCase):
    def test_help_names_the_variables_that_options_are_read_from(self) -> None:
        read = [
            (words, str(parameter.envvar), shown)
            for words, parameter, shown in told(librarian)
            if parameter.envvar and not words.startswith("tracker")
        ]
        self.assertGreater(len(read), 50)
        self.assertEqual([(words, name) for words, name, shown in read if name not in shown], [])

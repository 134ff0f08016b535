"""The reference pages: every interface, error, setting and command is there, with what it means."""

import inspect
import unittest
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from librarian.app import declared_sections
from librarian.commands.main import librarian
from tools.reference import (
    commands,
    comments_in,
    comments_of,
    escaped,
    interface_modules,
    interface_page,
    setting_lines,
    shown_default,
    write_reference,
)


@dataclass
class Sample:
    """Fields with comments in all places."""

    plain: int = 1  # beside it
    # above it,
    # in two lines
    long: str = "#"
    both: str = ""  # beside
    silent: int = 0

    def method(self) -> int:
        # of no field
        return 1


class Settings(unittest.TestCase):
    def test_each_has_a_meaning(self) -> None:
        """One that fails here gets a comment beside its field, or above it."""
        silent = [
            kind.key(each.name)
            for kind in declared_sections({}).values()
            for each in fields(kind)
            if not comments_of(kind).get(each.name)
        ]
        self.assertEqual(silent, [])

    def test_comments(self) -> None:
        expected = {"plain": "beside it", "long": "above it, in two lines", "both": "beside"}
        self.assertEqual(comments_in(inspect.getsource(Sample)), expected)

    def test_a_section(self) -> None:
        kind = declared_sections({})["endpoint.app"]
        (line,) = setting_lines(kind)
        self.assertEqual(line.splitlines()[0], "``librarian.endpoint.app.listen`` = ``127.0.0.1:6543``")
        self.assertIn("port 0: whichever is free", line)

    def test_defaults(self) -> None:
        values = (
            timedelta(days=7),
            timedelta(hours=36),
            timedelta(seconds=90),
            timedelta(0),
            ("a", "b"),
            True,
        )
        self.assertEqual([shown_default(value) for value in values], ["7d", "36h", "90s", "0", "a b", "true"])


class Commands(unittest.TestCase):
    def test_each_says_what_it_does(self) -> None:
        found = {context.command_path: one for one, context in commands(librarian)}
        self.assertIn("librarian put", found)
        self.assertIn("librarian mirrors probe", found)
        self.assertEqual([path for path, one in found.items() if not one.help], [])


class Interfaces(unittest.TestCase):
    def test_the_page_of_a_module(self) -> None:
        pages = {module.__name__: interface_page(module) for module in interface_modules()}
        store = pages["librarian.store.interfaces"]
        self.assertIn(".. autointerface:: librarian.store.interfaces.IByteStore\n", store)
        self.assertIn(".. autoexception:: librarian.store.interfaces.StoreFull\n", store)
        self.assertIn("librarian.remote.interfaces", pages)

    def test_names_are_literals_and_the_rest_means_nothing(self) -> None:
        self.assertEqual(escaped("* `open` *all of ``a_b``, x_"), "* ``open`` \\*all of ``a_b``, x\\_")


class Pages(unittest.TestCase):
    def test_are_written_once_and_old_ones_go(self) -> None:
        with TemporaryDirectory() as folder:
            target = Path(folder) / "reference"
            write_reference(target)
            names = {path.name for path in target.iterdir()}
            self.assertLessEqual({"settings.rst", "commands.rst", "interfaces.rst"}, names)
            before = (target / "settings.rst").stat().st_mtime_ns
            (target / "librarian.gone.interfaces.rst").write_text("old")
            write_reference(target)
            self.assertEqual({path.name for path in target.iterdir()}, names)
            self.assertEqual((target / "settings.rst").stat().st_mtime_ns, before)

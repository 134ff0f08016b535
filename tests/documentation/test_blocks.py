"""What the pages show can be typed: commands, options, settings, Python, ZCML, targets of make."""

import ast
import re
import tomllib
import unittest
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from typing import Any
from xml.etree import ElementTree as ET

import click

from librarian.app import declared_sections
from librarian.commands.main import librarian
from librarian.settings import read_section
from librarian.site import SITE, SYSTEMS
from tests.documentation.reading import CHECKOUT, PAGES, Block, blocks, within_lines

#: Blocks that are pictures: by page, a word of each.
DRAWN = {
    "docs/cluster.md": "clients",
    "docs/way-of-the-bytes.md": "the client",
    "README.md": "admin password",
    "CONTRIBUTING.md": ("serving.http", "library.http", "commands.", "machines.views", ".. layer"),
}
_SETTING = re.compile(r"^(librarian\.[a-z_.0-9]+) *= *(.*)$", re.MULTILINE)
_NAMED = re.compile(r"librarian\.[a-z_.0-9]*[a-z0-9]")
_INI = re.compile(r"^(\[[^\]\n]+\]$|[\w.]+ *=[^=])")
_SHELL = re.compile(r"^\$ |^(bin/\w+|librarian|make|curl|pip|[*\d/]+ [*\d/]+ .*|sudo)\b|^\* ")
_MODULE = re.compile(r"-m ((?:tests|tools|benchmarks|librarian)[\w.]*)")
_SCRIPT = re.compile(r"\b((?:tools|tests|benchmarks)/[\w/]+\.py)\b")
_MAKE = re.compile(r"(?:^|\s)make ((?:[A-Z_]+=\S+ )*)([a-z][\w-]*)")
#: Names of packages that are shown, and no settings.
WORLD = (
    "librarian.ini",
    "librarian.fish",
    "librarian.deferred",
    "librarian.example",
    "librarian.internal",
    "librarian.log",
    "librarian.org",
)


def everything() -> Iterator[Block]:
    yield from blocks()
    yield from within_lines()


def is_drawn(block: Block) -> bool:
    words = DRAWN.get(block.page, ())
    return any(word in block.text for word in ([words] if isinstance(words, str) else words))


def is_python(block: Block) -> bool:
    if block.kind or ">>>" in block.text:
        return block.kind == "python"
    return not (is_drawn(block) or block.text.startswith("<") or kind_of_lines(block))


def kind_of_lines(block: Block) -> str:
    """`ini` or `shell`, by the first line that is no comment; else empty."""
    first = next(
        line for line in block.text.splitlines() if line.strip() and not line.startswith("#")
    ).strip()
    if _SHELL.match(first):
        return "shell"
    return "ini" if _INI.match(first) and "(" not in first else ""


class Commands(unittest.TestCase):
    def test_each_has_a_name_and_options_that_are_known(self) -> None:
        found = 0
        for block in everything():
            for given in block.commands():
                with self.subTest(str(block), command=given):
                    self.check(given)
                    found += 1
        self.assertGreater(found, 80)

    def check(self, given: list[str]) -> None:
        command: click.Command = librarian
        context, left = click.Context(command, info_name="librarian"), list(given)
        while left and isinstance(command, click.Group) and not left[0].startswith("-"):
            below = command.get_command(context, left.pop(0))
            assert below is not None, "there is no such command"
            command, context = below, click.Context(below, context, info_name=below.name)
        known = {name for each in command.get_params(context) for name in (*each.opts, *each.secondary_opts)}
        stated = {word.partition("=")[0] for word in left if re.match(r"--?[a-zA-Z]", word)}
        self.assertEqual(stated - known - {"--help", "--version"}, set())


class Settings(unittest.TestCase):
    def setUp(self) -> None:
        self.sections = declared_sections({})
        self.known = {kind.key(each.name): kind for kind in self.sections.values() for each in fields(kind)}

    def test_each_is_known_and_takes_what_is_shown(self) -> None:
        found = 0
        for block in everything():
            for name, value in _SETTING.findall(block.text):
                if name in (SITE, SYSTEMS):
                    continue
                with self.subTest(str(block), setting=name):
                    self.assertIn(name, self.known)
                    if "..." not in value:
                        read_section(self.known[name], {name: value})
                    found += 1
        self.assertGreater(found, 20)

    def test_a_name_with_dots_is_a_setting_or_something_to_import(self) -> None:
        for block in within_lines():
            for name in _NAMED.findall(block.text):
                if name in self.known or name.startswith(WORLD) or name in (SITE, SYSTEMS):
                    continue
                with self.subTest(str(block), name=name):
                    self.assertTrue(is_there(name) or any(each.startswith(name) for each in self.known))


def is_there(name: str) -> bool:
    """Whether a dotted name can be imported, or is of something that can."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part, None)
        return found is not None
    return False


class Python(unittest.TestCase):
    def test_it_compiles_and_what_it_imports_is_there(self) -> None:
        found = [block for block in blocks() if is_python(block)]
        self.assertGreater(len(found), 8)
        for block in found:
            with self.subTest(str(block)):
                imports = [x for x in ast.walk(ast.parse(block.text)) if isinstance(x, ast.ImportFrom)]
                for each in imports:
                    module = import_module(each.module or "")
                    self.assertEqual([a.name for a in each.names if not hasattr(module, a.name)], [])


class Others(unittest.TestCase):
    def test_zcml_is_well_formed(self) -> None:
        names = (
            'xmlns="http://namespaces.zope.org/zope" xmlns:librarian="http://namespaces.zope.org/librarian"'
        )
        found = [block for block in blocks() if block.text.startswith("<")]
        self.assertTrue(found)
        for block in found:
            with self.subTest(str(block)):
                ET.fromstring(f"<configure {names}>{block.text}</configure>")  # noqa: S314  # our own pages

    def test_targets_of_make_modules_and_scripts(self) -> None:
        makefile = (CHECKOUT / "Makefile").read_text("utf-8")
        for block in everything():
            with self.subTest(str(block)):
                for variables, target in _MAKE.findall(block.text):
                    self.assertRegex(makefile, rf"(?m)^{re.escape(target)}:")
                    for variable in variables.split():
                        self.assertIn(variable.partition("=")[0], makefile)
                for name in _MODULE.findall(block.text):
                    self.assertTrue(is_there(name), name)
                for name in _SCRIPT.findall(block.text):
                    self.assertTrue((CHECKOUT / name).is_file(), name)

    def test_extras_are_those_of_the_package(self) -> None:
        project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
        for path in PAGES:
            for extra in re.findall(
                r"pip install (?:-e )?'?(?:\.|librarian)\[(\w+)\]", path.read_text("utf-8")
            ):
                self.assertIn(extra, project["optional-dependencies"], path.name)

"""CONTRIBUTING names modules; each is there, under that name."""

import re
import unittest
from pathlib import Path

import librarian

CHECKOUT = Path(__file__).resolve().parents[2]
SOURCE = Path(librarian.__file__).parent
_NAME = r"(?:[a-z_]+(?:\.[a-z_]+)*|\.[a-z_]+)"
#: Dotted names at the beginning of a line of a drawing, parted by commas.
DRAWN = re.compile(rf"^ {{4,}}({_NAME}(?:, {_NAME})*)(?= {{2,}}|$)", re.MULTILINE)


def is_module(name: str) -> bool:
    """Whether `name`, which may end in names of classes and functions, begins with a module of ours."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        path = SOURCE.joinpath(*parts[:end])
        if path.with_suffix(".py").is_file():
            return True
        if path.is_dir():
            return end == len(parts)
    return False


def drawn_names(text: str) -> list[str]:
    walks = text.partition("## Six walks")[2].partition("\n## ")[0]
    names: list[str] = []
    for found in DRAWN.findall(walks):
        for name in found.split(", "):
            names.append(names[-1].rpartition(".")[0] + name if name.startswith(".") else name)
    return names


class Contributing(unittest.TestCase):
    def test_the_modules_of_the_walks_are_there(self) -> None:
        names = drawn_names((CHECKOUT / "CONTRIBUTING.md").read_text())
        self.assertGreater(len(names), 50)
        self.assertEqual([name for name in names if not is_module(name)], [])

    def test_the_modules_on_the_way_of_the_bytes_are_there(self) -> None:
        text = (CHECKOUT / "docs" / "way-of-the-bytes.md").read_text()
        names = re.findall(r"(?<![\w./-])(?:serving|store|tree|tracker|web|library)(?:\.[a-z_]+)+", text)
        self.assertGreater(len(set(names)), 12)
        self.assertEqual([name for name in names if not is_module(name)], [])

    def test_the_modules_of_the_tools_are_there(self) -> None:
        text = (CHECKOUT / "CONTRIBUTING.md").read_text()
        names = re.findall(r"^\| `librarian\.([a-z_.]+)`", text, re.MULTILINE)
        self.assertGreater(len(names), 5)
        self.assertEqual([name for name in names if not is_module(name)], [])

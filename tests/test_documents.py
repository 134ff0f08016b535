"""Every document under doctests/ is a test; a new one needs no registration.

Its first line may say in which layer it runs, as a comment that readers of the pages do not see:

    .. layer: server

with `unit`, `functional` (the default), `host`, `server`, `engines` or `swift`.  What a layer's classmethod
`globs()` returns are the names that its documents may use without importing them.
"""

import doctest
import re
import unittest
from importlib import import_module
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
DOCUMENTS = CHECKOUT / "doctests"
LAYERS = {
    "unit": "Unit",
    "functional": "Functional",
    "host": "Host",
    "server": "Server",
    "engines": "Engines",
    "swift": "Swift",
}
DECLARATION = re.compile(r"\.\. layer:\s*(\w+)\s*$")
RULE = re.compile(r"([=~^\"'*+#-])\1{2,}$")
WRITTEN_OUT = re.compile(r'(?<=""")\n.*?(?=""")', re.DOTALL)  # a file that an example writes
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.REPORT_NDIFF


class Pages(unittest.TestCase):
    def test_the_order_of_reading_has_every_page_once(self) -> None:
        order = (DOCUMENTS / "README.rst").read_text("utf-8")
        listed = re.findall(r"^   (\w[\w-]*/[\w-]+)$", order, re.MULTILINE)
        pages = [str(path.relative_to(DOCUMENTS).with_suffix("")) for path in DOCUMENTS.glob("*/*.rst")]
        self.assertEqual(sorted(listed), sorted(pages))

    def test_the_tour_of_the_readme_has_the_same_parts_in_that_order(self) -> None:
        order, readme = (
            Path(path).read_text("utf-8") for path in (DOCUMENTS / "README.rst", CHECKOUT / "README.md")
        )
        parts = re.findall(r"^(\d+)\. (.+)\n-+\n(?:.*\n)+?   (\w[\w-]*/[\w-]+)$", order, re.MULTILINE)
        told = re.findall(r"^(\d+)\. \[(.+)\]\(doctests/(.+)\.rst\): ", readme, re.MULTILINE)
        self.assertEqual(told, parts)
        self.assertEqual([int(number) for number, _title, _page in told], list(range(1, len(told) + 1)))

    def test_titles(self) -> None:
        for path in sorted(DOCUMENTS.glob("*/*.rst")):
            with self.subTest(path.name):
                lines = [line for line in path.read_text("utf-8").splitlines() if line.strip()]
                over, title, under = [line for line in lines if not line.startswith("..")][:3]
                self.assertEqual((over, under), ("=" * len(title), "=" * len(title)))

    def test_sections(self) -> None:
        for path in sorted(DOCUMENTS.glob("*/*.rst")):
            lines = path.read_text("utf-8").splitlines()
            rules = [number for number, line in enumerate(lines) if RULE.match(line)]
            for number in rules[2:]:  # the first two are the title's
                with self.subTest(path.name, line=number + 1):
                    self.assertEqual(lines[number], "-" * len(lines[number - 1]))

    def test_lines_of_prose(self) -> None:
        for path in sorted(DOCUMENTS.rglob("*.rst")):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                if not line.startswith((" ", "..")):
                    with self.subTest(path.name, line=number):
                        self.assertLessEqual(len(line), 80, line)

    def test_lines_of_code_in_a_block(self) -> None:
        for path in sorted(DOCUMENTS.glob("*/*.rst")):
            for block in re.split(r"\n\s*\n", WRITTEN_OUT.sub("", path.read_text("utf-8"))):
                code = [line for line in block.splitlines() if line.startswith(("    >>> ", "    ... "))]
                with self.subTest(path.name, block=block.partition("\n")[0]):
                    self.assertLessEqual(len(code), 8, block)


def test_suite() -> unittest.TestSuite:
    suite = unittest.TestSuite()
    suite.addTest(unittest.defaultTestLoader.loadTestsFromTestCase(Pages))
    for path in sorted(DOCUMENTS.rglob("*.rst")):
        if shows_something(path):
            suite.addTest(document_suite(path))
    return suite


def shows_something(path: Path) -> bool:
    """Whether it has an example.  The page with the reading order has none, and would count as passed."""
    return bool(doctest.DocTestParser().get_examples(path.read_text(encoding="utf-8")))


def document_suite(path: Path, layer: Any = None) -> unittest.TestSuite:
    """One document as a suite of its layer, or of another one with the same globs()."""
    layer = layer or layer_of(path)
    suite = doctest.DocFileSuite(
        str(path),
        module_relative=False,
        setUp=set_up,
        globs={"__layer__": layer},
        optionflags=OPTIONS,
        encoding="utf-8",
    )
    suite.layer = layer  # type: ignore[attr-defined]  # where zope.testrunner looks for it
    return suite


def layer_of(path: Path) -> Any:
    """The class in tests.support.layers that the document's first line names."""
    with path.open(encoding="utf-8") as document:
        declaration = DECLARATION.match(document.readline())
    name = declaration.group(1) if declaration else "functional"
    if name not in LAYERS:
        raise ValueError(f"{path}: layer {name!r} is none of {', '.join(LAYERS)}")
    return getattr(import_module("tests.support.layers"), LAYERS[name])


def set_up(test: doctest.DocTest) -> None:
    """Give the document what its layer provides, after the layer itself has been set up."""
    layer = test.globs.pop("__layer__")
    if hasattr(layer, "globs"):
        test.globs.update(layer.globs())

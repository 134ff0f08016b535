"""Every document under doctests/ is a test; a new one needs no registration.

Its first line may say in which layer it runs, as a comment that readers of the pages do not see:

    .. layer: server

with `unit`, `functional` (the default), `server` or `engines`.  What a layer's classmethod `globs()`
returns are the names that its documents may use without importing them.
"""

import doctest
import re
import unittest
from importlib import import_module
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
DOCUMENTS = CHECKOUT / "doctests"
LAYERS = {"unit": "Unit", "functional": "Functional", "server": "Server", "engines": "Engines"}
DECLARATION = re.compile(r"\.\. layer:\s*(\w+)\s*$")
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.REPORT_NDIFF


def test_suite() -> unittest.TestSuite:
    suite = unittest.TestSuite()
    for path in sorted(DOCUMENTS.rglob("*.rst")):
        if shows_something(path):
            suite.addTest(document_suite(path))
    return suite


def shows_something(path: Path) -> bool:
    """Whether it has an example.  The page with the reading order has none, and would count as passed."""
    return bool(doctest.DocTestParser().get_examples(path.read_text(encoding="utf-8")))


def document_suite(path: Path) -> unittest.TestSuite:
    """One document as a suite of its layer."""
    layer = layer_of(path)
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

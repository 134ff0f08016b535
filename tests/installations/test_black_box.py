"""The tests and documents of a running server, once more on every other installation.

They are the same tests: what a client sees must not depend on where the tree is, nor on how many
processes serve it.
"""

import os
import unittest
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.installations.layers import TwoOnZeo, TwoWorkers
from tests.support.layers import Server
from tests.test_documents import DOCUMENTS, document_suite, layer_of

LAYERS: tuple[Any, ...] = (TwoWorkers, TwoOnZeo)

#: Documents and modules of tests/server that say nothing new elsewhere, and why.
LEFT_OUT = {
    "test_browser": "has a layer of its own; a browser sees what test_transfers sees",
    "test_crashes": "kills the process that has the tree's file; tests/engines kills those of the others",
    "test_full_disk": "has a disk that is too small for what each engine keeps beside the tree",
    "test_nginx": "has a layer of its own",
    "test_tree_lost": "damages the tree's file",
    "test_workers": "says itself how many workers there are",
    "test_workers_exact": "says itself how many workers there are",
    "site": "keeps its bytes in the memory of one process",
    "workers": "says itself how many workers there are",
}
#: What `make test` runs on each; LIBRARIAN_INSTALLATIONS=whole, as in `make soak`, is all but LEFT_OUT.
QUICK = {"test_commands", "test_framing", "test_targets", "test_transfers"}


def is_wanted(name: str) -> bool:
    """Whether this run has a module of tests/server."""
    return name not in LEFT_OUT if os.environ.get("LIBRARIAN_INSTALLATIONS") == "whole" else name in QUICK


def test_suite() -> unittest.TestSuite:
    return unittest.TestSuite(map(suite_on, LAYERS))


def suite_on(layer: Any) -> unittest.TestSuite:
    """All of them in one layer."""
    suite = unittest.TestSuite()
    for path in sorted(Path("tests/server").glob("test_*.py")):
        if is_wanted(path.stem):
            found = unittest.defaultTestLoader.loadTestsFromModule(import_module(f"tests.server.{path.stem}"))
            for test in single(found):
                test.layer = layer  # type: ignore[attr-defined]  # where zope.testrunner looks for it
                suite.addTest(test)
    for path in sorted(DOCUMENTS.rglob("*.rst")):
        if layer_of(path) is Server and path.stem not in LEFT_OUT:
            suite.addTest(document_suite(path, layer))
    return suite


def single(suite: Any) -> Iterator[unittest.TestCase]:
    """The tests of a suite of suites."""
    if isinstance(suite, unittest.TestCase):
        yield suite
        return
    for part in suite:
        yield from single(part)

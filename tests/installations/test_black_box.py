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

from tests.installations.layers import TwoOnPostgres, TwoOnS3, TwoOnZeo, TwoWorkers
from tests.support.layers import Server
from tests.test_documents import DOCUMENTS, document_suite, layer_of

LAYERS: tuple[Any, ...] = (TwoWorkers, TwoOnZeo, TwoOnPostgres, TwoOnS3)

#: Documents and modules of tests/server that say nothing new elsewhere, and why.
LEFT_OUT = {
    "test_browser": "has a layer of its own; a browser sees what test_transfers sees",
    "test_crashes": "kills the process that has the tree's file; tests/engines kills those of the others",
    "test_full_disk": "has a disk that is too small for what each engine keeps beside the tree",
    "test_nginx": "has a layer of its own",
    "test_nginx_store": "has a layer of its own",
    "test_swift": "has a layer of its own",
    "test_tree_lost": "damages the tree's file",
    "test_workers": "says itself how many workers there are",
    "test_workers_exact": "says itself how many workers there are",
    "test_wrong_installations": "is about a file's lock and modes, and about ini files, which are alike",
    "library/site": "keeps its bytes in the memory of one process",
    "server/workers": "says itself how many workers there are",
}
#: What looks into the folder of bytes, or wants one, and has no sense where the bytes are in an object store.
FOLDER = {
    "test_damage": "changes bytes in the folder",
    "test_forms": "counts the files of the folder",
    "test_room": "fills the disk of the folder",
    "test_vanishing": "looks for open files of the folder",
    "store/moving": "moves bytes from a folder to another place",
}
#: What `make test` runs on each, by the beginnings of names: what could differ between installations, as a
#: link is used up on one node and the next request comes to the other.  With LIBRARIAN_INSTALLATIONS=whole,
#: as in `make soak`, a run has all but what is left out.
QUICK = {
    "test_commands": ("test_get_goes_on", "test_put_of_several"),
    "test_drops": ("test_",),
    "test_transfers": ("test_curl_uploads_and_downloads", "test_curl_goes_on_where_its_connection_was_cut"),
}
WHOLE = os.environ.get("LIBRARIAN_INSTALLATIONS") == "whole"


def is_wanted(name: str, layer: Any) -> bool:
    """Whether this run has a module of tests/server, or a document, on a layer."""
    return name not in LEFT_OUT and not (layer is TwoOnS3 and name in FOLDER) and (WHOLE or name in QUICK)


def chosen(tests: Iterator[unittest.TestCase], module: str) -> Iterator[unittest.TestCase]:
    """Those of a module of tests/server that this run has."""
    for test in tests:
        if WHOLE or test._testMethodName.startswith(QUICK[module]):
            yield test


def test_suite() -> unittest.TestSuite:
    return unittest.TestSuite(map(suite_on, LAYERS))


def suite_on(layer: Any) -> unittest.TestSuite:
    """All of them in one layer."""
    suite = unittest.TestSuite()
    for path in sorted(Path("tests/server").glob("test_*.py")):
        if is_wanted(path.stem, layer):
            found = unittest.defaultTestLoader.loadTestsFromModule(import_module(f"tests.server.{path.stem}"))
            for test in chosen(single(found), path.stem):
                test.layer = layer  # type: ignore[attr-defined]  # where zope.testrunner looks for it
                suite.addTest(test)
    for path in sorted(DOCUMENTS.rglob("*.rst")):
        if layer_of(path) is Server and is_wanted(f"{path.parent.name}/{path.stem}", layer):
            suite.addTest(document_suite(path, layer))
    return suite


def single(suite: Any) -> Iterator[unittest.TestCase]:
    """The tests of a suite of suites."""
    if isinstance(suite, unittest.TestCase):
        yield suite
        return
    for part in suite:
        yield from single(part)

"""Bodies that the server has received: the same answers as for a stream, and nothing is left behind."""

import doctest
import unittest
from typing import Any

from librarian.testing import application
from tests import test_documents
from tests.library import test_uploads
from tests.naming import test_refusals
from tests.support.receiving import ReceivedBodies, ReceivingServer
from tests.tracker import test_http, test_http_refusals
from tests.web import test_promises, test_requests

DOCUMENTS = (
    "library/http.rst",
    "library/refusals.rst",
    "machines/pages.rst",
    "naming/http.rst",
    "naming/restricted.rst",
    "tracker/access.rst",
    "tracker/distrust.rst",
    "tracker/protocol.rst",
)


class Promises(ReceivedBodies, test_promises.Everywhere):
    pass


class Uploads(ReceivedBodies, test_uploads.Credentials):
    pass


class TreeRefusals(ReceivedBodies, test_refusals.Refusals):
    pass


class TrackerVersions(ReceivedBodies, test_http.VersionRuleTests):
    pass


class TrackerContents(ReceivedBodies, test_http.ContentTests):
    pass


class TrackerRefusals(ReceivedBodies, test_http_refusals.DistrustTests):
    pass


class TrackerAccess(ReceivedBodies, test_http_refusals.AccessTests):
    pass


class Requests(ReceivedBodies, test_requests.Bodies):
    pass


class RepeatedRequests(ReceivedBodies, test_requests.Repeated):
    pass


def receive(test: doctest.DocTest) -> None:
    """Set a document up as always, but behind a server that receives."""
    test_documents.set_up(test)
    test.globs["__before__"] = application._application[0]
    application.connect(ReceivingServer(test.globs["__before__"]))


def document(name: str) -> Any:
    """A document once more, with bodies that are received."""
    path = test_documents.DOCUMENTS / name
    layer = test_documents.layer_of(path)
    suite = doctest.DocFileSuite(
        str(path),
        module_relative=False,
        setUp=receive,
        tearDown=lambda test: application.connect(test.globs["__before__"]),
        globs={"__layer__": layer},
        optionflags=test_documents.OPTIONS,
        encoding="utf-8",
    )
    suite.layer = layer  # type: ignore[attr-defined]  # where zope.testrunner looks for it
    return suite


def test_suite() -> unittest.TestSuite:
    suite = unittest.TestSuite()
    for case in ReceivedBodies.__subclasses__():
        suite.addTest(unittest.defaultTestLoader.loadTestsFromTestCase(case))
    for name in DOCUMENTS:
        suite.addTest(document(name))
    return suite

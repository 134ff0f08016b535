"""The documents over HTTP once more, over sockets: on our server and on waitress the answers are the same."""

import doctest
import unittest
from base64 import b64encode
from functools import partial
from typing import Any

from librarian.testing import application
from tests import test_documents
from tests.support.servers.in_process import request
from tests.support.servers.over_network import OurServer, Waitress
from tests.web.support import APP, GOOD, PeopleInTheWorld
from tests.web.test_received import DOCUMENTS


def begin(server: type[OurServer | Waitress], test: doctest.DocTest) -> None:
    """Set a document up as always, but behind `server`."""
    test_documents.set_up(test)
    test.globs["__before__"] = application._application[0]
    test.globs["__server__"] = server(test.globs["__before__"])
    application.connect(test.globs["__server__"])


def end(test: doctest.DocTest) -> None:
    """Have requests go to the application itself again."""
    application.connect(test.globs["__before__"])
    test.globs["__server__"].close()
    assert test.globs["__server__"].asked


def document(name: str, server: type[OurServer | Waitress]) -> Any:
    """A document, behind `server`."""
    path = test_documents.DOCUMENTS / name
    layer = test_documents.layer_of(path)
    suite = doctest.DocFileSuite(
        str(path),
        module_relative=False,
        setUp=partial(begin, server),
        tearDown=end,
        globs={"__layer__": layer},
        optionflags=test_documents.OPTIONS,
        encoding="utf-8",
    )
    suite.layer = layer  # type: ignore[attr-defined]  # where zope.testrunner looks for it
    return suite


class Forms(PeopleInTheWorld):
    """Forms, which our server parses while they come, and the application under another one."""

    def answers(self, server: type[OurServer | Waitress]) -> list[tuple[int, str]]:
        before = application._application[0]
        behind = server(before)
        application.connect(behind)
        amy = {"Authorization": self.basic("amy", GOOD), "Content-Type": "multipart/form-data; boundary=B"}
        digest = {"Content-Digest": f"sha-256=:{b64encode(bytes(32)).decode()}:"}
        head = b'--B\r\nContent-Disposition: form-data; name="file"; filename="f.bin"\r\n\r\n'
        large = b"\r\n--" * 100_000
        found = []
        try:
            for place in ("/+upload", "/tree/"):
                for body, fields in (
                    (head + large + b"\r\n--B--\r\n", amy),
                    (head + b"small" + b"\r\n--B--\r\n", amy),
                    (head + large + b"\r\n--B--\r\n", {**amy, "Origin": "http://elsewhere.example"}),
                    (head + large + b"\r\n--B--\r\n", {**amy, **digest}),
                    (head + large, amy),
                    (large, amy),
                    (large, {**amy, "Content-Type": "multipart/form-data"}),
                    (b"", amy),
                ):
                    answer = request("POST", APP + place, fields, body)
                    found.append(
                        (answer.status_int, answer.json.get("sha256") or answer.json.get("error", ""))
                    )
        finally:
            application.connect(before)
            behind.close()
        self.assertEqual(16, behind.asked)
        return found

    def test_they_are_answered_alike(self) -> None:
        ours = self.answers(OurServer)
        self.assertEqual([201, 201, 403, 400, 400, 400, 400, 400] * 2, [status for status, _text in ours])
        self.assertEqual(ours, self.answers(Waitress))


def test_suite() -> unittest.TestSuite:
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Forms)
    for server in (OurServer, Waitress):
        for name in DOCUMENTS:
            suite.addTest(document(name, server))
    return suite

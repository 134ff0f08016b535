"""Every view refuses the methods it does not take: all that are registered, and over HTTP."""

import unittest
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import transaction
from pyramid.httpexceptions import HTTPMethodNotAllowed, HTTPNotImplemented
from pyramid.testing import DummyRequest
from zope.component import getUtility

from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.uploads.views.resource import OF_ALL, OF_ONE
from librarian.security.interaction import acting_as
from librarian.security.principals import SYSTEM
from librarian.testing.application import _application, request
from librarian.web.endpoints import ENDPOINT
from librarian.web.requests.methods import KNOWN, methods_of
from tests.support.layers import Functional

#: Views that look themselves, and are asked over HTTP below.
LOOK_THEMSELVES = ["ProtocolPath"]
#: Views of several paths, and what they take at the first; for the others see test_allow_by_path.
OF_ONE_PATH = {
    "AppRoot +uploads": OF_ALL,
    "IPerson +tokens": ("GET", "HEAD", "POST"),
    "ITeam +members": ("POST",),
    "UploadRoot +uploads": OF_ALL,
}


def views() -> Iterator[tuple[str, Any]]:
    """Name and introspectable of every view that is for a thing and not for an error."""
    for entry in _application[0].registry.introspector.get_category("views"):
        view = entry["introspectable"]
        context = view["context"]
        is_error = isinstance(context, type) and issubclass(context, Exception)
        if not is_error and getattr(context, "__name__", "") != "IExceptionResponse":
            yield f"{getattr(context, '__name__', context)} {view['name']}".strip(), view


def asked(method: str) -> DummyRequest:
    return DummyRequest(method=method, environ={ENDPOINT: None})


class Registered(unittest.TestCase):
    layer = Functional

    def test_each_refuses_all_but_its_own(self) -> None:
        found = dict(views())
        self.assertGreater(len(found), 50)
        for name, view in found.items():
            taken = methods_of(view["callable"])
            if name in LOOK_THEMSELVES:
                self.assertEqual(taken, ())
                continue
            allowed = OF_ONE_PATH.get(name, taken)
            self.assertLessEqual(set(allowed), set(taken))
            for method in sorted(KNOWN - set(allowed)):
                with self.subTest(view=name, method=method):
                    with self.assertRaises(HTTPMethodNotAllowed) as caught:
                        view["derived_callable"](object(), asked(method))
                    self.assertEqual(caught.exception.headers["Allow"], ", ".join(allowed))
            with self.subTest(view=name), self.assertRaises(HTTPNotImplemented) as unknown:
                view["derived_callable"](object(), asked("FOO"))
            self.assertEqual(unknown.exception.headers["Allow"], ", ".join(allowed))

    def test_no_view_has_a_method_predicate(self) -> None:
        self.assertEqual([name for name, view in views() if view["request_methods"]], [])

    def test_get_comes_with_head_and_all_methods_are_known(self) -> None:
        for name, view in views():
            taken = set(methods_of(view["callable"]))
            self.assertEqual("GET" in taken, "HEAD" in taken, name)
            asked_for = {"OPTIONS"} if name.endswith(("+uploads", "+drop")) else set()  # by both protocols
            self.assertLessEqual(taken, KNOWN - {"CONNECT", "TRACE", "OPTIONS"} | asked_for, name)


class OverHttp(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        with acting_as(SYSTEM):
            aliases = getUtility(ILibraryFileAliasSet)
            self.alias_id = aliases.create("f.txt", 3, BytesIO(b"abc"), "text/plain").id
        transaction.commit()

    def urls(self) -> list[str]:
        app, public = "http://localhost:6543", "http://localhost:8000"
        paths = ("", "/+about", "/+md5", "/+sha256", "/+stats", "/+index", "/+tokens", "/+delete")
        return [
            *(f"{app}/files/{self.alias_id}{path}" for path in paths),
            *(
                f"{app}/{path}"
                for path in ("", "robots.txt", "+login", "+upload", "files", "tree/", "tree/x")
            ),
            *(f"{app}/{path}" for path in ("people", "machines", "machines/+imports", "mirrors")),
            *(f"{app}/{path}" for path in ("health", "ready", "+static/librarian.css")),
            *(f"{app}/machines/+scheduler/{path}" for path in ("+watch", "apollo/poll", "apollo/jobs/5/log")),
            *(f"{public}/{path}" for path in ("", "robots.txt", "search", f"{self.alias_id}/f.txt")),
            "http://localhost:8005/search",
            "http://localhost:9090/f.txt",
            "http://localhost:9095/f.txt",
            *(f"http://localhost:9999/{path}" for path in ("", "version/", "files/a", "list/", "history/a")),
            *(f"http://localhost:9191/{path}" for path in ("", "metrics", "health", "ready", "robots.txt")),
        ]

    def test_trace_and_unknown_methods(self) -> None:
        for url in self.urls():
            for method, statuses in (("TRACE", (405,)), ("FOO", (405, 501)), ("get", (405, 501))):
                with self.subTest(url=url, method=method):
                    answer = request(method, url, REMOTE_ADDR="127.0.0.1")
                    self.assertIn(answer.status_int, statuses)
                    self.assertTrue(answer.headers["Allow"])
                    self.assertNotIn("TRACE", answer.headers["Allow"])

    def test_allow_by_path(self) -> None:
        """API tokens and members of teams, which are for people: tests.people.test_views."""
        for url in ("http://localhost:6543", "http://localhost:9090", "http://localhost:9095"):
            for path, taken in (("/+uploads", OF_ALL), ("/+uploads/x", OF_ONE)):
                for method in sorted({"DELETE", "GET", "PATCH", "POST", "PUT"} - set(taken)):
                    with self.subTest(path, method=method):
                        answer = request(method, url + path)
                        self.assertEqual(answer.status_int, 405)
                        self.assertEqual(answer.headers["Allow"], ", ".join(taken))

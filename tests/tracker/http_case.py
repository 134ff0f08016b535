"""Requests to the tracker's endpoint, for the tests of its protocol."""

import unittest
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

from tests.support.layers import Functional
from tests.support.servers.in_process import request

BASE = "http://localhost:9999"
HERE = {"REMOTE_ADDR": "127.0.0.1"}


class HttpCase(unittest.TestCase):
    layer = Functional

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return request(method, BASE + path, named, body, **HERE)

    def put(self, name: str, version: int, body: bytes, **headers: str) -> Any:
        return self.ask("PUT", f"/files{name}?last_modified={quote(formatdate(version))}", body, **headers)

    def put_1(self, name: str, version: int | None, body: bytes) -> Any:
        headers = {} if version is None else {"Last-Modified": formatdate(version)}
        return request("PUT", f"{BASE}/files{name}", headers, body, **HERE)

    def version(self, answer: Any) -> int:
        return int(answer.last_modified.timestamp())

    def get(self, path: str, **headers: str) -> bytes:
        answer = self.ask("GET", f"/files{path}", b"", **headers)
        self.assertIn(answer.status_int, (200, 206), answer.body)
        return bytes(answer.body)

    def assert_refused(self, status: int, answer: Any) -> None:
        """A 4xx with one line of reason, the same in X-Exception, and nothing of the machine in it."""
        self.assertEqual(answer.status_int, status, answer.body)
        text = answer.body.decode()
        self.assertEqual(text.count("\n"), 1)
        for leak in ("Traceback", "/home", "librarian", 'File "', ".py"):
            self.assertNotIn(leak, text + answer.headers["X-Exception"])

"""The same rules over HTTP: what an endpoint answers when a digest is wrong or bytes are missing."""

import hashlib
import io
import unittest
from base64 import b64encode
from typing import Any
from unittest import mock

from zope.component import getUtility

from librarian.interfaces import ISettings
from tests.support.layers import Functional
from tests.support.servers.in_process import request

DATA = b"one two three four five six\n"


def sha256_of(data: bytes) -> str:
    return f"sha-256=:{b64encode(hashlib.sha256(data).digest()).decode()}:"


def upload(**headers: str) -> Any:
    named = {"Content-Type": "text/plain", **{name.replace("_", "-"): v for name, v in headers.items()}}
    return request("PUT", "http://localhost:9090/shelf.txt", named, DATA)


class DeclaredDigests(unittest.TestCase):
    layer = Functional

    def test_the_right_one(self) -> None:
        for name in ("Repr_Digest", "Content_Digest"):
            self.assertEqual(upload(**{name: sha256_of(DATA)}).status_int, 201)

    def test_a_wrong_or_malformed_one_leaves_nothing_behind(self) -> None:
        wrong_md5 = f"md5=:{b64encode(b'x' * 16).decode()}:"
        for field in (sha256_of(b"other"), wrong_md5, "sha-256=:AQI=:", "sha-256=7", "sha-256=:"):
            with self.subTest(field=field):
                answer = upload(Repr_Digest=field)
                self.assertEqual(answer.status_int, 400)
                self.assertRegex(answer.json["error"], "was declared|malformed digest field")
                self.assertEqual(list(Functional.world.store), [])


class MissingBytes(unittest.TestCase):
    layer = Functional

    def test_a_file_that_lost_its_end_is_no_success(self) -> None:
        url = upload().headers["Location"]
        with mock.patch.object(Functional.world.store, "open", lambda sha256: io.BytesIO(DATA[:-1])):
            for headers in ({}, {"Range": "bytes=20-"}, {"Range": "bytes=0-2"}):
                answer = request("GET", url, headers)
                self.assertEqual(answer.status_int, 503)
                self.assertIsNone(answer.etag)
                self.assertIsNone(answer.last_modified)
                self.assertNotIn("max-age", answer.headers.get("Cache-Control", ""))
            # Where nothing is verified, the part that is there can still be had.
            settings = getUtility(ISettings)
            settings.push("unverified", "[librarian]\nverify_reads = never")
            self.addCleanup(settings.pop, "unverified")
            answer = request("GET", url, {"Range": "bytes=0-2"})
            self.assertEqual((answer.status_int, answer.body), (206, b"one"))

"""Uploads that are cut off, malformed, contradictory or anonymous."""

import base64
import hashlib
from io import BytesIO
from typing import Any
from unittest import mock

import transaction
from webob import Request
from zope.component import getUtility

from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.store.interfaces import StoreFull, StoreUnavailable
from tests.support.servers.in_process import ThreadedApplication, request
from tests.support.world import overlay
from tests.web.support import PeopleInTheWorld

UPLOAD, RESTRICTED = "http://localhost:9090/", "http://localhost:9095/"


def digest(data: bytes, algorithm: str = "sha-256") -> str:
    raw = hashlib.new(algorithm.replace("-", ""), data).digest()
    return f"{algorithm}=:{base64.b64encode(raw).decode()}:"


class Uploads(PeopleInTheWorld):
    def put(self, data: bytes = b"data", name: str = "f.txt", base: str = UPLOAD, **headers: str) -> Any:
        return request(
            "PUT", base + name, {key.replace("_", "-"): value for key, value in headers.items()}, data
        )

    def raw(self, body: bytes, **environ: Any) -> Any:
        """A request as another server than waitress may pass it on."""
        blank = Request.blank(f"{UPLOAD}f.txt", method="PUT")
        blank.environ |= {"SERVER_PORT": "9090", "wsgi.input": BytesIO(body), **environ}
        if environ.get("CONTENT_LENGTH", "") is None:
            del blank.environ["CONTENT_LENGTH"]
        return blank.get_response(ThreadedApplication())

    def nothing_is_kept(self) -> None:
        transaction.begin()
        self.assertEqual(list(self.world.store), [])
        self.assertEqual(list(self.world.tree.subtree("library").aliases), [])

    def refused(self, answer: Any, status: int, reason: str) -> None:
        self.assertEqual(answer.status_int, status, answer.text)
        self.assertIn(reason, answer.json["error"])
        self.nothing_is_kept()

    def test_a_body_that_ends_early(self) -> None:
        self.refused(self.raw(b"dat", CONTENT_LENGTH="4"), 400, "size is 4, but 3 were read")

    def test_a_stream_that_goes_on_is_read_no_further_than_the_body(self) -> None:
        self.assertEqual(self.raw(b"dataGET / HTTP/1.1", CONTENT_LENGTH="4").json["size"], 4)

    def test_a_body_of_unknown_length_must_be_proven_whole(self) -> None:
        self.refused(self.raw(b"data", CONTENT_LENGTH=None), 411, "Repr-Digest")
        md5 = digest(b"data", "md5")
        self.refused(self.raw(b"data", CONTENT_LENGTH=None, HTTP_REPR_DIGEST=md5), 411, "Repr-Digest")
        cut = self.raw(b"dat", CONTENT_LENGTH=None, HTTP_REPR_DIGEST=digest(b"data"))
        self.refused(cut, 400, "sha256 is")
        whole = self.raw(b"data", CONTENT_LENGTH=None, HTTP_REPR_DIGEST=digest(b"data"))
        self.assertEqual(whole.status_int, 201)

    def test_digests(self) -> None:
        self.assertEqual(self.put(Content_Digest=digest(b"data")).status_int, 201)
        both = self.put(Repr_Digest=digest(b"data"), Content_Digest=digest(b"data"))
        self.assertEqual(both.status_int, 201)
        more = self.put(Repr_Digest=f"sha-3000=:AAAA:, {digest(b'data', 'sha-512')}")
        self.assertEqual(more.status_int, 201)

    def test_digests_that_are_wrong(self) -> None:
        cases: tuple[tuple[dict[str, str], str], ...] = (
            ({"Repr_Digest": digest(b"date")}, "sha256 is"),
            ({"Content_Digest": digest(b"date", "md5")}, "md5 is"),
            ({"Repr_Digest": digest(b"data"), "Content_Digest": digest(b"date")}, "contradict"),
            ({"Repr_Digest": "sha-256=:AAAA:"}, "sha-256"),
            ({"Repr_Digest": "sha-256=yes"}, ""),
            ({"Repr_Digest": "sha-3000=:AAAA:"}, "none that can be checked"),
            ({"Repr_Digest": digest(b"date", "sha-512")}, "sha512 is"),
            ({"Content_MD5": base64.b64encode(hashlib.md5(b"date").digest()).decode()}, "md5 is"),
            ({"Repr_Digest": "::::"}, ""),
        )
        for headers, reason in cases:
            with self.subTest(headers):
                self.refused(self.put(b"data", **headers), 400, reason)

    def test_a_content_encoding_is_not_undone(self) -> None:
        self.refused(self.put(Content_Encoding="gzip"), 415, "as they are")

    def test_names_types_and_dates(self) -> None:
        for name in ("%00", "a%0ab", "..%2Fx", "./x", "/x", "x/", "x" * 256, "%2e%2e%2fetc"):
            self.refused(self.put(name=name), 400, "Invalid filename")
        self.refused(self.put(name="%ff"), 400, "UTF-8")
        self.refused(self.put(Content_Type="nonsense"), 400, "Invalid content type")
        for when in ("yesterday", "2027-01-01T00:00:00", "1700000000", "never ever"):
            self.refused(self.put(Librarian_Expires=when), 400, "Librarian-Expires")

    def test_types(self) -> None:
        for name, stated, kept in (
            ("a.png", "", "image/png"),
            ("a.png", "application/x-www-form-urlencoded", "image/png"),
            ("a.png", "text/plain; charset=latin-1", "text/plain; charset=latin-1"),
            ("a", "", "application/octet-stream"),
        ):
            self.assertEqual(self.put(name=name, Content_Type=stated).json["mimetype"], kept)

    def test_expiries(self) -> None:
        for stated, kept in (
            ("never", "never"),
            ("NEVER", "never"),
            ("2038-01-01T00:00:00Z", "never"),
            ("2027-01-01T00:00:00+02:00", "2027-01-01T00:00:00+02:00"),
        ):
            self.assertEqual(self.put(Librarian_Expires=stated).json["expires"], kept)

    def test_errors_of_the_store(self) -> None:
        for error, status in ((StoreFull(28, "no room"), 507), (StoreUnavailable(30, "read-only"), 503)):
            with mock.patch.object(self.world.store, "keep", side_effect=error):
                answer = self.put()
            self.assertEqual(answer.status_int, status)
            self.assertNotIn("Cache-Control: public", str(answer.headers))
        self.assertEqual(self.put().status_int, 201)

    def test_methods(self) -> None:
        for method in ("GET", "HEAD", "DELETE", "PATCH", "OPTIONS"):
            answer = request(method, f"{UPLOAD}f.txt")
            self.assertEqual((answer.status_int, answer.headers["Allow"]), (405, "PUT, POST"))
        self.assertEqual(request("POST", f"{UPLOAD}f.txt", {}, b"x").status_int, 201)

    def test_pages_of_other_sites_add_nothing(self) -> None:
        self.refused(self.put(Origin="http://evil.example", Sec_Fetch_Site="cross-site"), 403, "Another site")


class Credentials(Uploads):
    """What a setting asks for, and what is believed without it."""

    def owner(self, answer: Any) -> str | None:
        transaction.begin()
        return str(getUtility(ILibraryFileAliasSet)[answer.json["id"]].owner)

    def bearer(self, *scopes: str) -> str:
        return f"Bearer {self.token('bob', *scopes)}"

    def test_an_authenticated_client_owns_its_upload(self) -> None:
        self.assertEqual(self.owner(self.put()), "None")
        self.assertEqual(self.owner(self.put(Authorization=self.bearer("upload"))), "person:bob")
        self.assertEqual(self.put(Authorization="Bearer wrong").status_int, 401)

    def test_tokens_may_be_asked_for(self) -> None:
        upload, restricted = self.bearer("upload"), self.bearer("upload-restricted")
        with overlay("[librarian]\nupload_requires_token: true"):
            self.assertEqual(self.put().status_int, 401)
            self.assertEqual(self.put(base=RESTRICTED).status_int, 401)
            self.assertEqual(self.put(Authorization=upload).status_int, 201)
            self.assertEqual(self.put(Authorization=restricted).status_int, 403)
            self.assertEqual(self.put(base=RESTRICTED, Authorization=upload).status_int, 403)
            self.assertEqual(self.put(base=RESTRICTED, Authorization=restricted).status_int, 201)
            self.assertEqual(self.put(Authorization=self.bearer("read")).status_int, 403)

"""Quotas over HTTP: pages, JSON, refusals before the bytes, resumable uploads, metrics."""

import json
from typing import Any

import transaction
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.library.operations import Library
from librarian.people.interfaces import IPersonSet
from tests.support.documents.library import keep
from tests.support.servers.in_process import request
from tests.web.support import APP, GOOD, PeopleInTheWorld

UPLOAD = "http://localhost:9090"
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}


class OverHTTP(PeopleInTheWorld):
    def setUp(self) -> None:
        super().setUp()
        self.bearer = {"Authorization": f"Bearer {self.token('bob', 'upload')}"}

    def limit(self, **values: int | None) -> None:
        bob = removeSecurityProxy(getUtility(IPersonSet)["bob"])
        Library().quotas.set_limits(bob, values)
        transaction.begin()

    def send(self, method: str, path: str, body: Any = None, who: str = "amy") -> Any:
        headers = {"Authorization": self.basic(who, GOOD), "Content-Type": "application/json"}
        data = b"" if body is None else json.dumps(body).encode()
        answer = request(method, f"{APP}{path}", headers, data)
        transaction.begin()
        return answer

    def put(self, data: bytes, **headers: str) -> Any:
        return request("PUT", f"{UPLOAD}/f.txt", {**self.bearer, **headers}, data)

    def test_who_may_see_and_change_it(self) -> None:
        self.assertEqual(self.send("POST", "/people/bob/+quota", {"bytes": "1k"}, "bob").status_int, 403)
        self.assertEqual(
            self.send("POST", "/people/bob/+quota", {"bytes": "1k"}).json["limit"]["bytes"], 1000
        )
        self.assertEqual(self.send("GET", "/people/bob/+quota", who="bob").json["used"]["bytes"], 0)
        self.assertEqual(self.send("GET", "/people/bob/+quota", who="cat").status_int, 403)
        self.assertEqual(request("GET", f"{APP}/people/bob/+quota").status_int, 401)
        self.assertEqual(self.send("GET", "/people/bob", who="bob").json["quota"]["limit"]["bytes"], 1000)
        self.assertNotIn("quota", self.send("GET", "/people/bob", who="cat").json)
        self.assertEqual(self.send("GET", "/people/bob", who="cat").status_int, 200)

    def test_values(self) -> None:
        good: tuple[Any, ...] = (
            ({"bytes": 500, "files": None}, {"bytes": 500, "files": None}),
            ({"bytes": "none", "files": "7"}, {"bytes": None, "files": 7}),
            ({}, {"bytes": None, "files": None}),
        )
        for body, expected in good:
            with self.subTest(body=body):
                self.assertEqual(self.send("POST", "/people/admins/+quota", body).json["limit"], expected)
        bad: tuple[Any, ...] = (
            ({"bytes": -1}, 422),
            ({"bytes": "many"}, 422),
            ({"bytes": True}, 422),
            ({"bytes": 1.5}, 422),
            ({"files": "1G"}, 422),
            ({"files": "9" * 40}, 422),
            ({"files": "1_0"}, 422),
            ({"files": "\u0665"}, 422),
            ({"kilos": 1}, 400),
        )
        for body, status in bad:
            with self.subTest(body=body):
                self.assertEqual(self.send("POST", "/people/bob/+quota", body).status_int, status)

    def test_the_form(self) -> None:
        self.log_in("amy")
        form = self.bobs.get("/people/bob/+quota").form
        form["bytes"], form["files"] = "2MB", "5"
        page = form.submit().follow()
        self.assertIn("2,000,000", page)
        self.assertIn("0 of 2,000,000 bytes, 0 of 5 files", self.bobs.get("/people/bob"))

    def test_the_refusal(self) -> None:
        self.limit(bytes=10)
        self.assertEqual(self.put(b"six by").status_int, 201)
        answer = self.put(b"six of")
        self.assertEqual(answer.status_int, 413)
        self.assertEqual(answer.json["quota"]["limit"], {"bytes": 10, "files": None})
        self.assertEqual(answer.json["quota"]["used"], {"bytes": 6, "files": 1})
        self.assertEqual(answer.json["error"], "over the quota of person bob: 6 of 10 bytes are used")
        self.assertEqual(request("PUT", f"{UPLOAD}/f.txt", {}, b"anonymous bytes").status_int, 201)
        self.assertEqual(list(Library().store.partials), [])

    def test_the_refusal_of_an_unknown_length(self) -> None:
        self.limit(bytes=10)
        tus = {**self.bearer, "Tus-Resumable": "1.0.0"}
        fields = {"Upload-Defer-Length": "1", "Upload-Metadata": "filename Zi50eHQ="}
        begun = request("POST", f"{UPLOAD}/+uploads", {**tus, **fields})
        piece = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        answer = request("PATCH", begun.location, {**tus, **piece}, b"eleven bytes")
        self.assertEqual(answer.status_int, 413, answer.text)
        self.assertEqual(answer.json["quota"]["limit"], {"bytes": 10, "files": None})
        self.assertEqual(answer.json["quota"]["used"], {"bytes": 0, "files": 0})
        self.assertEqual(answer.json["error"], "over the quota of person bob: 0 of 10 bytes are used")

    def test_the_named_tree(self) -> None:
        self.limit(bytes=3)
        folder = {"folder": "bobs"}
        self.send("POST", "/tree/", folder)
        self.assertEqual(self.send("PUT", "/tree/bobs/f.txt", "long enough").status_int, 201)
        amy = removeSecurityProxy(getUtility(IPersonSet)["amy"])
        Library().quotas.set_limits(amy, {"files": 1})
        refused = self.send("PUT", "/tree/bobs/g.txt", "long enough")
        self.assertEqual((refused.status_int, refused.json["quota"]["used"]["files"]), (413, 1))

    def test_info(self) -> None:
        self.limit(bytes=10)
        alias_id = self.put(b"six by").json["id"]
        headers = {"Authorization": self.basic("bob", GOOD), "Accept": "application/json"}
        found = request("GET", f"{APP}/files/{alias_id}", headers).json
        self.assertEqual(found["quota"]["used"]["bytes"], 6)
        found = request("GET", f"{APP}/files/{alias_id}", {"Accept": "application/json"}).json
        self.assertNotIn("quota", found)

    def test_metrics(self) -> None:
        self.limit(bytes=10)
        self.put(b"six by")
        found = request("GET", "http://localhost:9191/metrics").text
        self.assertIn('librarian_quota_bytes{kind="person",name="bob"} 10.0', found)
        self.assertIn('librarian_quota_used_bytes{kind="person",name="bob"} 6.0', found)

    # Resumable uploads

    def begin(self, length: int | None) -> Any:
        field = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
        fields = {**TUS, **field, "Upload-Metadata": "filename Zi50eHQ="}
        return request("POST", f"{UPLOAD}/+uploads", {**self.bearer, **fields})

    def test_what_is_on_its_way_counts(self) -> None:
        self.limit(bytes=10)
        first = self.begin(6)
        self.assertEqual(first.status_int, 201)
        refused = self.begin(6)
        self.assertEqual((refused.status_int, refused.headers["Tus-Resumable"]), (413, "1.0.0"))
        self.assertEqual(refused.json["quota"]["limit"]["bytes"], 10)
        self.assertEqual(self.put(b"six by").status_int, 413)
        done = request("PATCH", first.location, {**self.bearer, **PIECE, "Upload-Offset": "0"}, b"six by")
        self.assertEqual(done.status_int, 200)
        self.assertEqual(self.begin(4).status_int, 201)

    def test_an_upload_of_unknown_length_ends_at_the_limit(self) -> None:
        self.limit(bytes=10)
        begun = self.begin(None)
        send = {**self.bearer, **PIECE}
        self.assertEqual(
            request("PATCH", begun.location, {**send, "Upload-Offset": "0"}, b"x" * 8).status_int, 204
        )
        refused = request("PATCH", begun.location, {**send, "Upload-Offset": "8"}, b"x" * 8)
        self.assertEqual(refused.status_int, 413)

    def test_two_that_were_begun_before_the_limit(self) -> None:
        urls = [self.begin(6).location for _ in range(2)]
        self.limit(bytes=10)
        send = {**self.bearer, **PIECE, "Upload-Offset": "0"}
        found = [request("PATCH", url, send, b"six by").status_int for url in urls]
        self.assertEqual(found, [200, 413])
        transaction.begin()
        quotas: Any = Library().subtree.quotas
        self.assertEqual(quotas.uses["person:bob"].bytes, 6)

    def test_files_of_others_do_not_count(self) -> None:
        keep(Library(), b"twelve bytes", owner="person:cat")
        self.limit(bytes=10)
        self.assertEqual(self.put(b"six by").status_int, 201)

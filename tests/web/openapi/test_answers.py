"""Answers are what the description says: every operation is asked once and its answer compared."""

from base64 import b64encode
from typing import Any

import transaction
from zope.component import getUtility

from librarian.people.interfaces import ICelebrities, IPersonSet
from librarian.testing.application import request
from tests.web.openapi.support import PORTS, DescribedClient, operations
from tests.web.support import GOOD, PeopleInTheWorld

TEXT_BODY = {"Content-Type": "text/plain"}
TUS = {"Tus-Resumable": "1.0.0"}
DATE = "Sat, 21 Nov 2026 10:00:00 +0000"


class Answers(PeopleInTheWorld):
    def setUp(self) -> None:
        super().setUp()
        for name in ("mirror-admins", "vcs-imports", "machine-daemons"):
            self._join(name)
        transaction.commit()
        self.client = DescribedClient(self.basic("amy", GOOD))

    def _join(self, name: str) -> None:
        celebrities: Any = getUtility(ICelebrities)
        try:
            celebrities[name].addMember(getUtility(IPersonSet)["amy"])
        except LookupError:
            pass

    def ask(self, method: str, path: str, *values: Any, **more: Any) -> Any:
        return self.client.ask(method, path, *values, **more)

    def left(self, *prefixes: str, endpoint: str = "app") -> list[Any]:
        """Operations below the prefixes that nothing has asked."""
        return sorted(one for one in operations(endpoint) - self.client.asked if one[2].startswith(prefixes))

    def add(self, name: str = "f.txt", endpoint: str = "upload", data: bytes = b"some bytes") -> Any:
        return self.ask(
            "PUT", "/{filename}", name, endpoint=endpoint, expect=201, body=data, headers=TEXT_BODY
        )

    def test_files(self) -> None:
        public, restricted = self.add(), self.add(endpoint="restricted-upload")
        for alias_id in (public["id"], restricted["id"]):
            self.ask("GET", "/files/{id}", alias_id)
            self.ask("GET", "/files/{id}/+about", alias_id)
            self.ask("GET", "/files/{id}/+stats", alias_id)
        for name in ("+md5", "+sha256"):
            self.ask("GET", f"/files/{{id}}/{name}", public["id"])
        self.ask("GET", "/files/{id}/+index", public["id"], expect=302)
        self.ask("GET", "/files/{id}/+preview", public["id"], expect=302)
        self.ask("GET", "/files", list="all")
        self.ask("GET", "/files", id=public["id"], expect=303)
        self.ask("GET", "/+search", q=public["sha256"])
        self.ask("GET", "/+upload", headers={"Accept": "text/html"})
        self.ask("POST", "/files/{id}/+tokens", restricted["id"], expect=201, body={"uses": 2})
        (token,) = self.ask("GET", "/files/{id}/+tokens", restricted["id"])
        self.ask("GET", "/files/{id}/+about", restricted["id"])
        self.ask("POST", "/files/{id}/+revoke", restricted["id"], body={"id": token["id"]})
        self.ask("POST", "/files/{id}/+holds", public["id"], body={"reason": "a printer"})
        self.ask("GET", "/files/{id}/+holds", public["id"])
        self.ask("DELETE", "/files/{id}/+holds", public["id"], reason="a printer")
        self.ask("POST", "/files/{id}/+holds", public["id"], body={"reason": "a printer"})
        self.ask("POST", "/files/{id}/+release", public["id"], body={"reason": "a printer"})
        self.ask("POST", "/files/{id}/+expiry", public["id"], body={"expires": "30d"})
        self.ask("POST", "/files/{id}/+delete", public["id"])
        self.ask("GET", "/files", list="deleted")
        self.ask("POST", "/files/{id}/+undelete", public["id"])
        form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="g.txt"\r\n\r\ng\r\n--x--\r\n'
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        self.ask("POST", "/+upload", expect=201, body=form, headers=kind)
        self.assertEqual(self.left("/files", "/+search"), [])

    def test_downloads(self) -> None:
        public, restricted = self.add(), self.add(endpoint="restricted-upload")
        for file, endpoint in ((public, "public"), (restricted, "restricted")):
            at = (file["id"], "f.txt")
            self.ask("GET", "/{id}/{filename}", *at, endpoint=endpoint)
            part = {"Range": "bytes=1-2"}
            self.ask("GET", "/{id}/{filename}", *at, endpoint=endpoint, expect=206, headers=part)
            known = {"If-None-Match": f'"{file["sha256"]}"'}
            self.ask("GET", "/{id}/{filename}", *at, endpoint=endpoint, expect=304, headers=known)
            self.ask("GET", "/search", endpoint=endpoint, digest=file["sha256"])
            for path in ("/", "/robots.txt"):
                self.ask("GET", path, endpoint=endpoint)
        self.assertEqual(self.left("/", endpoint="restricted"), [])

    def test_operations(self) -> None:
        for path in ("/", "/health", "/ready", "/metrics", "/robots.txt"):
            self.ask("GET", path, endpoint="ops")
        self.assertEqual(self.left("/", endpoint="ops"), [])
        for path in ("/health", "/ready", "/robots.txt", "/+openapi.json"):
            self.ask("GET", path)
        self.ask("GET", "/events")
        self.ask("GET", "/+overview")
        self.ask("GET", "/+audit", who="amy", since="2026-01-01")

    def test_people(self) -> None:
        body = {"name": "dora", "display_name": "Dora", "email": "d@example.com"}
        self.ask("POST", "/people", expect=201, body=body)
        team = {"name": "poets", "display_name": "Poets", "kind": "team", "owner": "amy"}
        self.ask("POST", "/people", expect=201, body=team)
        self.ask("GET", "/people")
        for name in ("dora", "poets"):
            self.ask("GET", "/people/{name}", name)
            self.ask("POST", "/people/{name}", name, body={"display_name": "New"})
            self.ask("PATCH", "/people/{name}", name, body={"display_name": "Newer"})
            self.ask("GET", "/people/{name}/+quota", name)
            self.ask("POST", "/people/{name}/+quota", name, body={"bytes": 10})
            self.ask("PUT", "/people/{name}/+quota", name, body={})
        self.ask("POST", "/people/{name}/+members", "poets", body={"member": "dora"})
        self.ask("DELETE", "/people/{name}/+members/{member}", "poets", "dora")
        self.ask("POST", "/people/{name}/+members", "poets", body={"member": "dora"})
        self.ask("POST", "/people/{name}/+members/{member}", "poets", "dora")
        self.ask("POST", "/people/{name}/+password", "dora", body={"new": "nine blue bottles on a wall"})
        self.ask("POST", "/people/{name}/+sessions", "dora")
        self.ask("DELETE", "/people/{name}/+sessions", "dora")
        for method in ("POST", "DELETE"):
            new = self.ask(
                "POST", "/people/{name}/+tokens", "amy", expect=201, body={"title": "t", "scopes": ["upload"]}
            )
            self.ask("GET", "/people/{name}/+tokens", "amy")
            self.ask(method, "/people/{name}/+tokens/{token_id}", "amy", new["id"])
        self.assertEqual(self.left("/people"), [])

    def test_tree(self) -> None:
        self.ask("PUT", "/tree/{path}", "a.txt", expect=201, body=b"a", headers=TEXT_BODY)
        self.ask("PUT", "/tree/{path}", "a.txt", body=b"b", headers=TEXT_BODY)
        self.ask("GET", "/tree/{path}", "a.txt")
        self.ask("GET", "/tree/{path}", "a.txt", history="")
        self.ask("GET", "/tree/{path}", "a.txt", expect=302, headers={"Accept": "*/*"})
        self.ask("POST", "/tree/{path}", "a.txt", body={"current": "1"})
        self.ask("POST", "/tree", expect=201, body={"folder": "poems"})
        for asked in (
            {"zip": ""},
            {"move": "a.txt"},
            {"delete": "a.txt"},
            {"delete": "poems"},
            {"sort": "-size"},
        ):
            self.ask("GET", "/tree", **asked)
        self.ask("POST", "/tree/{path}", "poems", expect=201, body={"place": str(self.add("p.txt")["id"])})
        self.ask("GET", "/tree/{path}", "poems", zip="")
        self.ask("POST", "/tree/{path}", "a.txt", expect=201, body={"move_to": "/poems/b.txt"})
        self.ask("GET", "/tree")
        self.ask("GET", "/tree/{path}", "poems")
        self.ask("POST", "/tree/{path}", "poems", body={"delete": "b.txt"})
        self.ask("DELETE", "/tree/{path}", "poems", expect=204, recursive="true")
        self.ask("PUT", "/tree", expect=200)
        self.assertEqual(self.left("/tree"), [("app", "DELETE", "/tree")])  # the root stays

    def test_uploads_in_pieces(self) -> None:
        name = {"Upload-Metadata": f"filename {b64encode(b'f.txt').decode()}"}
        piece = {"Content-Type": "application/offset+octet-stream"}
        for endpoint in ("app", "upload", "restricted-upload"):
            here: dict[str, Any] = {"endpoint": endpoint}
            for length, expect in (("3", 200), ("9", 204)):
                begun = self.ask(
                    "POST", "/+uploads", **here, expect=201, headers={**TUS, **name, "Upload-Length": length}
                )
                upload_id = begun.headers["Location"].rpartition("/")[2]
                self.ask("GET", "/+uploads/{upload_id}", upload_id, **here)
                offset = {**TUS, **piece, "Upload-Offset": "0"}
                self.ask(
                    "PATCH",
                    "/+uploads/{upload_id}",
                    upload_id,
                    **here,
                    expect=expect,
                    body=b"abc",
                    headers=offset,
                )
                self.ask("HEAD", "/+uploads/{upload_id}", upload_id, **here, headers=TUS)
            whole = {**TUS, **piece, **name, "Upload-Length": "3"}
            url, basic = f"http://localhost:{PORTS[endpoint]}/+uploads", self.basic("amy", GOOD)
            answer = request("POST", url, {**whole, "Authorization": basic}, b"abc", REMOTE_ADDR="127.0.0.1")
            self.assertEqual(answer.status_int, 201, answer.text)
            # Which is described in words only: an answer without a body has no type.
            self.assertEqual((answer.content_type, answer.json_body["size"]), ("application/json", 3))
            self.ask("GET", "/+uploads", **here)
            self.ask("HEAD", "/+uploads", **here)
            self.ask("DELETE", "/+uploads/{upload_id}", upload_id, **here, expect=204)
            self.ask("OPTIONS", "/+uploads", **here, expect=204)
            self.ask("OPTIONS", "/+uploads/{upload_id}", "x", **here, expect=204)
            self.assertEqual(self.left("/+uploads", endpoint=endpoint), [])
        self.ask("POST", "/{filename}", "g.txt", endpoint="upload", expect=201, body=b"g")
        self.add("h.txt")
        self.assertEqual(self.left("/", endpoint="upload"), [])

    def test_upload_links(self) -> None:
        self.ask("POST", "/+upload-links", expect=201, body={"wanted": "photographs", "uses": "any"})
        made = self.ask("POST", "/+upload-links", expect=201, body={"wanted": "photographs", "uses": "9"})
        secret = made["url"].rpartition("/")[2]
        links = self.ask("GET", "/+upload-links")["links"]
        here: dict[str, Any] = {"endpoint": "public"}
        self.ask("GET", "/+drop/{secret}", secret, **here)
        for method in ("PUT", "POST"):
            self.ask(method, "/+drop/{secret}/{filename}", secret, "f.txt", **here, expect=201, body=b"abc")
        for below, values in (("", ()), ("/+uploads", ()), ("/{filename}", ("f.txt",))):
            self.ask("OPTIONS", "/+drop/{secret}" + below, secret, *values, **here, expect=204)
        name = {"Upload-Metadata": f"filename {b64encode(b'f.txt').decode()}"}
        for length, expect in (("3", 200), ("9", 204)):
            begun = self.ask(
                "POST",
                "/+drop/{secret}/+uploads",
                secret,
                **here,
                expect=201,
                headers={**TUS, **name, "Upload-Length": length},
            )
            at = (secret, begun.headers["Location"].rpartition("/")[2])
            offset = {**TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
            path = "/+drop/{secret}/+uploads/{upload_id}"
            self.ask("PATCH", path, *at, **here, expect=expect, body=b"abc", headers=offset)
            self.ask("HEAD", path, *at, **here, headers=TUS)
            self.ask("GET", path, *at, **here, headers=TUS)
            self.ask("OPTIONS", path, *at, **here, expect=204)
        self.ask("DELETE", "/+drop/{secret}/+uploads/{upload_id}", *at, **here, expect=204, headers=TUS)
        self.ask("POST", "/+upload-links", body={"revoke": links[0]["id"]})
        form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="g.txt"\r\n\r\ng\r\n--x--\r\n'
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        named = self.ask(
            "POST", "/+upload-links", expect=201, body={"wanted": "one", "filename": "n.txt", "uses": "9"}
        )
        secret = named["url"].rpartition("/")[2]
        self.ask("POST", "/+drop/{secret}", secret, **here, expect=201, body=form, headers=kind)
        self.ask("PUT", "/+drop/{secret}", secret, **here, expect=201, body=b"abc")
        self.assertEqual(self.left("/+drop", endpoint="public"), [])
        self.assertEqual(self.left("/+upload-links"), [])

    def test_webhooks(self) -> None:
        made = self.ask("POST", "/webhooks", expect=201, body={"url": "https://example.com/hook"})
        at = made["id"]
        self.ask("GET", "/webhooks")
        self.add()
        self.ask("GET", "/webhooks/{webhook_id}", at)
        self.ask("POST", "/webhooks/{webhook_id}/+rotate", at)
        self.ask("POST", "/webhooks/{webhook_id}/+remove", at)
        made = self.ask("POST", "/webhooks", expect=201, body={"url": "https://example.com/hook"})
        self.ask("DELETE", "/webhooks/{webhook_id}", made["id"])
        # Needs a delivery, which tests of the webhooks make.
        self.assertEqual(self.left("/webhooks"), [("app", "POST", "/webhooks/{webhook_id}/+resend")])

    def test_machines(self) -> None:
        git = {
            "name": "gimp",
            "rcs_type": "GIT",
            "url": "https://example.com/gimp.git",
            "review_status": "REVIEWED",
        }
        imports, one = "/machines/+imports", "/machines/+imports/{name}"
        self.ask("POST", imports, expect=201, body=git)
        scheduler = "/machines/+scheduler/{hostname}"
        self.ask("POST", f"{scheduler}/arrive", "apollo")
        job = self.ask("POST", f"{scheduler}/poll", "apollo", body={"worker_limit": 1})["job"]
        at = ("apollo", job["job_id"])
        jobs = f"{scheduler}/jobs/{{job_id}}"
        self.ask("POST", f"{jobs}/start", *at, expect=204)
        self.ask("POST", f"{jobs}/heartbeat", *at, expect=204, body={"logtail": "going on"})
        self.ask("GET", f"{jobs}/bundle", *at, expect=204)
        for name in ("log", "bundle"):
            self.ask("PUT", f"{jobs}/{name}", *at, expect=201, body=b"bytes")
        self.ask("GET", "/machines/{hostname}", "apollo")
        self.ask("GET", one, "gimp")
        self.ask("POST", f"{jobs}/finish", *at, expect=204, body={"status": "SUCCESS"})
        shown = self.ask("GET", one, "gimp")
        self.ask("GET", f"{one}/+files/{{filename}}", "gimp", shown["bundle_name"], expect=302)
        self.ask("POST", one, "gimp", body={"do": "edit", "update_interval": "6h"})
        self.ask("GET", imports)
        self.ask("POST", "/machines/{hostname}/+cordon", "apollo", body={"reason": "too hot"})
        self.ask("POST", "/machines/{hostname}/+uncordon", "apollo", body={"message": "cooler"})
        self.ask("POST", "/machines/{hostname}", "apollo", body={"state": "QUIESCING"})
        self.ask("POST", f"{scheduler}/drained", "apollo", expect=204)
        self.ask("POST", "/machines/+scheduler/+watch", body={})
        self.ask("POST", f"{scheduler}/leave", "apollo", expect=204)
        self.ask("GET", "/machines")
        self.ask("POST", "/machines/{hostname}/+forget", "apollo", body={})
        self.assertEqual(self.left("/machines"), [])

    def test_mirrors(self) -> None:
        new = {"name": "ubuntu", "display_name": "Ubuntu", "main_url": "http://archive.example/ubuntu/"}
        self.ask("POST", "/mirrors", expect=201, body=new)
        self.ask("GET", "/mirrors")
        at, one = "/mirrors/{distribution}", "/mirrors/{distribution}/{mirror}"
        for method in ("POST", "PATCH"):
            self.ask(method, at, "ubuntu", body={"display_name": "Ubuntu again"})
        self.ask("GET", f"{at}/+register", "ubuntu")
        mirror = {"name": "near", "country": "BR", "http_base_url": "http://near.example/u/"}
        self.ask("POST", f"{at}/+register", "ubuntu", expect=201, body=mirror)
        both = ("ubuntu", "near")
        self.ask("GET", at, "ubuntu")
        self.ask("GET", one, *both)
        for method in ("POST", "PATCH"):
            self.ask(method, one, *both, body={"display_name": "Near"})
        self.ask("POST", f"{one}/+review", *both, body={"status": "OFFICIAL"})
        self.ask("POST", f"{one}/+review", *both, body={"status": "BROKEN"})
        self.ask("POST", f"{one}/+resubmit", *both)
        self.ask("GET", f"{one}/+history", *both)
        self.ask("GET", f"{one}/+plot.svg", *both)
        self.ask("GET", f"{at}/+mirrorlist", "ubuntu", country="BR")
        # Need an archive and a probe, which tests of the mirrors make.
        probed = [("app", "GET", f"{at}/+metalink"), ("app", "GET", f"{one}/+log/{{date}}")]
        self.assertEqual(self.left("/mirrors"), sorted(probed))

    def test_tracker(self) -> None:
        for endpoint, prefix in (("tracker", ""), ("app", "/tracker")):
            here: dict[str, Any] = {"endpoint": endpoint}
            for path in ("/list", "/version"):
                self.ask("GET", prefix + path, **here)
            self.ask("PUT", f"{prefix}/files/{{name}}", "a", **here, body=b"a", last_modified=DATE)
            self.ask("GET", f"{prefix}/files/{{name}}", "a", **here)
            self.ask("GET", f"{prefix}/history/{{name}}", "a", **here)
            self.ask("PUT", f"{prefix}/files/{{name}}", "d/a", **here, body=b"a", last_modified=DATE)
            self.ask("GET", f"{prefix}/list/{{directory}}", "d", **here)
            for name in ("a", "d/a"):
                self.ask("DELETE", f"{prefix}/files/{{name}}", name, **here, last_modified=DATE)
        self.ask("GET", "/", endpoint="tracker")
        self.assertEqual(self.left("/", endpoint="tracker"), [])
        self.assertEqual(self.left("/tracker"), [])

    def test_spools(self) -> None:
        self.ask("GET", "/spool")
        # Needs a spool on the disk, which tests of the spools make.
        self.assertEqual(self.left("/spool"), [("app", "GET", "/spool/{kind}/{name}")])

"""Attempts at what one may not: by strangers, by people without a role, by tokens with a small scope.

What each may do is said once, in tables; that they are shown and change nothing else is tried of every view.
"""

import json
from collections.abc import Iterable
from typing import Any

from tests.attacks.world import NAME, SECRET, AttackedWorld, targets
from tests.support.servers.in_process import browser
from tests.web.support import APP, GOOD

#: What anybody is shown, by GET.
SHOWN_TO_ALL = {
    "AppRoot",
    "AppRoot +login",
    "AppRoot +logout",
    "AppRoot +openapi.json",
    "AppRoot +search",
    "AppRoot robots.txt",
    "DownloadRoot",
    "DownloadRoot robots.txt",
    "IDistribution",
    "IDistribution +mirrorlist",
    "IDistributionMirror",
    "IDistributionMirror +history",
    "IDistributionMirror +plot.svg",
    "Mirrors",
    "None",
    "OpsRoot",
    "OpsRoot metrics",
    "OpsRoot robots.txt",
    "ProtocolPath",
}
#: And a person without a role.
SHOWN_TO_BOB = {
    "AppRoot +upload",
    "AppRoot +upload-links",
    "AppRoot +uploads",
    "AppRoot events",
    "Directory",
    "DirectoryPage",
    "FilePage",
    "Files",
    "IDistribution +register",
    "IPerson",
    "ITeam",
    "UploadRoot +uploads",
    "Webhooks",
}
#: What changes the tree when a stranger does it; a failed log-in is counted.
DONE_BY_ALL = {"POST AppRoot +login", "POST UploadTarget", "PUT UploadTarget", "PUT ProtocolPath"}
DONE_BY_BOB = {"GET AppRoot events", "POST AppRoot +upload-links", "POST Webhooks"}
#: A restricted file is opened by way of a link that is made for it.
_OPENED = {f"GET ILibraryFileAlias{view}" for view in ("", " +index", " +preview")}
#: What a token of an administrator may change that has this scope alone.
DONE_WITH: dict[str, set[str]] = {
    "read": _OPENED,
    "upload": set(),
    "upload-restricted": set(),
    "machines": {
        "POST Daemon arrive",
        "POST Daemon leave",
        "POST ICodeImport",
        "POST ICodeImportMachine",
        "POST ICodeImportMachine +forget",
    },
    "spool": set(),
    "tracker:read:dir": set(),
    "tracker:write:dir": set(),
    "webhooks": {"DELETE IWebhook", "POST Webhooks"},
    "events": {"GET AppRoot events"},
    "tree": {"DELETE TreePath", "PUT TreePath", *_OPENED},
}

ANYTHING = {
    "name": "x1",
    "display_name": "X",
    "member": "bob",
    "owner": "bob",
    "active": False,
    "new": "nine red bottles",
    "password": "nine red bottles",
    "title": "t",
    "scopes": ["all"],
    "lifetime": "24h",
    "reason": "r",
    "state": "OFFLINE",
    "status": "OFFICIAL",
    "rcs_type": "GIT",
    "expires": "never",
    "size": "9GB",
}
BODIES = tuple(json.dumps(fields).encode() for fields in ({}, ANYTHING, {"url": "https://example.com/x"}))


class Privileged(AttackedWorld):
    maxDiff = None

    def visit(self, key: dict[str, str], reads: bool = False) -> tuple[set[str], set[str]]:
        """The names of the views that show something; methods and names of those that change something."""
        shown, changed = set(), set()
        for name, url, methods in targets(self.places):
            for method in methods or ("GET", "PUT", "DELETE"):
                if method in ("HEAD", "OPTIONS"):
                    continue
                for body in BODIES if method != "GET" else (b"",):
                    before = self.last_change()
                    answer = self.ask(method, url, {**key, "Content-Type": "application/json"}, body)
                    self.assertLess(answer.status_int, 500, (name, method, answer.text))
                    if method == "GET" and answer.status_int == 200:
                        shown.add(name)
                        self.assertTrue(reads or SECRET[:20] not in answer.body, name)
                    if self.last_change() != before:
                        changed.add(f"{method} {name}")
        return shown, changed

    def key(self, name: str, *scopes: str) -> dict[str, str]:
        """The Authorization field of a token that has been used before."""
        made = {"Authorization": f"Bearer {self.token(name, *scopes)}"}
        self.ask("GET", "/", made)
        return made


class Views(Privileged):
    def test_strangers(self) -> None:
        shown, changed = self.visit({})
        self.assertEqual((sorted(shown), sorted(changed)), (sorted(SHOWN_TO_ALL), sorted(DONE_BY_ALL)))

    def test_a_person_without_a_role(self) -> None:
        shown, changed = self.visit(self.key("bob", "all"))
        self.assertEqual(sorted(shown), sorted(SHOWN_TO_ALL | SHOWN_TO_BOB))
        self.assertEqual(sorted(changed), sorted(DONE_BY_ALL | DONE_BY_BOB))

    def test_a_scope_is_a_bound_for_an_administrator_too(self) -> None:
        for scope, done in DONE_WITH.items():
            _shown, changed = self.visit(self.key("amy", scope), reads=True)
            self.assertEqual(sorted(changed - DONE_BY_ALL), sorted(done), scope)


class Attempts(Privileged):
    """By hand, what no table of views would think of; `bob` has a token that may do all that he may."""

    def setUp(self) -> None:
        super().setUp()
        self.bob = self.key("bob", "all")

    def refused(self, method: str, path: str, fields: Any = None, key: Any = None, body: bytes = b"") -> None:
        before = self.last_change()
        headers = {**(self.bob if key is None else key), "Content-Type": "application/json"}
        sent = body if fields is None else json.dumps(fields).encode()
        answer = self.ask(method, path, headers, sent)
        # A PATCH of no field that there is asks for nothing, and is answered with what all may see.
        may_say = range(200, 500) if method == "PATCH" else range(400, 500)
        self.assertIn(answer.status_int, may_say, (method, path, answer.text))
        self.assertEqual(self.last_change(), before, (method, path, fields))

    def all_refused(self, method: str, path: str, bodies: Iterable[dict[str, Any]]) -> None:
        for fields in bodies:
            self.refused(method, path, fields)

    def test_to_become_an_administrator(self) -> None:
        for team in ("admins", "mirror-admins", "friends"):
            self.all_refused("POST", f"/people/{team}/+members", [{"member": "bob"}, {"member": "amy"}])
            self.all_refused("PATCH", f"/people/{team}", [{"owner": "bob"}, {"owner": ""}, {"name": "x"}])
        made = {"kind": "team", "display_name": "A", "owner": "bob"}
        self.all_refused("POST", "/people", [{**made, "name": "admins"}, {**made, "name": "Admins"}])
        for field in ("teams", "is_admin", "admin", "roles", "scopes", "name", "active", "password_hash"):
            self.all_refused("PATCH", "/people/bob", [{field: ["admins"]}, {field: True}, {field: "amy"}])

    def test_to_take_over_an_account(self) -> None:
        for current in (GOOD, "", None):
            self.refused("POST", "/people/amy/+password", {"new": "nine red bottles", "current": current})
        self.all_refused("PATCH", "/people/amy", [{"email": "bob@evil.example"}, {"active": False}])
        self.refused("POST", "/people/amy/+sessions", {})
        self.refused("DELETE", "/people/amy/+sessions")

    def test_to_have_tokens_with_more_than_one_has(self) -> None:
        wanted = {"title": "t", "scopes": ["all"]}
        self.refused("POST", "/people/amy/+tokens", wanted)
        for scopes in (("read",), ("upload", "tree"), ("tracker:read:x",), ("webhooks",)):
            self.refused("POST", "/people/bob/+tokens", wanted, self.key("bob", *scopes))
            self.refused("POST", "/people/amy/+tokens", wanted, self.key("amy", *scopes))
        for wrong in (["root"], ["all "], [""], "all,read", [["all"]], {"all": 1}):
            self.refused("POST", "/people/bob/+tokens", {"title": "t", "scopes": wrong})

    def test_to_read_or_share_what_is_restricted(self) -> None:
        path = f"/files/{self.secret['id']}"
        self.all_refused("POST", f"{path}/+tokens", [{"lifetime": "24h"}, {"lifetime": "15m", "uses": 1}])
        for view in ("+delete", "+undelete", "+holds", "+release", "+expiry", "+revoke"):
            self.all_refused("POST", f"{path}/{view}", [{"reason": "r", "expires": "never", "id": "x"}])
        for name in ("+upload", "+upload-links"):
            self.refused("POST", f"/{name}", {"restricted": True, "file": "x"})

    def test_to_change_the_named_tree_of_others(self) -> None:
        for name in (NAME, "open.txt"):
            self.refused("PUT", f"/tree/plans/{name}", body=b"mine")
            self.refused("DELETE", f"/tree/plans/{name}")
            self.refused("POST", f"/tree/plans/{name}", {"move_to": "/plans/mine"})
        self.refused("PUT", "/tree/plans/new.txt", body=b"mine")
        self.refused("PUT", "/tree/plans/../plans/open.txt", body=b"mine")
        self.refused("PUT", "/tree/plans%2Fopen.txt", body=b"mine")
        self.refused("DELETE", "/tree/plans/?recursive=yes")
        self.refused("POST", "/+upload-links", {"folder": "/plans"})

    def test_to_hear_of_the_events_of_others(self) -> None:
        hook = {"url": "https://example.com/x", "kinds": ["file.added"]}
        self.all_refused("POST", "/webhooks", [{**hook, "everything": True}, {**hook, "owner": "amy"}])
        self.refused("GET", "/events", key=self.key("bob", "read"))
        self.refused("POST", f"/webhooks/{self.hook}/+rotate", {})
        self.refused("DELETE", f"/webhooks/{self.hook}")

    def test_to_run_machines_mirrors_and_quotas(self) -> None:
        self.all_refused("POST", "/machines/+scheduler/apollo/arrive", [{}])
        self.all_refused("POST", "/machines/+scheduler/apollo/jobs/1/finish", [{"status": "SUCCESS"}])
        self.refused("PUT", "/people/bob/+quota", {"size": "9TB"})
        self.refused("POST", "/mirrors/ubuntu/amys/+review", {"status": "OFFICIAL"})
        self.refused("PATCH", "/mirrors/ubuntu", {"enabled": False})

    def test_with_credentials_that_have_ended(self) -> None:
        key = self.key("bob", "all")
        visitor = browser()
        form = visitor.get("/+login").form
        form["name"], form["password"] = "bob", GOOD
        form.submit()
        self.assertIn("bob", visitor.get("/people/bob").text)
        self.as_admin("PATCH", "/people/bob", {"active": False})
        self.refused("GET", "/people/bob", key=key)
        self.assertEqual(visitor.get("/people/bob", status="*").status_int, 303)

    def test_to_lead_a_browser_elsewhere_after_the_log_in(self) -> None:
        for onward in (
            "http://evil.example/",
            "//evil.example/",
            "/\\evil.example",
            "\\/evil.example",
            "/%09/evil.example",
            "/\t/evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "///evil.example",
            "/%0d%0aLocation:%20http://evil.example",
        ):
            visitor = browser()
            form = visitor.get("/+login", params={"next": onward}).form
            form["name"], form["password"], form["next"] = "bob", GOOD, onward
            location = form.submit().headers["Location"]
            self.assertRegex(location.removeprefix(APP), r"^/($|[^/\\\s])", onward)
            self.assertNotRegex(location, r"[\r\n\t]", onward)

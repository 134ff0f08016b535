"""The audit log: what happened, and no secret."""

import json
import tempfile
import unittest
from io import BytesIO
from pathlib import Path
from typing import Any

import transaction
from zope.component import getUtility

from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.operations import Library
from librarian.library.upkeep.garbage.collector import GarbageCollector
from librarian.security.audit import log, open_audit_log, record_at_commit
from librarian.tree.interfaces import ITree
from tests.support.layers import Functional
from tests.support.servers import in_process as http
from tests.support.world import overlay


class Auditing(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.path = Path(folder) / "logs" / "audit.log"
        with overlay(f"[librarian]\naudit_log = {self.path}"):
            open_audit_log()
            open_audit_log()  # twice is once
        self.addCleanup(self.close)

    def close(self) -> None:
        for handler in list(log.handlers):
            log.removeHandler(handler)
            handler.close()
        log.propagate = True

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def names(self) -> list[str]:
        return [event["event"] for event in self.events()]

    def add(self, **options: Any) -> Any:
        alias = getUtility(ILibraryFileAliasSet).create("f.txt", 4, BytesIO(b"data"), "text/plain", **options)
        transaction.commit()
        return alias

    def test_an_upload(self) -> None:
        answer = http.request("PUT", "http://localhost:9090/a%20b.txt", body=b"data", REMOTE_ADDR="192.0.2.7")
        [event] = self.events()
        facts = {name: event[name] for name in ("event", "alias", "filename", "size", "from", "restricted")}
        wanted = {
            "event": "file added",
            "alias": answer.json["id"],
            "filename": "a b.txt",
            "size": 4,
            "from": "192.0.2.7",
            "restricted": False,
        }
        self.assertEqual(facts, wanted)
        self.assertEqual(event["time"], "2026-03-01T12:00:00.000+00:00")

    def test_what_is_aborted_did_not_happen(self) -> None:
        getUtility(ILibraryFileAliasSet).create("f.txt", 4, BytesIO(b"data"), "text/plain")
        transaction.abort()
        transaction.commit()
        self.assertEqual(self.names() if self.path.exists() else [], [])

    def test_what_is_committed_apart_has_happened(self) -> None:
        """Whatever becomes of the transaction it was done beside."""
        tree = getUtility(ITree)
        tree.run_independently(lambda: record_at_commit("done apart", alias=1))
        self.assertEqual(self.names(), ["done apart"])
        record_at_commit("not done")
        transaction.abort()
        self.assertEqual(self.names(), ["done apart"])

    def test_a_life(self) -> None:
        alias = self.add(restricted=True)
        url = alias.getURL(include_token=True)
        for _turn in range(2):
            http.request("GET", url.replace("https://", "http://").replace(".localhost/", ".localhost:8000/"))
        transaction.begin()
        alias.revokeToken(alias.tokens()[0]["id"])
        alias.delete()
        transaction.commit()
        alias.undelete()
        transaction.commit()
        Functional.world.clock.move(days=8)
        GarbageCollector(Library()).run()
        Functional.world.clock.move(days=8)
        GarbageCollector(Library()).run()
        wanted = ["file added", "token made", "token used first", "token revoked", "file deleted"]
        wanted += ["file undeleted", "alias dropped by gc", "content dropped by gc", "bytes swept by gc"]
        self.assertEqual(self.names(), wanted)
        self.assertNotIn(url.partition("token=")[2], self.path.read_text())

    def test_refused_log_in(self) -> None:
        form = {"name": "unknown", "password": "s3cret-and-long"}
        browser = http.browser()
        page = browser.get("/+login")
        page.form.set("name", form["name"])
        page.form.set("password", form["password"])
        page.form.submit(status=403)
        self.assertEqual(self.names(), ["log-in refused"])
        self.assertNotIn("s3cret", self.path.read_text())

    def test_rotation(self) -> None:
        self.add()
        self.path.rename(self.path.with_suffix(".1"))
        self.add()
        self.assertEqual(self.names(), ["file added"])

"""Health, readiness and metrics, also when things are broken."""

import json
import unittest
from datetime import timedelta
from io import BytesIO
from unittest.mock import patch

import transaction
from prometheus_client.parser import text_string_to_metric_families
from zope.component import getUtility

from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.store.interfaces import StoreFull, StoreUnavailable
from tests.support.documents.library import damage
from tests.support.layers import Functional
from tests.support.servers import in_process as http

APP, OPS, PUBLIC = "http://localhost:6543", "http://localhost:9191", "http://localhost:8000"


class Watching(unittest.TestCase):
    layer = Functional

    def get(self, url: str, status: int = 200) -> str:
        answer = http.request("GET", url)
        self.assertEqual(answer.status_int, status, answer.text)
        text: str = answer.text
        return text


class Probes(Watching):
    def test_ready(self) -> None:
        for base in (APP, OPS):
            self.assertEqual(self.get(f"{base}/health"), "ok\n")
            self.assertEqual(self.get(f"{base}/ready"), '{"tree":"ok","store":"ok"}')
        self.get(f"{PUBLIC}/ready", 404)

    def test_clocks_apart(self) -> None:
        """A warning, as everything can be served; it is compared every ten minutes only."""
        world = Functional.world
        self.addCleanup(world.clock.move, minutes=30)
        world.clock.move(minutes=30)
        with self.assertLogs("librarian.operations.clocks", "WARNING") as logged:
            for minutes, said in ((5, "300 s behind"), (-2, "120 s ahead of")):
                world.tree.skew = timedelta(minutes=minutes)
                world.clock.move(minutes=10)
                found = [json.loads(self.get(f"{OPS}/ready"))["clock"] for _ in range(3)]
                self.assertEqual(set(found), {f"{said} the database's; see to NTP on this node"})
        self.assertEqual(len(logged.output), 2)
        world.tree.skew = timedelta(0)
        self.assertIn("clock", self.get(f"{OPS}/ready"))
        world.clock.move(minutes=10)
        self.assertNotIn("clock", self.get(f"{OPS}/ready"))

    def test_clocks_that_cannot_be_compared(self) -> None:
        Functional.world.clock.move(minutes=30)
        with patch.object(Functional.world.tree, "host_time", side_effect=OSError("no room")):
            self.assertEqual(self.get(f"{OPS}/ready"), '{"tree":"ok","store":"ok"}')

    def test_store_gone(self) -> None:
        with patch.object(Functional.world.store, "check", side_effect=StoreUnavailable(5, "it is gone")):
            self.assertEqual(self.get(f"{APP}/ready", 503), '{"tree":"ok","store":"unavailable"}')
            self.get(f"{APP}/health")

    def test_store_full(self) -> None:
        with patch.object(Functional.world.store, "check", side_effect=StoreFull(28, "no room")):
            self.assertIn("full: no room", self.get(f"{APP}/ready"))

    def test_tree_gone(self) -> None:
        with patch.object(Functional.world.tree, "session", side_effect=OSError("connection refused")):
            self.assertEqual(self.get(f"{OPS}/ready", 503), '{"tree":"unavailable","store":"ok"}')
            self.get(f"{OPS}/health")

    def test_the_check_reads_the_database(self) -> None:
        storage = Functional.world.tree._database.storage
        with patch.object(storage, "loadBefore", side_effect=OSError("read error")):
            self.get(f"{OPS}/ready", 503)
        self.get(f"{OPS}/ready")


class Metrics(Watching):
    def values(self) -> dict[tuple[str, ...], float]:
        """The samples, by name and label values."""
        families = text_string_to_metric_families(self.get(f"{OPS}/metrics"))
        samples = (sample for family in families for sample in family.samples)
        return {(sample.name, *sample.labels.values()): sample.value for sample in samples}

    def test_requests_are_counted(self) -> None:
        before = self.values()
        alias = getUtility(ILibraryFileAliasSet).create("f.txt", 5, BytesIO(b"hello"), "text/plain")
        transaction.commit()
        self.get(alias.http_url)
        self.get(f"{PUBLIC}/7/none", 404)
        http.request("BREW", f"{PUBLIC}/")
        http.request("PUT", "http://localhost:9090/f.txt", body=b"123")
        after = self.values()

        def more(*key: str) -> float:
            return after.get(key, 0) - before.get(key, 0)

        self.assertEqual(more("librarian_requests_total", "public", "GET", "200"), 1)
        self.assertEqual(more("librarian_requests_total", "public", "GET", "404"), 1)
        self.assertEqual(more("librarian_requests_total", "upload", "PUT", "201"), 1)
        self.assertEqual([key for key in after if "BREW" in key], [])
        self.assertEqual(more("librarian_request_seconds_count", "public"), 3)
        self.assertEqual(more("librarian_received_bytes_total", "upload"), 3)
        self.assertGreaterEqual(more("librarian_sent_bytes_total", "public"), 5)

    def test_the_library(self) -> None:
        alias = getUtility(ILibraryFileAliasSet).create(
            "f", 4, BytesIO(b"data"), "text/plain", restricted=True
        )
        transaction.commit()
        alias.getURL(include_token=True)
        damage(alias.content.sha256)
        Functional.world.store.quarantine(alias.content.sha256)
        values = self.values()
        self.assertEqual(values[("librarian_tokens",)], 1)
        self.assertEqual(values[("librarian_quarantined_files",)], 1)
        self.assertNotIn(("librarian_collected_timestamp_seconds",), values)

    def test_only_on_the_ops_endpoint(self) -> None:
        for base in (APP, PUBLIC):
            self.get(f"{base}/metrics", 404)

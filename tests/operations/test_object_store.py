"""An object store as operators see it: its calls in the metrics, and in /ready why it is away."""

import json
import tempfile
import unittest
from io import BytesIO
from pathlib import Path
from typing import Any

from botocore.exceptions import ReadTimeoutError
from prometheus_client import CollectorRegistry

from librarian.operations.object_store import ObjectStoreMeasurements
from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import StoreUnavailable
from librarian.store.moving.both import BothStores
from librarian.store.s3.breaker import PAUSE_SECONDS
from tests.support.layers import Functional
from tests.support.object_store import MemoryS3, Pauses, in_place_of, memory_s3_store, refusal
from tests.support.servers import in_process as http

OPS = "http://localhost:9191"
SILENT = ReadTimeoutError(endpoint_url="http://store")


class Watched(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.s3: Any = MemoryS3()
        self.pauses = Pauses()
        self.store: Any = memory_s3_store(self.s3, self.folder, Functional.world.clock, pauses=self.pauses)
        self.registry = CollectorRegistry()

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"librarian_object_store_{name}", labels) or 0.0

    def calls(self, operation: str, outcome: str) -> float:
        return self.value("calls_total", operation=operation, outcome=outcome)


class Counting(Watched):
    def setUp(self) -> None:
        super().setUp()
        self.store.observe(ObjectStoreMeasurements(self.registry))

    def test_bytes_and_answers(self) -> None:
        sha256 = self.store.put(BytesIO(b"hello")).sha256
        with self.store.open(sha256):
            pass
        self.assertEqual((self.value("sent_bytes_total"), self.value("received_bytes_total")), (5, 5))
        self.assertEqual(self.calls("put_object", "ok"), 1)
        self.assertEqual(self.calls("head_object", "missing"), 1)
        self.assertEqual(self.value("openings_total"), 0)

    def test_what_goes_wrong_by_its_kind(self) -> None:
        sha256 = self.store.put(BytesIO(b"hello")).sha256
        self.s3.refusals = [refusal("", 502), refusal("SlowDown", 503), SILENT]
        self.assertEqual(self.store.size(sha256), 5)
        for outcome in ("502", "503", "timeout", "ok"):
            with self.subTest(outcome):
                self.assertEqual(self.calls("head_object", outcome), 1)
        self.assertEqual(self.value("retries_total", operation="head_object"), 3)
        self.s3.refusals = [refusal("AccessDenied", 403)]
        self.assertRaises(StoreUnavailable, self.store.size, sha256)
        self.assertEqual(self.calls("head_object", "refused"), 1)

    def test_the_breaker_opens_and_closes(self) -> None:
        self.s3.away = True
        for _failure in range(5):
            self.assertRaises(StoreUnavailable, self.store.size, "0" * 64)
        self.assertEqual((self.value("open"), self.value("openings_total")), (1, 1))
        self.s3.away = False
        self.pauses.time += PAUSE_SECONDS
        self.store.put(BytesIO(b"hello"))
        self.assertEqual((self.value("open"), self.value("openings_total")), (0, 1))

    def test_beside_a_disk_while_bytes_move(self) -> None:
        both = BothStores(self.store, DiskStore(self.folder / "disk", Functional.world.clock))
        registry = CollectorRegistry()
        both.observe(ObjectStoreMeasurements(registry))
        both.put(BytesIO(b"hello"))
        self.assertEqual(registry.get_sample_value("librarian_object_store_sent_bytes_total"), 5)
        self.assertEqual(both.trouble(), "")


class Pages(Watched):
    def setUp(self) -> None:
        super().setUp()
        in_place_of(Functional.world.store, self.store, self)

    def ready(self, status: int) -> dict[str, str]:
        answer = http.request("GET", f"{OPS}/ready")
        self.assertEqual(answer.status_int, status)
        found: dict[str, str] = json.loads(answer.text)
        return found

    def test_ready_says_since_when_and_why(self) -> None:
        self.assertEqual(self.ready(200), {"tree": "ok", "store": "ok"})
        self.s3.refusals = [refusal("ServiceUnavailable", 503)] * 12
        for _failure in range(3):
            self.assertRaises(StoreUnavailable, self.store.size, "0" * 64)
        self.pauses.time += 1
        found = self.ready(503)
        self.assertEqual(found["store"], "unavailable")
        self.assertEqual(found["object_store"], "away for 1 s: head_object: 503")
        self.pauses.time += PAUSE_SECONDS
        self.assertEqual(self.ready(200), {"tree": "ok", "store": "ok"})

    def test_metrics_are_there_while_the_store_is_away(self) -> None:
        self.s3.away = True
        text = http.request("GET", f"{OPS}/metrics").text
        self.assertIn("librarian_tokens 0.0", text)
        self.assertNotIn("\nlibrarian_quarantined_files ", text)


del Watched  # has no test of its own

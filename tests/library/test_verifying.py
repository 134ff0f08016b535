"""A byte that changed on the disk: refused, quarantined, reported, and sent at most once."""

import hashlib
import io
import json
import os
import unittest
from io import BytesIO
from typing import Any

import transaction
from zope.component import getUtility

from librarian.interfaces import ISettings, SettingsError
from librarian.library.interfaces import ILibraryFileAliasSet, IVerifiedReads
from librarian.library.operations import Library
from librarian.library.settings import ReadSettings
from librarian.library.upkeep.verifying import SMALL, CheckedFile
from librarian.settings import Settings
from librarian.store.interfaces import BytesDamaged
from tests.support.documents.library import damage
from tests.support.layers import Functional
from tests.support.servers import in_process as http

EVENT = '"bytes damaged"'
DATED = "last_modified=Thu%2C%2001%20Jan%202026%2000%3A00%3A00%20%2B0000"
KEPT_BY_CACHES = ("ETag", "Last-Modified", "Expires")


class Reading(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.store = Functional.world.store
        self.large = os.urandom(SMALL + 1) * 5  # never seen before, as days do not pass between tests
        self.reads = getUtility(IVerifiedReads)

    def setting(self, mode: str) -> None:
        settings = getUtility(ISettings)
        settings.push("reads", f"[librarian]\nverify_reads = {mode}")
        self.addCleanup(settings.pop, "reads")

    def add(self, data: bytes, **options: Any) -> Any:
        alias = getUtility(ILibraryFileAliasSet).create(
            "f.bin", len(data), BytesIO(data), "text/plain", **options
        )
        transaction.commit()
        return alias

    def damaged(self, data: bytes, **options: Any) -> Any:
        alias = self.add(data, **options)
        damage(alias.content.sha256)
        return alias

    def assert_aside(self, alias: Any) -> None:
        self.assertEqual(list(self.store.quarantined()), [alias.content.sha256])

    def assert_unavailable(self, answer: Any) -> None:
        self.assertEqual(answer.status_int, 503)
        self.assertEqual([name for name in KEPT_BY_CACHES if name in answer.headers], [])
        self.assertEqual(answer.headers.get("Cache-Control", "no-store"), "no-store")


class Small(Reading):
    def test_no_wrong_byte_is_sent(self) -> None:
        for mode in ("daily", "always"):
            for size in (1, 1000, SMALL):
                with self.subTest(mode=mode, size=size):
                    self.setting(mode)
                    alias = self.damaged(os.urandom(size))
                    with self.assertLogs("librarian") as logged:
                        self.assert_unavailable(http.request("GET", alias.http_url))
                    [event] = [json.loads(line[line.index("{") :]) for line in logged.output if EVENT in line]
                    self.assertEqual((event["sha256"], event["aliases"]), (alias.content.sha256, [alias.id]))
                    self.assertIn(alias.content.sha256, list(self.store.quarantined()))
                    self.assert_unavailable(http.request("GET", alias.http_url))

    def test_a_range_of_it_neither(self) -> None:
        alias = self.damaged(os.urandom(1000))
        self.assert_unavailable(http.request("GET", alias.http_url, headers={"Range": "bytes=500-"}))
        self.assert_aside(alias)

    def test_a_token_is_not_used_up(self) -> None:
        data = os.urandom(1000)
        alias = self.damaged(data, restricted=True)
        url = alias.getURL(include_token=True, max_uses=1)
        transaction.commit()
        self.assert_unavailable(http.request("GET", url))
        self.store.put(BytesIO(data))
        self.assertEqual(http.request("GET", url).body, data)

    def test_a_component_neither(self) -> None:
        alias = self.damaged(b"some bytes")
        self.assertRaises(BytesDamaged, alias.read)
        self.assertRaises(BytesDamaged, alias.open)
        self.assert_aside(alias)

    def test_one_that_is_cut_short_or_longer(self) -> None:
        for data in (b"", b"some", b"some bytes and more"):
            with self.subTest(data=data):
                file = BytesIO(data)
                sha256 = self.store.put(BytesIO(b"some bytes")).sha256
                # Sound in the store: what was read wrongly is read once more.
                again = self.reads.checked(self.store, file, sha256, 10)
                self.assertEqual(again.read(), b"some bytes")
                self.assertTrue(file.closed)

    def test_a_medium_that_does_not_give_it_back(self) -> None:
        class Dying(BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                raise OSError(5, "Input/output error")

        alias = self.damaged(b"some bytes")
        with self.assertRaises(BytesDamaged):
            self.reads.checked(self.store, Dying(), alias.content.sha256, 10)
        self.assert_aside(alias)

    def test_never(self) -> None:
        self.setting("never")
        alias = self.damaged(b"some bytes")
        self.assertEqual(http.request("GET", alias.http_url).status_int, 200)
        self.assertEqual(list(self.store.quarantined()), [])


class Large(Reading):
    def test_daily_it_goes_out_once(self) -> None:
        alias = self.damaged(self.large)
        self.assertEqual(http.request("GET", alias.http_url).status_int, 200)
        self.reads.finish()
        self.assert_aside(alias)
        self.assert_unavailable(http.request("GET", alias.http_url))

    def test_daily_no_cache_keeps_what_is_not_verified(self) -> None:
        small, large = self.add(b"some bytes"), self.add(self.large)

        def told(alias: Any) -> str:
            return str(http.request("GET", alias.http_url).headers["Cache-Control"])

        kept = "public, max-age=31536000, immutable"
        self.assertEqual((told(small), told(large)), (kept, "public, no-cache"))
        self.reads.finish()
        self.assertEqual((told(small), told(large)), (kept, kept))
        Functional.world.clock.move(days=1)
        self.assertEqual((told(small), told(large)), (kept, "public, no-cache"))
        self.setting("never")
        self.assertEqual(told(large), kept)

    def test_daily_what_was_healed_is_looked_at_again(self) -> None:
        alias = self.damaged(self.large)
        http.request("GET", alias.http_url)
        self.reads.finish()
        self.store.put(BytesIO(self.large))
        damage(alias.content.sha256)
        self.assertEqual(http.request("GET", alias.http_url).status_int, 200)
        self.reads.finish()
        self.assert_aside(alias)

    def test_daily_means_every_day(self) -> None:
        alias = self.add(self.large)
        http.request("GET", alias.http_url)
        self.reads.finish()
        damage(alias.content.sha256)
        http.request("GET", alias.http_url)
        self.reads.finish()
        self.assertEqual(list(self.store.quarantined()), [])
        Functional.world.clock.move(days=1)
        http.request("GET", alias.http_url)
        self.reads.finish()
        self.assert_aside(alias)

    def test_only_what_is_sent_is_read(self) -> None:
        alias = self.damaged(self.large)
        etag = f'"{alias.content.sha256}"'
        http.request("HEAD", alias.http_url)
        http.request("GET", alias.http_url, headers={"If-None-Match": etag})
        self.reads.finish()
        self.assertEqual(list(self.store.quarantined()), [])

    def test_always_the_answer_is_cut_short(self) -> None:
        self.setting("always")
        alias = self.damaged(self.large)
        with self.assertRaises(BytesDamaged):
            http.request("GET", alias.http_url)
        self.assert_aside(alias)
        self.assert_unavailable(http.request("GET", alias.http_url))

    def test_always_before_a_part_is_sent(self) -> None:
        self.setting("always")
        alias = self.damaged(self.large)
        self.assert_unavailable(http.request("GET", alias.http_url, headers={"Range": "bytes=100000-"}))
        self.assert_aside(alias)

    def test_always_is_never_sent_by_a_front_end(self) -> None:
        """A front end would send it unread; a small one is read before it is handed over."""
        key = "0123456789abcdef" * 2
        settings = getUtility(ISettings)
        settings.push("nginx", f"[librarian]\naccel_redirect = /+bytes/\naccel_secret = {key}")
        self.addCleanup(settings.pop, "nginx")
        small, large, rotten = self.add(b"small"), self.add(self.large), self.damaged(b"rotten")

        def handed_over(alias: Any) -> bool:
            answer = http.request("GET", alias.http_url, headers={"X-Librarian-Front-End": key})
            return "X-Accel-Redirect" in answer.headers

        self.assertEqual((handed_over(small), handed_over(large)), (True, True))
        self.assert_unavailable(http.request("GET", rotten.http_url, headers={"X-Librarian-Front-End": key}))
        settings.push("always", "[librarian]\nverify_reads = always")
        self.addCleanup(settings.pop, "always")
        self.assertEqual((handed_over(small), handed_over(large)), (True, False))

    def test_always_sound_ones_arrive(self) -> None:
        self.setting("always")
        alias = self.add(self.large)
        self.assertEqual(http.request("GET", alias.http_url).body, self.large)
        answer = http.request("GET", alias.http_url, headers={"Range": "bytes=100000-"})
        self.assertEqual((answer.status_int, answer.body), (206, self.large[100000:]))
        self.assertEqual(alias.read(), self.large)

    def test_always_a_component_gets_all_or_an_error(self) -> None:
        self.setting("always")
        alias = self.damaged(self.large)
        alias.open()
        got = 0
        with self.assertRaises(BytesDamaged):
            while piece := alias.read(100_000):
                got += len(piece)
        alias.close()
        self.assertLess(got, len(self.large))
        self.assert_aside(alias)


class Checked(Reading):
    def opened(self, data: bytes, sha256: str) -> CheckedFile:
        return CheckedFile(self.reads, self.store, BytesIO(data), sha256, len(data))

    def test_in_any_order(self) -> None:
        sha256 = hashlib.sha256(self.large).hexdigest()
        file = self.opened(self.large, sha256)
        self.assertEqual(file.read(1000), self.large[:1000])
        file.seek(500)
        self.assertEqual(file.read(1000), self.large[500:1500])
        file.seek(200_000)
        self.assertEqual(file.read(1000), self.large[200_000:201_000])
        self.assertEqual(file.read(), self.large[201_000:])
        self.assertEqual(file.read(), b"")
        file.seek(0)
        self.assertEqual(file.read(), self.large)
        self.assertRaises(io.UnsupportedOperation, file.fileno)

    def test_in_any_order_the_last_piece_is_kept_back(self) -> None:
        sha256 = self.store.put(BytesIO(self.large)).sha256
        damage(sha256)
        wrong = self.large[:-1] + bytes([self.large[-1] ^ 1])
        for first, second in ((0, 200_000), (200_000, 300_000), (300_000, 200_000)):
            with self.subTest(first=first, second=second):
                file = self.opened(wrong, sha256)
                for position in (first, second):
                    file.seek(position)
                    file.read(1000)
                with self.assertRaises(BytesDamaged):
                    file.read()


class Checks(unittest.TestCase):
    def test_the_setting(self) -> None:
        for mode in ("always", "daily", "never"):
            settings = Settings({"librarian.verify_reads": mode})
            self.assertEqual(settings.section(ReadSettings).verify_reads, mode)
        with self.assertRaises(SettingsError):
            Settings({"librarian.verify_reads": "sometimes"}).section(ReadSettings)


class Others(Reading):
    def test_the_tracker(self) -> None:
        library = Library()
        for data in (b"some bytes", self.large):
            sha256 = hashlib.sha256(data).hexdigest()
            url = f"http://localhost:9999/files/a{len(data)}"
            http.request("PUT", f"{url}?{DATED}", body=data)
            damage(sha256)
            if data is self.large:
                http.request("GET", url)
                library.reads.finish()
            self.assert_unavailable(http.request("GET", url))
            self.assertIn(sha256, list(self.store.quarantined()))

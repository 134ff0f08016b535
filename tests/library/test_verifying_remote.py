"""Damage in an object store that a reader meets: judged by a second look, quarantined, reported."""

import hashlib
import json
import tempfile
import unittest
from io import BytesIO
from pathlib import Path
from typing import Any

import transaction
from zope.component import getGlobalSiteManager, getUtility, provideHandler

from librarian.library.events.interfaces import IFileDamaged
from librarian.library.generations import Generations
from librarian.library.interfaces import ILibraryFileAliasSet, IVerifiedReads
from librarian.store.cache.local import LocalCache
from librarian.store.interfaces import BytesDamaged, BytesNotFound
from tests.support.layers import Functional
from tests.support.object_store import MemoryS3, in_place_of, memory_s3_store
from tests.support.servers import in_process as http

MIB = 1 << 20
LARGE = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(9 * MIB // 32))


class RemoteDamage(unittest.TestCase):
    """`told` has the data of the events of damage."""

    layer = Functional
    has_cache = True

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.s3: Any = MemoryS3()
        self.folder = Path(folder.name)
        cache = LocalCache(self.folder / "cache", 64 * MIB, MIB) if self.has_cache else None
        if cache is not None:
            self.addCleanup(cache.finish)  # before its folder goes
        self.store: Any = memory_s3_store(
            self.s3,
            self.folder,
            Functional.world.clock,
            Generations(),
            part_size=5 * MIB,
            cache=cache,
            whole_bytes=MIB,
        )
        self.reads = getUtility(IVerifiedReads)
        self.told: list[Any] = []
        provideHandler(self.take, [IFileDamaged])
        self.addCleanup(getGlobalSiteManager().unregisterHandler, self.take, [IFileDamaged])
        in_place_of(Functional.world.store, self.store, self)

    def take(self, event: Any) -> None:
        self.told.append(event.data)

    def add(self, data: bytes) -> Any:
        files = getUtility(ILibraryFileAliasSet)
        alias = files.create("f.bin", len(data), BytesIO(data), "application/octet-stream")
        transaction.commit()
        return alias

    def key_of(self, alias: Any) -> str:
        """The key of the bytes in the bucket."""
        [key] = (key for key in self.s3.objects if key.startswith(f"files/bytes/{alias.content.sha256}"))
        return key

    def rot(self, alias: Any, at: int = 0) -> None:
        """Change a byte where it is held."""
        held = self.s3.objects[self.key_of(alias)]
        held.data = held.data[:at] + bytes([held.data[at] ^ 1]) + held.data[at + 1 :]

    def judged(self) -> list[str]:
        """The damage that events tell of, once all that is suspected was judged."""
        if self.has_cache:
            self.store._cache.finish()
        self.reads.finish()
        return [data["damage"] for data in self.told]

    def get(self, alias: Any, **headers: str) -> Any:
        return http.request("GET", alias.http_url, headers)


class WithCache(RemoteDamage):
    def test_a_download_quarantines_and_tells(self) -> None:
        alias = self.add(b"A rose is a rose.")
        self.rot(alias)
        with self.assertLogs("librarian") as logged:
            self.assertEqual(self.get(alias).status_int, 503)
            self.assertEqual(self.judged(), ["damaged"])
        self.assertEqual(self.told[0]["id"], alias.id)
        events = [json.loads(line[line.index("{") :]) for line in logged.output if '"bytes damaged"' in line]
        self.assertEqual([(event["aliases"]) for event in events], [[alias.id]])
        self.assertEqual(list(self.store.quarantined()), [alias.content.sha256])
        self.assertIn(b"librarian_quarantined_files 1.0", self.metrics())
        self.assertEqual(self.get(alias).status_int, 503)
        self.assertEqual(self.judged(), ["damaged"])  # once

    def metrics(self) -> bytes:
        answer = http.request("GET", "http://localhost:9191/metrics")
        return bytes(answer.body)

    def test_storing_the_bytes_again_heals(self) -> None:
        alias = self.add(b"A rose is a rose.")
        self.rot(alias)
        self.get(alias)
        self.judged()
        self.store.put(BytesIO(b"A rose is a rose."))
        self.assertEqual(self.get(alias).body, b"A rose is a rose.")

    def test_a_wrong_byte_that_was_sent_once_is_no_damage(self) -> None:
        alias = self.add(b"A rose is a rose.")
        sound = self.s3.objects[self.key_of(alias)].data
        self.rot(alias)
        wrong = self.s3.objects[self.key_of(alias)].data
        answers = iter([wrong, wrong])  # to the reader, twice; to the judge the right one
        answered = self.s3._get_object

        def get_object(Bucket: str, Key: str, **others: Any) -> Any:
            if Key == self.key_of(alias):
                self.s3.objects[Key].data = next(answers, sound)
            return answered(Key, **others)

        self.s3.get_object = get_object
        self.assertEqual(self.get(alias).status_int, 503)
        self.assertEqual((self.judged(), list(self.store.quarantined())), ([], []))
        self.assertEqual(self.get(alias).body, b"A rose is a rose.")

    def test_bytes_that_the_store_throws_out_itself_are_told_as_missing(self) -> None:
        alias = self.add(b"A rose is a rose.")
        self.rot(alias)
        key, answered = self.key_of(alias), self.s3._get_object

        def get_object(Bucket: str, Key: str, **others: Any) -> Any:
            answer = answered(Key, **others)
            self.s3.objects.pop(key, None)  # as Swift does
            return answer

        self.s3.get_object = get_object
        with self.assertLogs("librarian") as logged:
            self.assertEqual(self.get(alias).status_int, 503)
            self.assertEqual(self.judged(), ["missing"])
        self.assertIn('"bytes missing"', "".join(logged.output))

    def test_ranges_of_a_large_file_are_checked_from_the_first_one_on(self) -> None:
        alias = self.add(LARGE)
        self.rot(alias, at=6 * MIB)
        answer = self.get(alias, Range="bytes=100-199")  # of another slice
        self.assertEqual((answer.status_int, answer.body), (206, LARGE[100:200]))
        with self.store.open(alias.content.sha256) as file:
            file.seek(5 * MIB)
            self.assertRaises(BytesDamaged, file.read, 10)
        self.assertEqual(self.judged(), ["damaged"])
        self.assertRaises(BytesDamaged, self.store.open, alias.content.sha256)

    def test_a_large_file_of_before_is_verified_behind_its_first_range(self) -> None:
        alias = self.add(LARGE)
        for key in [key for key in self.s3.objects if key.startswith("files/slices/")]:
            del self.s3.objects[key]
        self.rot(alias, at=6 * MIB)
        self.assertEqual(self.get(alias, Range="bytes=100-199").body, LARGE[100:200])
        self.assertEqual(self.judged(), ["damaged"])

    def test_the_digests_of_slices_go_with_the_bytes(self) -> None:
        alias = self.add(LARGE)
        sha256 = alias.content.sha256
        kept = [key for key in self.s3.objects if sha256 in key]
        self.assertEqual(sorted(key.split("/")[1] for key in kept), ["bytes", "slices"])
        self.assertEqual(list(self.store.strays()), [])
        self.store._generations.condemn(sha256, 0)
        self.store.put(BytesIO(LARGE))
        kept = sorted(key.rpartition(".")[2] for key in self.s3.objects if sha256 in key)
        self.assertEqual(kept, ["1", "1"])


class WithoutCache(RemoteDamage):
    has_cache = False

    def test_a_download_quarantines_and_tells(self) -> None:
        alias = self.add(b"A rose is a rose.")
        self.rot(alias)
        self.assertEqual(self.get(alias).status_int, 503)
        self.assertEqual(self.judged(), ["damaged"])
        self.assertEqual(self.get(alias).status_int, 503)
        self.assertEqual(self.judged(), ["damaged"])

    def test_a_wrong_byte_that_is_sent_once_is_not_given(self) -> None:
        alias = self.add(b"A rose is a rose.")
        sound = self.s3.objects[self.key_of(alias)].data
        self.rot(alias)
        answered = self.s3._get_object

        def get_object(Bucket: str, Key: str, **others: Any) -> Any:
            answer = answered(Key, **others)
            self.s3.objects[Key].data = sound
            return answer

        self.s3.get_object = get_object
        self.assertEqual(self.get(alias).body, b"A rose is a rose.")
        self.assertEqual(self.judged(), [])

    def test_bytes_that_were_never_there_are_no_damage(self) -> None:
        self.assertRaises(BytesNotFound, self.store.open, "0" * 64)
        self.assertEqual(self.judged(), [])


del RemoteDamage  # has no test of its own

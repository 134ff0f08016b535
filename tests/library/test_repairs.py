"""Damage and its repair are told in pairs, whichever way whole bytes come back, on each kind of store."""

import hashlib
import json
import tempfile
import unittest
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import transaction
from zope.component import getUtility

from librarian.events.delivering import Deliverer
from librarian.events.interfaces import IWebhookSet
from librarian.library.events.interfaces import IFileAdded
from librarian.library.generations import Generations, store_and_name
from librarian.library.operations import Library
from librarian.library.upkeep.scrubbing import Scrub
from librarian.security.interaction import acting_as
from librarian.security.principals import SYSTEM
from librarian.store.copies import Copies
from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import StoredBytes
from librarian.store.moving.both import BothStores
from tests.library.test_events import announced
from tests.support.disk_world import bytes_on_disk
from tests.support.documents.library import a_copy_of
from tests.support.layers import Functional
from tests.support.object_store import MemoryS3, memory_s3_store
from tests.support.receivers import receiving
from tests.support.servers.in_process import request
from tests.web.support import PeopleInTheWorld

ROSE = b"A rose is a rose."
SHA256 = hashlib.sha256(ROSE).hexdigest()


class Repairs(unittest.TestCase):
    """`store` has its bytes in a folder; those of subclasses have theirs elsewhere."""

    layer = Functional

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.library = Library()
        self.store: Any = self.make_store()
        self.library.store = self.store
        self.heard = self.enterContext(announced())

    def make_store(self) -> Any:
        return self.a_disk("disk")

    def a_disk(self, name: str) -> DiskStore:
        return DiskStore(self.folder / name, Functional.world.clock)

    def rot(self) -> None:
        """Change two bytes where they are held."""
        self.change(self.folder / "disk")

    def lose(self) -> None:
        """Remove the bytes behind the store's back."""
        for path in self.folder.rglob(SHA256):
            path.unlink()

    def change(self, root: Path) -> None:
        (root / SHA256[:2] / SHA256[2:4] / SHA256).write_bytes(b"??" + ROSE[2:])

    def put(self) -> StoredBytes:
        stored: StoredBytes = self.store.put(BytesIO(ROSE))
        return stored

    def name(self, stored: StoredBytes) -> int:
        return self.library.add(stored, "rose.txt", "text/plain").id

    def upload(self) -> int:
        """The id of a new file."""
        found = store_and_name(self.library.tree.run_together, self.put, self.name)
        transaction.begin()
        return found

    def told(self) -> list[str]:
        """What was told of bytes since the last question, as ``damaged files/1``."""
        found = [event for event in self.heard if not IFileAdded.providedBy(event)]
        self.heard.clear()
        return sorted(f"{event.kind.removeprefix('file.')} {event.subject}" for event in found)

    def of_each(self, kind: str, *ids: int) -> list[str]:
        return sorted(f"{kind} files/{number}" for number in ids)

    def a_read_meets_damage(self) -> None:
        self.rot()
        self.assertTrue(self.library.reads.quarantine(self.store, SHA256))
        transaction.begin()

    def scrub(self, copies: Copies | None = None) -> None:
        Scrub(self.library, copies).run()
        transaction.begin()

    def test_an_upload_of_the_same_bytes(self) -> None:
        """Each file of which damage was told is told once, also one that can be brought back."""
        one, gone = self.upload(), self.upload()
        self.library.tree.run(lambda: self.library.delete(self.library.alias(gone)))
        self.told()
        self.a_read_meets_damage()
        self.assertEqual(self.told(), self.of_each("damaged", one, gone))
        self.upload()
        self.assertEqual(self.told(), self.of_each("repaired", one, gone))
        self.upload()
        self.scrub(Copies(a_copy_of(ROSE)))
        self.assertEqual(self.told(), [])
        with self.library.open(self.library.alias(one)) as file:
            self.assertEqual(file.read(), ROSE)

    def test_it_is_told_of_damage_that_a_scrub_found(self) -> None:
        one = self.upload()
        self.rot()
        self.scrub()
        self.scrub()
        self.assertEqual(self.told(), self.of_each("damaged", one))
        self.upload()
        self.assertEqual(self.told(), self.of_each("repaired", one))

    def test_a_scrub_with_copies_tells_once(self) -> None:
        one = self.upload()
        self.a_read_meets_damage()
        self.scrub(Copies(a_copy_of(ROSE)))
        self.upload()
        self.scrub()
        self.assertEqual(self.told(), self.of_each("damaged", one) + self.of_each("repaired", one))

    def test_missing_bytes(self) -> None:
        one = self.upload()
        self.lose()
        self.scrub()
        self.scrub()
        self.assertEqual(self.told(), self.of_each("damaged", one))
        self.upload()
        self.assertEqual(self.told(), self.of_each("repaired", one))

    def test_damage_that_comes_again_is_told_again(self) -> None:
        one = self.upload()
        self.a_read_meets_damage()
        two = self.upload()
        self.assertEqual(self.told(), self.of_each("damaged", one) + self.of_each("repaired", one))
        self.a_read_meets_damage()
        self.assertEqual(self.told(), self.of_each("damaged", one, two))

    def test_an_upload_that_is_aborted(self) -> None:
        """The bytes are whole, and no transaction has said so: the next scrub does."""
        one = self.upload()
        self.a_read_meets_damage()
        self.told()
        self.put()
        self.assertEqual(self.told(), [])
        self.scrub()
        self.assertEqual(self.told(), self.of_each("repaired", one))
        self.scrub()
        self.upload()
        self.assertEqual(self.told(), [])

    def test_an_upload_that_is_named_before_the_damage_is_told(self) -> None:
        one = self.upload()
        self.rot()
        quarantine, others = self.store.quarantine, []

        def and_then_an_upload(sha256: str) -> bool:
            moved: bool = quarantine(sha256)
            others.append(self.upload())
            return moved

        with patch.object(self.store, "quarantine", and_then_an_upload):
            self.library.reads.quarantine(self.store, SHA256)
        told = self.told()
        self.assertEqual(told, self.of_each("damaged", one, *others) + self.of_each("repaired", one, *others))

    def test_damage_that_is_told_while_a_transaction_names(self) -> None:
        """A transaction that began before cannot see it: it conflicts, and is done again."""
        one = self.upload()
        attempts: list[int] = []

        def work() -> int:
            assert one in self.library.subtree.aliases  # the transaction has begun to read
            if not attempts:
                self.rot()
                self.library.reads.quarantine(self.store, SHA256)
            attempts.append(1)
            return self.name(self.put())

        self.library.tree.run(work)
        self.assertEqual((len(attempts), self.told()), (2, [f"damaged files/{one}", f"repaired files/{one}"]))


class RepairsInTheNetwork(Repairs):
    def make_store(self) -> Any:
        self.s3: Any = MemoryS3()
        return memory_s3_store(self.s3, self.folder, Functional.world.clock, Generations())

    def rot(self) -> None:
        """As before, in the bucket; of the last generation."""
        key = max(key for key in self.s3.objects if key.startswith(f"files/bytes/{SHA256}"))
        self.s3.objects[key].data = b"??" + ROSE[2:]

    def lose(self) -> None:
        for key in [key for key in self.s3.objects if key.startswith(f"files/bytes/{SHA256}")]:
            del self.s3.objects[key]


class RepairsWhileBytesMove(Repairs):
    """`store` is two, of folders, and the bytes are in the one that is left."""

    def make_store(self) -> Any:
        self.old = self.a_disk("disk")
        self.new = self.a_disk("new")
        return BothStores(self.new, self.old)

    def rot(self) -> None:
        """As before, wherever there is a copy."""
        for name in ("disk", "new"):
            if (self.folder / name / SHA256[:2] / SHA256[2:4] / SHA256).exists():
                self.change(self.folder / name)

    def test_a_sound_copy_in_the_other_store(self) -> None:
        """It is served from then on: the damage that was met is over."""
        one = self.upload()
        self.old.put(BytesIO(ROSE))
        self.change(self.folder / "new")
        self.scrub()
        self.assertEqual(self.told(), [f"damaged files/{one}", f"repaired files/{one}"])


class OverHTTP(PeopleInTheWorld):
    """What a program does that lost its file, and what the receiver of a webhook is told."""

    def put(self) -> str:
        """The URL of the file."""
        answer = request("PUT", "http://localhost:9090/rose.txt", {"Content-Type": "text/plain"}, ROSE)
        self.assertEqual(answer.status_int, 201)
        return str(answer.json["url"])

    def delivered(self, receiver: Any) -> list[str]:
        Deliverer().run()
        got = [json.loads(body) for _url, _headers, body in receiver.got]
        receiver.got.clear()
        return [event["type"] for event in got]

    def test_the_bytes_are_sent_again(self) -> None:
        root = bytes_on_disk(self, self.world.store)
        receiver = self.enterContext(receiving())
        with acting_as(SYSTEM):
            getUtility(IWebhookSet).newForEverything("https://example.com/hook")
        transaction.commit()
        url = self.put()
        (root / SHA256[:2] / SHA256[2:4] / SHA256).write_bytes(b"??" + ROSE[2:])
        self.assertEqual(request("GET", url).status_int, 503)
        self.assertEqual(self.delivered(receiver), ["file.added", "file.damaged"])
        self.put()
        self.assertEqual(request("GET", url).body, ROSE)
        told = sorted(self.delivered(receiver))  # of two files, so in either order
        self.assertEqual(told, ["file.added", "file.repaired"])

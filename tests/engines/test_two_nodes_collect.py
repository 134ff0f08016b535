"""Two nodes upload the same bytes, again and again, while both collect what nothing names."""

import threading
import time
import unittest
from io import BytesIO
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from zope.component import getGlobalSiteManager, getUtility

from librarian.interfaces import IClock
from librarian.library.generations import Generations, store_and_name
from librarian.library.model.subtree import LibrarySubtree
from librarian.library.operations import Library
from librarian.store.interfaces import BytesRetired
from librarian.tree.interfaces import ITree
from librarian.tree.service import Tree
from tests.support.layers import Functional
from tests.support.object_store import MemoryS3, memory_s3_store
from tests.support.servers.engines import ZeoServer

DATA = [b"A rose is a rose.", b"is a rose."]
UPLOADS = 40  # of each node
SECONDS = 120.0


class Node:
    """One process's tree, store and library."""

    def __init__(self, uri: str, s3: Any, folder: Path) -> None:
        self.tree = Tree.from_uri(uri)
        self.tree.bring_up_to_date()
        registry, before = getGlobalSiteManager(), getUtility(ITree)
        registry.registerUtility(self.tree, ITree)
        self.library = Library()
        registry.registerUtility(before, ITree)
        self.store = memory_s3_store(s3, folder, getUtility(IClock), Generations(self.tree))

    @property
    def subtree(self) -> LibrarySubtree:
        found: LibrarySubtree = self.tree.subtree("library")
        return found

    def upload(self, data: bytes) -> Any:
        """The id of a new file, and the digest of its bytes."""

        def name(stored: Any) -> tuple[int, str]:
            return self.library.add(stored, "rose.txt", "text/plain").id, stored.sha256

        return store_and_name(self.tree.run_together, lambda: self.store.put(BytesIO(data)), name)

    def read(self, sha256: str) -> bytes:
        with self.store.open(sha256) as file:
            return file.read()

    def drop(self, number: int) -> None:
        self.tree.run(lambda: self.subtree.drop(self.subtree.alias(number)))

    def collect(self) -> None:
        """Contents that nothing names, and then the bytes of all that have none, however young."""

        def drop_contents() -> list[str]:
            subtree = self.subtree
            keys = list(subtree.contents)
            for key in set(keys) - subtree.named_among(keys):
                subtree.drop_content(subtree.contents[key])
            return [key.hex() for key in keys]

        for sha256 in self.tree.run(drop_contents):
            self.store.remove(sha256)


class SameBytes(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        server = ZeoServer()
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        server.start()
        self.s3: Any = MemoryS3()
        self.s3.delays_deletes = True
        folder = Path(self.enterContext(TemporaryDirectory()))
        self.nodes = [Node(server.uri, self.s3, folder / f"{number}") for number in range(2)]
        for node in self.nodes:
            self.addCleanup(node.tree.close)
        self.ended = threading.Event()
        self.wrong: list[str] = []
        self.removed = 0

    def uploads(self, number: int) -> None:
        node, other, chance = self.nodes[number], self.nodes[1 - number], Random(number)
        try:
            for _turn in range(UPLOADS):
                data = chance.choice(DATA)
                file, sha256 = node.upload(data)
                for reader in (node, other):
                    if reader.read(sha256) != data:
                        self.wrong.append("other bytes")
                node.drop(file)
        except Exception as error:  # noqa: BLE001  # of whatever kind, it is one too many
            self.wrong.append(repr(error))

    def collects(self, node: Node) -> None:
        while not self.ended.is_set():
            try:
                node.collect()
            except BytesRetired as error:
                self.wrong.append(repr(error))
            if len(self.s3.delayed) > 5:
                self.removed += len(self.s3.delayed)
                self.s3.land()

    def test_each_that_was_acknowledged_is_read_on_both(self) -> None:
        collectors = [threading.Thread(target=self.collects, args=(node,)) for node in self.nodes]
        uploaders = [threading.Thread(target=self.uploads, args=(number,)) for number in range(2)]
        deadline = time.monotonic() + SECONDS
        for thread in (*collectors, *uploaders):
            thread.start()
        for thread in uploaders:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.ended.set()
        for thread in collectors:
            thread.join(SECONDS)
        self.assertEqual(self.wrong, [])
        self.assertGreater(self.removed, 0)

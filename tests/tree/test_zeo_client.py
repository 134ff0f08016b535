"""A ZEO client whose server is slow at a bad moment: it falls behind nothing, and is connected in the end."""

import threading
import time
import unittest
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from signal import SIGKILL
from struct import pack
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from persistent.mapping import PersistentMapping
from ZEO.ClientStorage import ClientStorage
from ZEO.Exceptions import ClientDisconnected
from ZEO.StorageServer import StorageServer, ZEOStorage
from ZODB.FileStorage.format import TRANS_HDR
from ZODB.MappingStorage import MappingStorage
from ZODB.utils import p64, u64

from librarian.tree.engines import zeo_cache
from librarian.tree.engines.watch import PAUSE_SECONDS, Watch
from librarian.tree.engines.zeo import ZeoEngine
from librarian.tree.engines.zeo_cache import ping_until_heard
from librarian.tree.service import Tree
from tests.support.servers.engines import ZeoServer

SECONDS = 30.0


def write(tree: Tree, number: int) -> None:
    tree.run(lambda: tree.root().setdefault("thing", PersistentMapping()).update(number=number))


def number_in(tree: Tree) -> Any:
    with tree.session() as root:
        return root["thing"]["number"]


class Overtaken(unittest.TestCase):
    """A question asked after a commit was acknowledged, and read before word of the commit goes out."""

    def setUp(self) -> None:
        folder = self.enterContext(TemporaryDirectory())
        self.host, self.guest = (self.opened(folder) for _which in range(2))
        self.loop = self.host._database.storage._server.acceptor.event_loop

    def opened(self, folder: str) -> Tree:
        tree = Tree.from_uri(f"file://{folder}/Data.fs")
        self.addCleanup(tree.close)
        if not hasattr(self, "host"):
            write(tree, 0)
            tree.share()
        self.host = getattr(self, "host", tree)
        return tree

    def blocked(self) -> tuple[threading.Event, threading.Event]:
        """Have the loop of the server stand still from the first event to the second."""
        begun, goes_on = threading.Event(), threading.Event()

        def stand() -> None:
            begun.set()
            goes_on.wait(SECONDS)

        self.loop.call_soon_threadsafe(stand)
        return begun, goes_on

    def asked(self, work: Callable[[], Any]) -> threading.Thread:
        """Do work of the guest in a thread, once its question is on the way to the server."""
        protocol = self.guest._database.storage._server.client.protocol
        write_message, sent = protocol.write_message, threading.Event()

        def note(message: bytes) -> None:
            write_message(message)
            sent.set()

        with patch.object(protocol, "write_message", note):
            thread = threading.Thread(target=work)
            thread.start()
            self.assertTrue(sent.wait(SECONDS))
        self.addCleanup(thread.join, SECONDS)
        return thread

    def test_no_answer_is_no_connection(self) -> None:
        _begun, goes_on = self.blocked()
        self.addCleanup(goes_on.set)
        with patch.object(zeo_cache, "ANSWER_SECONDS", 0.05), self.assertRaises(ClientDisconnected):
            number_in(self.guest)

    def test_what_was_acknowledged_is_seen(self) -> None:
        self.assertEqual(number_in(self.guest), 0)
        begun, goes_on = self.blocked()
        self.assertTrue(begun.wait(SECONDS))
        first = self.asked(self.guest.catch_up)
        second_begun, second_goes_on = self.blocked()
        goes_on.set()  # the loop finds the first question, and stands still before it reads it
        self.assertTrue(second_begun.wait(SECONDS))
        write(self.host, 1)
        found: list[Any] = []
        second = self.asked(lambda: found.append(number_in(self.guest)))
        second_goes_on.set()
        for thread in (first, second):
            thread.join(SECONDS)
        self.assertEqual(found, [1])

    def test_a_number_that_no_commit_has_keeps_none_waiting(self) -> None:
        calls: list[str] = []

        class Storage:
            def lastTransaction(self) -> bytes:
                return b"\0" * 8

            def _call(self, name: str, wait: bool) -> Future[bytes | None]:
                calls.append(name)
                answer: Future[bytes | None] = Future()
                answer.set_result(b"\1" * 8 if name == "lastTransaction" else None)
                return answer

        ping_until_heard(Storage())()
        self.assertEqual(calls, ["lastTransaction", "ping"])


class Behind(unittest.TestCase):
    """A server whose last transaction is older than what it told its client before it was killed."""

    def setUp(self) -> None:
        self.server = ZeoServer()
        self.addCleanup(self.server.remove)
        self.addCleanup(self.server.stop, SIGKILL)
        self.server.start()
        self.file = self.server.folder / "Data.fs"
        self.tree = self.opened()
        write(self.tree, 1)

    def opened(self) -> Tree:
        tree = Tree.from_uri(self.server.uri)
        self.addCleanup(tree.close)
        tree.watch(SECONDS)
        return tree

    def restart(self, tree: Tree, change: Callable[[], object] = lambda: None) -> None:
        """Kill the server, change something, and start it again; wait until the client is connected."""
        storage = tree._database.storage
        self.server.stop(SIGKILL)
        deadline = time.monotonic() + SECONDS
        while storage.is_connected():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        change()
        self.server.start()
        while not storage.is_connected() or tree._watch is None or tree._watch.is_away:
            self.assertLess(time.monotonic(), deadline, "the client is not connected")
            time.sleep(0.01)

    def cut_off_in_a_commit(self) -> None:
        """As a server leaves its file that is killed while it writes a transaction."""
        later = p64(u64(self.tree._database.lastTransaction()) + (1 << 16))
        with self.file.open("ab") as file:
            file.write(pack(TRANS_HDR, later, 10_000, b" ", 0, 0, 0) + b"the beginning")

    def test_one_that_named_a_transaction_which_it_then_cut_off(self) -> None:
        last = self.tree._database.lastTransaction()
        self.restart(self.tree, self.cut_off_in_a_commit)
        new = self.opened()
        self.assertEqual(number_in(new), 1)
        self.assertGreater(new._database.lastTransaction(), last)
        self.restart(new)
        self.assertEqual(new._database.lastTransaction(), last)
        write(self.tree, 2)
        self.assertEqual(number_in(new), 2)

    def test_one_whose_file_was_set_back(self) -> None:
        former, told = self.file.read_bytes(), list[Any]()
        write(self.tree, 2)
        self.assertEqual(number_in(self.tree), 2)
        self.tree.on_change(told.append)
        self.restart(self.tree, lambda: self.file.write_bytes(former))
        self.assertEqual(number_in(self.tree), 1)  # not from a cache
        self.assertIn(None, told)  # nothing else that is remembered counts


class Slow(unittest.TestCase):
    """A server that takes longer to greet a client than the watch pauses between two questions."""

    def setUp(self) -> None:
        address = str(Path(self.enterContext(TemporaryDirectory()), "socket"))
        server = StorageServer(address, {"1": MappingStorage()})
        server.start_thread()
        self.addCleanup(server.close)
        self.storage = ClientStorage(address, wait_timeout=SECONDS)
        self.addCleanup(self.storage.close)

    def test_it_is_not_broken_off(self) -> None:
        engine, greeted, get_info = ZeoEngine(self.storage), set[Any](), ZEOStorage.get_info

        def get_info_slowly(storage: Any) -> Any:
            greeted.add(storage)
            threading.Event().wait(4 * PAUSE_SECONDS)
            return get_info(storage)

        watch = Watch(engine, SECONDS)
        self.addCleanup(watch.join)
        self.addCleanup(watch.stop)
        with patch.object(ZEOStorage, "get_info", get_info_slowly):
            engine._in_loop(engine._drop)  # as a lost connection does
            watch.start()
            deadline = time.monotonic() + SECONDS
            while not greeted or engine.is_gone():
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)
        self.assertEqual(len(greeted), 1)  # there is one for each connection

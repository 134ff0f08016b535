"""One FileStorage for a server and the commands beside it, whatever order they come and go in."""

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from unittest import mock

import transaction
import zope.event
from persistent.mapping import PersistentMapping
from ZEO.Exceptions import ClientDisconnected
from ZEO.StorageServer import Closed
from ZODB.DB import DB

from librarian.tree.engines import sharing
from librarian.tree.engines.sharing import GuestStorage, HostStorage
from librarian.tree.interfaces import TreeUnavailable
from librarian.tree.service import Tree
from tests.support.servers.forked import with_path

# Another process: says which kind of storage it got, then adds 1 to "n" for each line it reads.
OTHER = """
import sys
from librarian.tree.service import Tree
tree = Tree.from_uri(sys.argv[1])
if "share" in sys.argv:
    tree.share()
print(type(tree._database.storage).__name__, flush=True)
def add():
    tree.root()["n"] = tree.root().get("n", 0) + 1
    return tree.root()["n"]
for line in sys.stdin:
    print(tree.run(add), flush=True)
tree.close()
"""

# A guest that stops where it hurts most: it has the commit lock and does not end its transaction.
STUCK = """
import sys
from ZODB.Connection import TransactionMetaData
from librarian.tree.engines.sharing import GuestStorage
storage, transaction = GuestStorage(sys.argv[1]), TransactionMetaData()
storage.tpc_begin(transaction)
storage.store(storage.new_oid(), bytes(8), b"half", "", transaction)
storage.tpc_vote(transaction)
print("voted", flush=True)
sys.stdin.read()
"""


def await_loop(event: object) -> None:
    """Lets the loop of a ZEO server that closes end before it is asked to end connections, as may happen."""
    if isinstance(event, Closed):
        for thread in threading.enumerate():
            if thread.name.startswith("StorageServer"):
                thread.join(30)


class Other:
    """A process with the same database open."""

    def __init__(self, uri: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OTHER, uri, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=with_path(os.environ),
        )
        self.kind = self._line()

    def add(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self._line())

    def end(self, how: signal.Signals | None = None) -> None:
        if how is not None:
            self.process.send_signal(how)
        self.process.communicate(timeout=30)

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


class Shared(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="librarian-sharing-")
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "tree" / "Data.fs"
        self.socket = self.path.with_name("Data.fs.sock")
        self.uri = f"file://{self.path}"

    def tree(self) -> Tree:
        tree = Tree.from_uri(self.uri)
        self.addCleanup(tree.close)
        return tree

    def other(self, *arguments: str) -> Other:
        other = Other(self.uri, *arguments)
        self.addCleanup(other.end, signal.SIGKILL)
        return other

    def add(self, tree: Tree) -> int:
        def work() -> int:
            tree.root()["n"] = tree.root().get("n", 0) + 1
            n: int = tree.root()["n"]
            return n

        return tree.run(work)

    def test_each_side_sees_what_the_other_has_just_committed(self) -> None:
        tree = self.tree()
        tree.share()
        guest = self.other()
        self.assertEqual(guest.kind, "GuestStorage")
        seen = []
        for _turn in range(20):
            seen += [self.add(tree), guest.add()]
            with tree.session() as root:
                seen.append(root["n"])
        self.assertEqual(seen, [n for turn in range(20) for n in (2 * turn + 1, 2 * turn + 2, 2 * turn + 2)])

    def test_both_sides_at_the_same_time_lose_nothing(self) -> None:
        tree = self.tree()
        tree.share()
        guests = [self.other(), self.other()]
        writers = [threading.Thread(target=lambda: [self.add(tree) for _ in range(60)])]
        writers += [threading.Thread(target=lambda g=g: [g.add() for _ in range(60)]) for g in guests]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        with tree.session() as root:
            self.assertEqual(root["n"], 180)

    def test_object_ids_that_a_guest_has_in_stock_are_not_used_after_a_restart_of_the_host(self) -> None:
        """The next host gives them out anew; the guest had "A different object already has the same oid"."""
        host = self.tree()
        host.share()
        guest = Tree(DB(GuestStorage(str(self.socket))))
        self.addCleanup(guest.close)
        guest._database.storage.new_oid()  # takes a hundred
        host.close()
        host = self.tree()
        host.share()
        host.run(lambda: host.root().update(hosts=[PersistentMapping() for _number in range(150)]))
        guest._database.storage._server.wait(30)

        def add() -> None:
            for each in guest.root()["hosts"]:
                each.keys()  # loads it
            guest.root()["guests"] = [PersistentMapping() for _number in range(20)]

        with guest.session():
            add()
            transaction.commit()  # not repeated
            self.assertEqual(len(guest.root()["guests"]), 20)

    def test_a_host_that_closes_ends_all_connections(self) -> None:
        """ZEO's own server ends those that it comes to before its loop stops: a guest waited for ever."""
        host = self.tree()
        host.share()
        guest = GuestStorage(str(self.socket))
        self.addCleanup(guest.close)
        guest._server.timeout = 0  # seconds; a call does not wait for a connection
        stranger = socket.socket(socket.AF_UNIX)
        self.addCleanup(stranger.close)
        stranger.settimeout(30)
        stranger.connect(str(self.socket))
        self.assertTrue(stranger.recv(64))  # it is greeted, and says nothing itself
        with mock.patch.object(zope.event, "subscribers", [*zope.event.subscribers, await_loop]):
            host.close()
        self.assertEqual(stranger.recv(64), b"")
        with self.assertRaises(ClientDisconnected):
            guest._server.call("lastTransaction", wait=False).result(30)

    def test_only_the_owner_can_connect(self) -> None:
        self.tree().share()
        found = self.socket.stat()
        self.assertTrue(stat.S_ISSOCK(found.st_mode))
        self.assertEqual(stat.S_IMODE(found.st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.path.parent.stat().st_mode), 0o700)

    def test_the_socket_of_a_killed_server_does_no_harm(self) -> None:
        server = self.other("share")
        self.assertEqual((server.kind, server.add()), ("HostStorage", 1))
        server.end(signal.SIGKILL)
        self.assertTrue(self.socket.is_socket())
        command = self.other()
        self.assertEqual((command.kind, command.add()), ("HostStorage", 2))
        command.end()
        again = self.other("share")
        self.assertEqual((again.kind, again.add()), ("HostStorage", 3))
        self.assertEqual(self.other().kind, "GuestStorage")

    def test_a_server_takes_its_socket_along_when_it_ends(self) -> None:
        tree = self.tree()
        tree.share()
        tree.close()
        self.assertFalse(self.socket.exists())
        self.assertEqual(self.other().kind, "HostStorage")

    def test_a_guest_that_dies_blocks_no_commit(self) -> None:
        tree = self.tree()
        tree.share()
        guest = self.other()
        guest.add()
        guest.end(signal.SIGKILL)
        self.assertEqual(self.add(tree), 2)

    def test_a_guest_that_stops_in_its_commit_is_disconnected(self) -> None:
        tree = self.tree()
        with mock.patch.object(sharing, "LONGEST_COMMIT_SECONDS", 0.5):
            tree.share()
        stuck = subprocess.Popen(
            [sys.executable, "-c", STUCK, str(self.socket)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=with_path(os.environ),
        )
        self.addCleanup(stuck.communicate)
        assert stuck.stdout is not None
        self.assertEqual(stuck.stdout.readline(), b"voted\n")
        with self.assertLogs("librarian.tree.engines.sharing", "ERROR"):
            self.assertEqual(self.add(tree), 1)

    def test_a_guest_outlives_a_restart_of_the_server(self) -> None:
        server = self.other("share")
        guest = self.other()
        self.assertEqual(guest.add(), 1)
        server.end(signal.SIGKILL)
        again = self.other("share")
        self.assertEqual((again.kind, guest.add(), again.add()), ("HostStorage", 2, 3))

    def test_a_second_server_is_refused(self) -> None:
        self.other("share")
        second = self.tree()
        self.assertIsInstance(second._database.storage, GuestStorage)
        self.assertRaises(TreeUnavailable, second.share)

    def test_one_that_does_not_share_is_waited_for_and_then_named(self) -> None:
        self.tree()
        with (
            mock.patch.object(sharing, "PATIENCE_SECONDS", 0.2),
            self.assertRaises(TreeUnavailable) as caught,
        ):
            Tree.from_uri(self.uri)
        self.assertIn("another process has it open, and does not answer", str(caught.exception))

    def test_a_command_waits_for_one_that_is_about_to_end(self) -> None:
        first = Tree.from_uri(self.uri)
        timer = threading.Timer(0.3, first.close)
        timer.start()
        self.assertIsInstance(self.tree()._database.storage, HostStorage)
        timer.join()

    def test_a_path_too_long_for_a_socket_is_no_obstacle(self) -> None:
        self.path = self.path.parent.joinpath("a" * 100, "b" * 100, "Data.fs")
        self.uri = f"file://{self.path}"
        tree = self.tree()
        tree.share()
        guest = self.other()
        self.assertEqual((guest.kind, guest.add(), self.add(tree)), ("GuestStorage", 1, 2))

    def test_a_pack_through_the_socket_packs_the_file(self) -> None:
        tree = self.tree()
        tree.share()
        for _turn in range(50):
            self.add(tree)
        before = self.path.stat().st_size
        program = "import sys; from librarian.tree.service import Tree; Tree.from_uri(sys.argv[1]).pack(0)"
        subprocess.run([sys.executable, "-c", program, self.uri], env=with_path(os.environ), check=True)
        self.assertLess(self.path.stat().st_size, before / 10)
        self.assertEqual(self.add(tree), 51)

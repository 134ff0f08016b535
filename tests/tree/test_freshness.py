"""Whether a process knows that it has heard of every commit, in each of the processes of one machine."""

import fcntl
import os
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from persistent.mapping import PersistentMapping
from ZODB.utils import p64, u64

from librarian.tree.engines import last_commit
from librarian.tree.engines.last_commit import UNKNOWN, LastCommit, name_of_uri
from librarian.tree.service import Tree
from tests.support.locks import Beside
from tests.support.servers.forked import with_path


def write(tree: Tree, number: int) -> None:
    tree.run(lambda: tree.root().setdefault("thing", PersistentMapping()).update(number=number))


class Names(unittest.TestCase):
    def test_options_and_users_do_not_make_another_database(self) -> None:
        for first, *others in (
            (
                "zeo:///srv/zeo.sock",
                "zeo:///srv/zeo.sock?cache_size=64MB",
                "zeo:///srv/zeo.sock?wait_timeout=1",
            ),
            ("postgres://db:5432/library", "postgres://a:s@db:5432/library?driver=psycopg2"),
        ):
            self.assertEqual({name_of_uri(first)}, set(map(name_of_uri, others)))
        different = ("zeo:///a", "zeo:///b", "zeo://a:1", "zeo://a:2", "postgres://a/b", "postgres://a/c")
        self.assertEqual(len(set(map(name_of_uri, different))), 6)


class HostAndGuest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(TemporaryDirectory()))
        self.host = self.opened()
        write(self.host, 0)
        self.host.share()
        self.guest = self.opened()
        self.told = 0
        self.guest.on_change(self.count)

    def opened(self) -> Tree:
        tree = Tree.from_uri(f"file://{self.folder}/Data.fs")
        self.addCleanup(tree.close)
        return tree

    def count(self, oids: Any) -> None:
        self.told += 1

    def wait_until_fresh(self) -> None:
        deadline = time.monotonic() + 30
        while not self.guest.is_fresh(False):
            self.assertLess(time.monotonic(), deadline)

    def test_at_first_and_without_a_question_after_commits_of_either(self) -> None:
        self.wait_until_fresh()
        for tree in (self.host, self.guest):
            write(tree, 1)
            self.assertTrue(self.host.is_fresh(False))
            self.wait_until_fresh()

    def test_it_never_takes_itself_for_fresh_before_it_has_heard(self) -> None:
        for number in range(1, 201):
            write(self.host, number)
            if not self.guest.is_fresh(False):
                self.guest.catch_up()
            self.assertEqual(self.told, number)

    def test_as_long_as_word_of_a_commit_is_on_its_way(self) -> None:
        self.wait_until_fresh()
        arrived = threading.Event()
        storage = self.guest._database.storage
        hear = storage.invalidateTransaction

        def hear_late(*arguments: Any) -> None:
            arrived.wait(30)
            hear(*arguments)

        storage.invalidateTransaction = hear_late
        write(self.host, 1)
        self.assertFalse(self.guest.is_fresh(False))
        question = threading.Thread(target=self.guest.catch_up)
        question.start()
        self.assertEqual(self.told, 0)
        arrived.set()
        question.join(30)
        self.assertEqual((self.told, self.guest.is_fresh(False)), (1, True))


class Hosts(unittest.TestCase):
    """One host after another."""

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(TemporaryDirectory()))

    def opened(self) -> Tree:
        tree = Tree.from_uri(f"file://{self.folder}/Data.fs")
        self.addCleanup(tree.close)
        return tree

    def test_a_guest_is_fresh_again_with_the_next_one(self) -> None:
        for kill in (False, True):
            with self.subTest(killed=kill):
                host = subprocess.Popen(
                    [sys.executable, "-c", _HOST, f"file://{self.folder}/Data.fs"],
                    env=with_path(os.environ),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
                assert host.stdout is not None
                self.assertEqual(host.stdout.readline(), b"shared\n")
                guest = self.opened()
                write(guest, 1)
                if kill:
                    host.kill()
                host.communicate()
                if not kill:
                    self.assertFalse(guest.is_fresh(False))
                self.follow(guest)

    def follow(self, guest: Tree) -> None:
        successor = self.opened()
        successor.share()
        write(successor, 2)
        deadline = time.monotonic() + 30
        while not guest.is_fresh(False):
            self.assertLess(time.monotonic(), deadline)
            try:
                guest.catch_up()
            except Exception:  # noqa: BLE001  # it is not connected again yet
                time.sleep(0.05)
        with guest.session() as root:
            self.assertEqual(root["thing"]["number"], 2)
        guest.close()
        successor.close()


_HOST = """
import sys
from librarian.tree.service import Tree
tree = Tree.from_uri(sys.argv[1])
tree.share()
print("shared", flush=True)
sys.stdin.read()
tree.close()
"""


class Number(unittest.TestCase):
    def setUp(self) -> None:
        self.name = f"test {os.getpid()} {id(self)}"
        self.number = LastCommit(self.name, create=True)
        self.addCleanup(self.number.withdraw)

    def test_the_greatest_of_many_processes_stays(self) -> None:
        command, environ = [sys.executable, "-c", _RAISE, self.name], with_path(os.environ)
        children = [subprocess.Popen([*command, str(turn)], env=environ) for turn in range(4)]
        self.assertEqual([child.wait(60) for child in children], [0] * 4)
        self.assertEqual(u64(self.number.tid), 4 * 2000 - 1)

    def test_a_greater_one_that_is_written_meanwhile_stays(self) -> None:
        other = LastCommit(self.name, create=True)
        self.addCleanup(other.close)
        with Beside() as beside, Path(self.number._path).open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # a third process is about to write
            self.assertEqual(beside.begin(lambda: other.raise_to(p64(5))), "waits")
            self.number.set(p64(9))
        self.assertEqual(u64(self.number.tid), 9)

    def test_where_there_is_none_it_is_unknown(self) -> None:
        absent = LastCommit(self.name + "?", create=False)
        self.assertEqual(absent.tid, UNKNOWN)
        absent.raise_to(p64(5))
        absent.close()

    def test_the_last_process_removes_it(self) -> None:
        path, other = Path(self.number._path), LastCommit(self.name, create=True)
        self.number.raise_to(p64(5))
        self.number.close()
        self.assertEqual((path.exists(), other.tid), (True, p64(5)))
        other.close()
        self.assertFalse(path.exists())

    def test_one_that_was_removed_while_it_was_opened_is_made_anew(self) -> None:
        lock, path = last_commit._lock, Path(self.number._path)

        def meet(*arguments: Any) -> None:
            if not removed:
                path.unlink()
                removed.append(path)
            lock(*arguments)

        removed: list[Path] = []
        with patch.object(last_commit, "_lock", meet):
            other = LastCommit(self.name, create=True)
        self.addCleanup(other.withdraw)
        self.assertEqual(os.fstat(other._file).st_ino, path.stat().st_ino)

    def test_the_next_process_removes_what_a_killed_one_has_left(self) -> None:
        names = [f"{self.name} {which}" for which in ("killed", "running")]
        children = []
        for name in names:
            command = [sys.executable, "-c", _HOLD, name]
            child = subprocess.Popen(
                command, env=with_path(os.environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            self.addCleanup(child.communicate)
            assert child.stdout is not None
            children.append((child, Path(child.stdout.readline().decode().strip())))
        (killed, left), (_running, held) = children
        killed.kill()
        killed.wait()
        LastCommit(self.name, create=True).close()
        self.assertTrue(left.exists())  # it may be a moment old
        for path in (left, held):
            os.utime(path, (0, 0))
        LastCommit(self.name, create=True).close()
        self.assertEqual((left.exists(), held.exists()), (False, True))

    def test_a_file_that_others_may_write_is_not_believed(self) -> None:
        Path(self.number._path).chmod(0o666)
        other = LastCommit(self.name, create=True)
        self.number.set(p64(7))
        self.assertEqual(other.tid, UNKNOWN)


_HOLD = """
import sys
from librarian.tree.engines.last_commit import LastCommit
number = LastCommit(sys.argv[1], create=True)
print(number._path, flush=True)
sys.stdin.read()
number.close()
"""

_RAISE = """
import sys
from ZODB.utils import p64
from librarian.tree.engines.last_commit import LastCommit
number = LastCommit(sys.argv[1], create=False)
for step in range(2000):
    number.raise_to(p64(4 * step + int(sys.argv[2])))
"""

"""The tree is gone, half gone, or another one, and the bytes are there: nothing is swept or made up.

Each test puts a real installation into a state on disk, and starts the real server and commands on it.
"""

import os
import shutil
import time
import unittest
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.servers.librarian import NotServing, ServerProcess

COMMANDS = cycle(["gc", "sweep", "backup to", "fsck", "pack"])  # each state is met by another one
LONG_AGO_SECONDS = 3 * 86_400  # longer than the sweep's grace


class WithALibrary(unittest.TestCase):
    """A server that has served one file, whose bytes are old enough for a sweep, and was killed."""

    def setUp(self) -> None:
        self.server = ServerProcess()
        self.addCleanup(self.server.remove)
        self.addCleanup(self.server.kill)
        self.server.start()
        self.url = self.put("kept.txt", b"kept" * 100)
        self.server.kill()
        self.tree = self.server.folder / "tree" / "Data.fs"
        for path in self.held():
            os.utime(path, (time.time() - LONG_AGO_SECONDS,) * 2)

    def put(self, name: str, data: bytes) -> str:
        answer = self.server.request("PUT", self.server.urls["upload"] + name, body=data)
        self.assertEqual(answer.status, 201)
        return urlsplit(answer.json()["url"]).path

    def get(self, path: str) -> bytes:
        answer = self.server.request("GET", self.server.urls["public"].rstrip("/") + path)
        self.assertEqual(answer.status, 200, answer.data)
        data: bytes = answer.data
        return data

    def held(self) -> list[Path]:
        return [path for path in self.server.byte_store.rglob("*") if len(path.name) == 64]

    def beside(self, suffix: str) -> Path:
        return self.tree.with_name(f"Data.fs{suffix}")

    def goes_on(self) -> None:
        """The server starts, has the file, takes another and collects; nothing goes."""
        self.server.start()
        self.assertEqual(self.get(self.url), b"kept" * 100)
        more = self.put("more.txt", b"more")
        done = self.server.command("gc")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.get(self.url), self.get(more)), (b"kept" * 100, b"more"))
        self.assertEqual(self.server.command("fsck").returncode, 0)

    def repaired(self, said: str) -> None:
        self.assertEqual(self.server.command("fsck", "--tree").returncode, 1)
        done = self.server.command("fsck", "--tree", "--repair")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(said, done.stdout)

    def is_refused(self, *words: str) -> None:
        """Neither a server nor a command takes the place of what was there; all bytes stay."""
        before = self.held()
        with self.assertRaises(NotServing) as caught:
            self.server.start()
        self.server.kill()
        said = str(caught.exception).strip().splitlines()[-1]
        for word in words:
            self.assertIn(word, said)
        self.assertNotIn("Traceback", str(caught.exception))
        done = self.server.command(*next(COMMANDS).split())
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        self.assertEqual(self.held(), before)
        self.assertNotIn("admin password", self.server.log.read_text())


class Packs(WithALibrary):
    def test_killed_between_two_renames_of_older_versions(self) -> None:
        self.beside(".pack").write_bytes(self.tree.read_bytes()[:-50])
        self.tree.rename(self.beside(".old"))
        self.goes_on()
        self.assertIn("pack was interrupted", self.server.log.read_text())

    def test_the_packed_file_came_out_empty(self) -> None:
        self.tree.rename(self.beside(".old"))
        self.tree.write_bytes(b"")
        self.is_refused("is empty", "Data.fs.old", "librarian fsck --tree --repair")
        self.repaired("the tree of before the last pack is back")
        self.goes_on()


class Gone(WithALibrary):
    def test_the_file_alone(self) -> None:
        self.tree.unlink()
        self.is_refused("is missing", "librarian restore")

    def test_the_folder(self) -> None:
        for path in self.tree.parent.iterdir():
            path.unlink()
        self.tree.parent.rmdir()
        self.is_refused("the tree names none", "librarian restore")

    def test_the_bytes(self) -> None:
        self.server.byte_store.rename(self.server.folder / "elsewhere")
        self.is_refused("the byte store holds none", "librarian.byte_store")
        shutil.rmtree(self.server.byte_store)
        (self.server.folder / "elsewhere").rename(self.server.byte_store)
        self.goes_on()

    def test_the_tree_of_another_library(self) -> None:
        other = ServerProcess()
        self.addCleanup(other.remove)
        self.addCleanup(other.kill)
        other.start()
        other.stop()
        shutil.copytree(other.folder / "tree", self.tree.parent, dirs_exist_ok=True)
        self.is_refused("the tree is of installation")
        done = self.server.command("adopt")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.server.command("scrub").returncode, 0)


class Torn(WithALibrary):
    def test_the_start_cuts_back_and_says_so(self) -> None:
        before = self.tree.read_bytes()
        self.server.start()
        lost = self.put("lost.txt", b"lost")
        self.server.kill()
        after = self.tree.read_bytes()
        self.tree.write_bytes(after[: len(before)] + bytes(len(after) - len(before)))
        done = self.server.command("fsck", "--tree")
        self.assertEqual((done.returncode, "torn end" in done.stdout), (1, True), done.stdout + done.stderr)
        self.goes_on()
        self.assertIn("the last transaction was torn", self.server.log.read_text())
        answer = self.server.request("GET", self.server.urls["public"].rstrip("/") + lost)
        self.assertEqual(answer.status, 404)
        done = self.server.command("fsck", "--tree")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("Data.fs.cut-", done.stdout)
        self.assertIn("stop the server", self.server.command("fsck", "--tree", "--repair").stderr)

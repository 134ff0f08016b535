"""What the file lane does while it does not know: it asks the tree, or the disk, and the loop goes on."""

import io
import math
import os
import socket
import struct
import threading
import time
import unittest
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

from librarian.clock import SystemClock
from librarian.quantities import Size
from librarian.serving.http import cached_reads, file_lane, lane_access, output
from librarian.serving.http.file_lane import FileLane
from librarian.serving.http.lane_access import LaneAccess, _most_of
from librarian.serving.http.questions import Questions
from librarian.store.cache.local import LocalCache
from librarian.store.disk.store import DiskStore
from librarian.tree.interfaces import TreeAway
from librarian.web.files.delivery import READ_AT_ONCE
from librarian.web.files.facts import FileFacts
from librarian.web.interfaces import FILE_LANE
from librarian.web.settings import RedirectSettings
from tests.serving.support import Serving, request
from tests.support.object_store import MemoryS3, memory_s3_store

OBJECT = b"a" * 8


class Reads:
    """Everything is sound."""

    def must_stream(self, size: int) -> bool:
        return False

    def is_sound(self, sha256: str, size: int) -> bool:
        return True

    def checked(self, store: Any, file: Any, *rest: Any) -> Any:
        return file


class LaneCase(unittest.TestCase):
    """An application that offers each file it answers for to the lane; the test plays the tree."""

    def setUp(self) -> None:
        self.folder = self.enterContext(TemporaryDirectory())
        self.store = self.its_store()
        self.calls = 0  # of the application
        self.fresh = True
        self.asked: list[bool] = []  # for each time is_fresh() was called: lasting
        self.lane = FileLane(
            self.store,
            self.store,
            Reads(),  # type: ignore[arg-type]
            self.is_fresh,
            most=_most_of(self.store),
        )
        self.catch_up = mock.Mock()
        self.facts: dict[str, FileFacts] = {}
        self.serving = Serving(self, self.answer, lane=self.access, store=self.store)

    def its_store(self) -> Any:
        return DiskStore(Path(self.folder), SystemClock())

    def is_fresh(self, lasting: bool) -> bool:
        self.asked.append(lasting)
        return self.fresh

    def access(self, port: str) -> LaneAccess:
        return LaneAccess(
            self.lane,
            "app",
            port,
            Questions(self.catch_up),
            client_of=lambda peer, forwarded_for: peer,
            admits=lambda address, credentials: True,
            is_host=lambda stated: True,
            handed_over=False,
            log=None,
            measurements=None,
        )

    def answer(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.calls += 1
        facts = self.facts.get(environ["PATH_INFO"])
        if facts is not None and environ[FILE_LANE] is not None:
            environ[FILE_LANE](facts, [OBJECT])
        start_response("404 Not Found", [])
        return [b"by the application"]

    def put(self, path: str, data: bytes, immutable: bool = True) -> str:
        """Store it, and have the lane know it; its digest."""
        sha256 = self.store.put(io.BytesIO(data)).sha256
        day = datetime(2005, 9, 17, tzinfo=UTC)
        self.facts[path] = FileFacts(len(data), sha256, None, "text/plain", day, immutable=immutable)
        self.get(path)
        self.assertEqual(self.calls, 1)
        self.calls = 0
        return sha256

    def get(self, path: str, *fields: str) -> bytes:
        return self.serving.exchange(request("GET", *fields, target=path))


class OfACache(LaneCase):
    """Of an object store the lane answers for what is in the cache, and never asks the network."""

    def its_store(self) -> Any:
        self.s3 = MemoryS3()
        self.cache = LocalCache(Path(self.folder, "cache"), 1 << 24)
        self.addCleanup(self.cache.finish)
        return memory_s3_store(self.s3, Path(self.folder), SystemClock(), cache=self.cache)

    def setUp(self) -> None:
        settings = mock.Mock(section=lambda _section: RedirectSettings())
        self.enterContext(mock.patch.object(lane_access, "getUtility", lambda _interface: settings))
        super().setUp()

    def cached(self, path: str, data: bytes) -> Path:
        """Store it, have it read once; the file in the cache."""
        sha256 = self.put(path, data)
        self.store.open(sha256).close()
        self.cache.finish()
        self.s3.calls.clear()
        return Path(self.folder, "cache", "entries", sha256[:2], sha256)

    def test_what_is_cached_is_answered(self) -> None:
        self.cached("/a", b"abc")
        self.assertTrue(self.get("/a").endswith(b"\r\n\r\nabc"))
        self.assertTrue(self.get("/a", "Range: bytes=1-1").endswith(b"\r\n\r\nb"))
        self.assertEqual((self.calls, self.s3.calls), (0, []))

    def test_what_is_not_or_is_damaged_is_left_to_the_application(self) -> None:
        entry = self.cached("/a", b"abc")
        for spoil in (lambda: entry.write_bytes(b"abd"), entry.unlink):
            spoil()
            self.assertIn(b"by the application", self.get("/a"))
        self.assertEqual((self.calls, self.s3.calls), (2, []))

    def test_so_are_larger_files(self) -> None:
        self.cached("/a", b"a" * (READ_AT_ONCE + 1))
        self.assertIn(b"by the application", self.get("/a"))
        self.assertEqual((self.calls, self.s3.calls), (1, []))

    def test_and_those_that_clients_are_redirected_to(self) -> None:
        for redirects, most in ((False, READ_AT_ONCE), (True, 999)):
            settings = RedirectSettings(redirect_downloads=redirects, redirect_from=Size(1000))
            chosen = mock.Mock(section=lambda _section, found=settings: found)
            with mock.patch.object(lane_access, "getUtility", lambda _i, found=chosen: found):
                self.assertEqual(_most_of(self.store), most)
        self.assertEqual(_most_of(DiskStore(Path(self.folder, "disk"), SystemClock())), math.inf)


class Asking(LaneCase):
    def test_while_it_is_fresh_the_tree_is_not_asked(self) -> None:
        self.put("/a", b"abc")
        self.assertTrue(self.get("/a").endswith(b"\r\n\r\nabc"))
        self.assertEqual((self.calls, self.asked, self.catch_up.called), (0, [True], False))

    def test_what_may_change_is_asked_for_as_such(self) -> None:
        self.put("/a", b"abc", immutable=False)
        self.get("/a")
        self.assertEqual(self.asked, [False])

    def test_one_question_serves_all_that_came_before_it(self) -> None:
        self.put("/a", b"abc")
        self.fresh = False
        begun, go_on = threading.Event(), threading.Event()

        def wait() -> None:
            begun.set()
            go_on.wait(30)

        self.catch_up.side_effect = wait
        answers: list[bytes] = []
        clients = [threading.Thread(target=lambda: answers.append(self.get("/a"))) for _ in range(9)]
        clients[0].start()
        begun.wait(30)
        for client in clients[1:]:
            client.start()
        while len(self.asked) < 9:  # the others wait too
            time.sleep(0.001)
        go_on.set()
        for client in clients:
            client.join(30)
        self.assertEqual({answer[-3:] for answer in answers}, {b"abc"})
        self.assertEqual((self.calls, self.catch_up.call_count, len(answers)), (0, 2, 9))

    def test_what_the_answer_to_the_question_takes_away_is_not_answered(self) -> None:
        self.put("/a", b"abc")
        self.fresh = False
        self.catch_up.side_effect = lambda: self.lane.changed([OBJECT])
        self.assertTrue(self.get("/a").endswith(b"by the application"))

    def test_a_tree_that_is_away_leaves_it_to_the_application(self) -> None:
        self.put("/a", b"abc")
        self.fresh = False
        for error in (TreeAway(), RuntimeError("unforeseen")):
            self.catch_up.side_effect = error
            self.assertTrue(self.get("/a").endswith(b"by the application"))

    def test_an_offer_of_what_changed_meanwhile_is_not_remembered(self) -> None:
        """The application read it; before it could tell the lane, a commit took it away."""
        self.facts["/a"] = FileFacts(3, "0" * 64, None, "text/plain", datetime(2005, 9, 17, tzinfo=UTC))
        before = self.lane._offer

        def late(*arguments: Any) -> None:
            self.lane.changed([OBJECT])
            before(*arguments)

        with mock.patch.object(self.lane, "_offer", late):
            self.get("/a")
        self.assertEqual(self.lane.known_paths(), [])


class Cold(LaneCase):
    """Files that are not in the kernel's cache are read by a thread."""

    def chill(self, sha256: str) -> None:
        descriptor = self.store.open_descriptor(sha256)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)

    def test_a_small_file(self) -> None:
        data = os.urandom(5000)
        digest = self.put("/a", data)
        self.chill(digest)
        self.assertTrue(self.get("/a").endswith(data))
        self.assertEqual(self.calls, 0)

    def test_a_small_file_is_never_waited_for_in_the_loop(self) -> None:
        data = os.urandom(5000)
        self.put("/a", data)
        names: list[str] = []
        read = os.pread

        def pread(*arguments: Any) -> bytes:
            names.append(threading.current_thread().name)
            return read(*arguments)

        with (
            mock.patch.object(file_lane, "read_cached", side_effect=BlockingIOError),
            mock.patch.object(os, "pread", pread),
        ):
            self.assertTrue(self.get("/a").endswith(data))
        self.assertEqual((len(names), names[0].startswith("asyncio_")), (1, True))

    def test_of_a_large_file_a_thread_fetches_what_is_sent_next(self) -> None:
        data = os.urandom(3_000_000)
        digest = self.put("/a", data)
        self.chill(digest)
        threads: set[str] = set()

        def fetch(descriptor: int, offset: int, size: int) -> None:
            threads.add(threading.current_thread().name[:8])
            cached_reads.fetch(descriptor, offset, size)

        with (
            mock.patch.object(output, "fetch", fetch),
            mock.patch.object(output, "is_cached", side_effect=lambda *part: len(threads) > 0),
        ):
            self.assertTrue(self.get("/a").endswith(data))
        self.assertEqual((self.calls, threads), (0, {"asyncio_"}))

    def test_a_client_that_leaves_while_a_large_file_is_fetched(self) -> None:
        data = os.urandom(3_000_000)
        self.put("/a", data)
        begun, go_on = threading.Event(), threading.Event()

        def fetch(*part: int) -> None:
            begun.set()
            go_on.wait(30)

        with (
            mock.patch.object(output, "fetch", fetch),
            mock.patch.object(output, "is_cached", lambda *p: False),
        ):
            connection = self.serving.connect()
            connection.sendall(request(target="/a"))
            begun.wait(30)
            # A reset: an end alone might be that of a client that only sends nothing more.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
            while self.serving.server.connections:
                time.sleep(0.001)
            go_on.set()
        self.assertTrue(self.get("/a").endswith(data))
        deadline = time.monotonic() + 30
        while open_below(self.folder):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.001)


def open_below(folder: str) -> list[str]:
    """The files of this process that are open in a folder."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the listing's own
            found.append(str(link.readlink()))
    return [path for path in found if path.startswith(folder)]

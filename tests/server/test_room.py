"""A store or a disk that is full: 507 to the client, nothing left behind, and the service goes on."""

import os
import unittest
from contextlib import closing
from pathlib import Path

from tests.server.support import connected, read_to_end, started
from tests.support.servers.librarian import ServerProcess
from tests.support.small_disk import SmallDisk

MIB = 1 << 20


def files_in(store: Path) -> int:
    """How many files a store holds or has begun."""
    # Right below its root are the store's own notes only.
    return sum(1 for path in store.rglob("*") if path.is_file() and path.parent != store)


class WithoutRoom(unittest.TestCase):
    """What is the same for a quota and for a disk."""

    def put(self, server: ServerProcess, size: int) -> int:
        status: int = server.request("PUT", server.urls["upload"] + "a.bin", body=os.urandom(size)).status
        return status

    def refuses_and_goes_on(self, server: ServerProcess) -> None:
        self.assertEqual(self.put(server, MIB), 201)
        self.assertEqual(self.put(server, 40 * MIB), 507)
        self.assertEqual(self.put(server, 40 * MIB), 507)
        self.assertEqual(files_in(server.byte_store), 1)
        self.assertEqual(self.put(server, MIB), 201)
        self.assertEqual(files_in(server.byte_store), 2)
        self.assertNotIn("Traceback", server.log.read_text())


class Quota(WithoutRoom):
    def setUp(self) -> None:
        self.server = started(self, f"librarian.byte_store_quota = {10 * MIB}")

    def test_what_does_not_fit_is_refused_whole(self) -> None:
        self.refuses_and_goes_on(self.server)

    def test_a_client_that_asks_first_sends_nothing(self) -> None:
        head = b"PUT /a.bin HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n"
        with closing(connected(self.server.urls["upload"])) as connection:
            connection.sendall(head % (1 << 39))
            answer = connection.recv(1 << 12)
        self.assertTrue(answer.startswith(b"HTTP/1.1 507 "), answer)

    def test_a_client_without_expect_still_gets_the_reason(self) -> None:
        head = b"PUT /a.bin HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
        with closing(connected(self.server.urls["upload"])) as connection:
            connection.sendall(head % (30 * MIB) + bytes(30 * MIB))
            answer = read_to_end(connection)
        self.assertTrue(answer.startswith(b"HTTP/1.1 507 "), answer)
        self.assertIn(b"no room", answer)

    def test_a_body_that_does_not_tell_its_size_is_stopped_on_the_way(self) -> None:
        chunk = b"100000\r\n" + bytes(MIB) + b"\r\n"
        with closing(connected(self.server.urls["upload"])) as connection:
            connection.sendall(
                b"PUT /a.bin HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            try:
                for _ in range(60):  # without end
                    connection.sendall(chunk)
            except OSError:
                pass
            answer = read_to_end(connection)
        self.assertTrue(answer.startswith(b"HTTP/1.1 507 "), answer)
        self.assertEqual(files_in(self.server.byte_store), 0)


class Gone(WithoutRoom):
    """A volume that is not there any more, under a server that is."""

    def test_a_missing_volume_answers_503_and_comes_back(self) -> None:
        server = started(self)
        server.byte_store.rename(server.folder / "elsewhere")
        self.assertEqual([self.put(server, 10), self.put(server, 5 * MIB)], [503, 503])
        (server.folder / "elsewhere").rename(server.byte_store)
        self.assertEqual([self.put(server, 10), self.put(server, 5 * MIB)], [201, 201])


class Disk(WithoutRoom):
    """A file system of 32 MiB, where this may be mounted."""

    def setUp(self) -> None:
        self.mount = SmallDisk(self, 32).folder

    def test_a_full_store_refuses_and_goes_on(self) -> None:
        server = ServerProcess("librarian.byte_store_keep_free = 0", byte_store=self.mount / "bytes")
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        server.start()
        self.refuses_and_goes_on(server)
        # A body is written once, so that what fits on the disk can be stored.
        self.assertEqual([self.put(server, 20 * MIB), self.put(server, 20 * MIB)], [201, 507])
        self.assertEqual(files_in(server.byte_store), 3)

    def test_uploads_do_not_need_the_systems_temporary_folder(self) -> None:
        server = started(self, environ={"TMPDIR": str(self.mount)})
        (self.mount / "filler").write_bytes(bytes(31 * MIB))
        self.assertEqual(self.put(server, 5 * MIB), 201)


del WithoutRoom  # is neither

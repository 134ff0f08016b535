"""``librarian put`` and ``get`` over connections that break."""

import json
import os
import socket
import threading
import unittest
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit

from tests.server.support import connected
from tests.support.layers import Server

SIZE = 3_000_000


@contextmanager
def cut_after(url: str, limit: int) -> Iterator[str]:
    """The same URL by way of a listener that breaks the first long answer after `limit` bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        forwarder = threading.Thread(target=_forward, args=(listener, url, limit))
        forwarder.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}{urlsplit(url).path}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            forwarder.join()


def _forward(listener: socket.socket, url: str, left: int) -> None:
    """One request for each connection, until the listener is shut down."""
    with suppress(OSError):
        while True:
            client, _address = listener.accept()
            with client, closing(connected(url)) as server:
                client.settimeout(30)
                request = client.recv(1 << 16)
                server.sendall(request)
                while left > 0 and (piece := server.recv(1 << 16)):
                    client.sendall(piece[:left])
                    if request.startswith(b"HEAD"):
                        break
                    left -= len(piece)


class Broken(unittest.TestCase):
    layer = Server

    def setUp(self) -> None:
        self.server = Server.server
        self.data = os.urandom(SIZE)
        answer = self.server.request("PUT", self.server.urls["upload"] + "cut.bin", body=self.data)
        self.url = answer.json()["url"]

    def test_get_goes_on_after_a_cut_and_checks_the_whole(self) -> None:
        target = self.server.folder / "whole.bin"
        with cut_after(self.url, 1_000_000) as url:
            first = self.server.command("get", url, "-o", "whole.bin")
            self.assertEqual(first.returncode, 1, first.stderr)
            self.assertIn("run again to continue", first.stderr)
            self.assertFalse(target.exists())
            had = (self.server.folder / "whole.bin.part").stat().st_size
            self.assertTrue(0 < had < SIZE, had)
        second = self.server.command("get", self.url, "-o", "whole.bin", "--json")
        self.assertEqual(second.returncode, 0, second.stderr)
        self.assertEqual(json.loads(second.stdout), {"path": "whole.bin", "size": SIZE})
        self.assertEqual(target.read_bytes(), self.data)
        self.assertEqual(list(self.server.folder.glob("whole.bin.part*")), [])

    def test_put_of_several_files_says_where_each_is(self) -> None:
        for name in ("one.txt", "two words.txt"):
            (self.server.folder / name).write_text(name)
        done = self.server.command("put", "--json", "one.txt", "two words.txt")
        self.assertEqual(done.returncode, 0, done.stderr)
        added = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([each["filename"] for each in added], ["one.txt", "two words.txt"])
        for each in added:
            self.assertEqual(self.server.request("GET", each["url"]).data.decode(), each["filename"])

    def test_put_without_a_server_fails_in_one_line(self) -> None:
        (self.server.folder / "lonely.txt").write_text("hello?")
        done = self.server.command("put", "lonely.txt", LIBRARIAN_UPLOAD_URL="http://127.0.0.1:1/")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

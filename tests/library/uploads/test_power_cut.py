"""An offset that was told is there after the server was killed, and after the machine lost its power."""

import hashlib
import os
import shutil
import socket
import time
import unittest
from contextlib import closing
from urllib.parse import urlsplit

import urllib3

from tests.library.uploads.support import PIECE, TUS, metadata
from tests.support.servers.librarian import ServerProcess

PATIENCE_SECONDS = 30
SIZE, SENT = 3_000_000, 2_000_000  # bytes
ARRIVED = 1_000_000  # that have reached the file; a server may keep some for its next write

#: Python that has the server keep a copy of each file as it was when it was last fsynced, by its name, and
#: believe that the machine was started anew if {boot!r} is not empty.
RECORDING = """\
import os, pathlib, shutil, threading
from librarian.store.disk import marks
_fsync, _lock, _copies = os.fsync, threading.Lock(), pathlib.Path({copies!r})
_copies.mkdir(exist_ok=True)
def fsync(file):
    _fsync(file)
    descriptor = file if isinstance(file, int) else file.fileno()
    path = pathlib.Path(os.readlink(f"/proc/self/fd/{{descriptor}}"))
    if path.is_file():
        with _lock:
            shutil.copyfile(path, _copies / path.name)
os.fsync = os.fdatasync = fsync
if {boot!r}:
    marks.boot_id = lambda: {boot!r}
"""


class PowerCut(unittest.TestCase):
    def setUp(self) -> None:
        self.server = ServerProcess()
        self.addCleanup(self.server.remove)
        self.addCleanup(self.server.stop)
        self.http = urllib3.PoolManager(retries=False)
        self.addCleanup(self.http.clear)
        self.copies = self.server.folder / "fsynced"
        self.partial = self.server.byte_store / "partial"
        self.data = os.urandom(SIZE)
        self.start()

    def start(self, boot: str = "") -> None:
        self.server.start(RECORDING.format(copies=str(self.copies), boot=boot))

    def begin(self, name: str) -> str:
        fields = {**TUS, "Upload-Length": str(len(self.data)), "Upload-Metadata": metadata(filename=name)}
        answer = self.http.request("POST", f"{self.server.urls['upload']}+uploads", headers=fields)
        return answer.headers["Location"].rpartition("/")[2]

    def ask(
        self, method: str, upload_id: str, offset: int = 0, body: bytes = b""
    ) -> urllib3.BaseHTTPResponse:
        url = f"{self.server.urls['upload']}+uploads/{upload_id}"
        return self.http.request(method, url, headers={**PIECE, "Upload-Offset": str(offset)}, body=body)

    def offset(self, answer: urllib3.BaseHTTPResponse) -> int:
        return int(answer.headers["Upload-Offset"])

    def half_send(self, upload_id: str) -> socket.socket:
        """An open connection by which ARRIVED bytes or more have reached the file, and others are to come."""
        parts = urlsplit(self.server.urls["upload"])
        connection = socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_SECONDS)
        fields = {**PIECE, "Host": parts.netloc, "Upload-Offset": "0", "Content-Length": str(len(self.data))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        head = f"PATCH /+uploads/{upload_id} HTTP/1.1\r\n{lines}\r\n"
        connection.sendall(head.encode() + self.data[:SENT])
        file, deadline = self.partial / f"{upload_id}.data", time.monotonic() + PATIENCE_SECONDS
        while file.stat().st_size < ARRIVED:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        return connection

    def cut_power(self) -> None:
        """Leave of each file of a partial upload what was fsynced: the worst that can be."""
        for path in self.partial.iterdir():
            copy = self.copies / path.name
            if copy.exists():
                shutil.copyfile(copy, path)
            elif path.suffix in (".data", ".mark"):
                path.write_bytes(b"")

    def test_offsets_that_were_told_never_fall(self) -> None:
        asked, refused, untold = (self.begin(name) for name in ("a", "b", "c"))
        with closing(self.half_send(asked)):
            first = self.offset(self.ask("HEAD", asked))
        with closing(self.half_send(refused)), closing(self.half_send(untold)):
            self.server.kill()
        self.start()
        second = self.offset(self.ask("PATCH", refused, 7, b"x"))
        self.server.kill()
        self.cut_power()
        self.start(boot="another")
        told = {each: self.offset(self.ask("HEAD", each)) for each in (asked, refused, untold)}
        self.assertEqual(told, {asked: first, refused: second, untold: 0})
        self.assertGreaterEqual(min(first, second), ARRIVED)
        for upload_id, have in told.items():
            last = self.ask("PATCH", upload_id, have, self.data[have:])
            self.assertEqual(last.status, 200, last.data)
            self.assertEqual(last.json()["sha256"], hashlib.sha256(self.data).hexdigest())

"""Real clients and a real server, over connections that are cut, and through kills of the server."""

import hashlib
import os
import subprocess
import tempfile
import threading
import unittest
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import urllib3
from tusclient.client import TusClient
from tusclient.exceptions import TusUploadFailed

from tests.library.uploads.support import PIECE, TUS, metadata
from tests.support.layers import Server
from tests.support.servers.cutting import CuttingRelay
from tests.support.servers.librarian import ServerProcess

MIB = 1 << 20


class Clients(unittest.TestCase):
    layer = Server

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="librarian-uploads-")
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "data.bin"
        self.http = urllib3.PoolManager(retries=False)
        self.addCleanup(self.http.clear)

    def fill(self, size: int) -> str:
        """Write `size` random bytes; their sha256."""
        data = os.urandom(size)
        self.path.write_bytes(data)
        return hashlib.sha256(data).hexdigest()

    def uploader(self, url: str, **options: Any) -> Any:
        names = {"filename": "data.bin", "filetype": "application/x-test"}
        file = self.enterContext(self.path.open("rb"))
        client = TusClient(f"{url}+uploads")
        return client.uploader(file_stream=file, metadata=names, retry_delay=0, **options)

    def described(self, url: str) -> Any:
        """The file that an upload has become."""
        return self.http.request("GET", url).json()["file"]

    def download(self, url: str) -> str:
        return hashlib.sha256(self.http.request("GET", url).data).hexdigest()

    def files_called(self, name: str, sha256: str) -> int:
        found = self.http.request(
            "GET", f"{Server.server.urls['public']}search?digest={sha256}"
        ).data.decode()
        return found.count(f"/{name}")

    def test_tuspy_over_connections_that_are_cut(self) -> None:
        sha256 = self.fill(20 * MIB + 17)
        with CuttingRelay(Server.server.urls["upload"], cut_after=3 * MIB) as relay:
            uploader = self.uploader(relay.url, retries=50)
            uploader.upload()
            self.assertGreaterEqual(relay.cuts, 6)
        found = self.described(uploader.url.replace(relay.url, Server.server.urls["upload"]))
        self.assertEqual((found["sha256"], found["mimetype"]), (sha256, "application/x-test"))
        self.assertEqual(self.download(found["url"]), sha256)
        self.assertEqual(self.files_called("data.bin", sha256), 1)

    def test_tuspy_with_checksums(self) -> None:
        sha256 = self.fill(3 * MIB)
        uploader = self.uploader(Server.server.urls["upload"], chunk_size=MIB, upload_checksum=True)
        uploader.upload()
        self.assertEqual(self.described(uploader.url)["sha256"], sha256)

    def test_tuspy_whose_last_answer_is_lost(self) -> None:
        sha256 = self.fill(MIB)
        with CuttingRelay(Server.server.urls["upload"]) as relay:
            uploader = self.uploader(relay.url, retries=5, chunk_size=MIB // 2)
            uploader.upload_chunk()
            relay.swallow_answers = 1
            uploader.upload()
        self.assertEqual(uploader.request.status_code, 200)
        self.assertIn(sha256, uploader.request.response_content.decode())
        self.assertEqual(self.files_called("data.bin", sha256), 1)

    def test_a_wrong_offset_is_not_written(self) -> None:
        self.fill(MIB)
        uploader = self.uploader(Server.server.urls["upload"], chunk_size=MIB // 2)
        uploader.upload_chunk()
        uploader.offset = 7
        self.assertRaises(TusUploadFailed, uploader.upload_chunk)
        self.assertEqual(uploader.get_offset(), MIB // 2)

    def test_two_pieces_at_once(self) -> None:
        sha256 = self.fill(8 * MIB)
        data, statuses = self.path.read_bytes(), []
        fields = {**TUS, "Upload-Length": str(len(data)), "Upload-Metadata": metadata(filename="two.bin")}
        begun = self.http.request("POST", f"{Server.server.urls['upload']}+uploads", headers=fields)
        url = begun.headers["Location"]

        def send() -> None:
            with urllib3.PoolManager(retries=False) as http:
                answer = http.request("PATCH", url, headers={**PIECE, "Upload-Offset": "0"}, body=data)
                statuses.append(answer.status)

        threads = [threading.Thread(target=send) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertIn(sorted(statuses), ([200, 409], [200, 423]))
        self.assertEqual(self.files_called("two.bin", sha256), 1)

    def curl(self, url: str, *options: str) -> str:
        """What curl shows of a PUT by the draft: all answers, and what there was of their bodies."""
        fields = ("-H", "Upload-Complete: ?1", "-H", "Upload-Draft-Interop-Version: 8", *options)
        command = ("curl", "-sSi", "--noproxy", "*", "-T", str(self.path), *fields, url)
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout

    def test_curl_puts_a_file_by_the_draft(self) -> None:
        sha256 = self.fill(3 * MIB)
        told = self.curl(Server.server.urls["upload"])
        first, _empty, rest = told.partition("\n\n")
        self.assertTrue(first.startswith("HTTP/1.1 104 Upload Resumption Supported"), told)
        self.assertIn("/+uploads/", first)
        self.assertIn(sha256, rest)

    def test_curl_puts_a_file_at_a_path_of_the_named_tree(self) -> None:
        sha256, server = self.fill(3 * MIB), Server.server
        url = f"{server.urls['app']}tree/by-curl.bin"
        told = self.curl(url, "-u", f"admin:{server.admin_password}")
        first, _empty, rest = told.partition("\n\n")
        self.assertTrue(first.startswith("HTTP/1.1 104 Upload Resumption Supported"), told)
        self.assertIn("/+uploads/", first)
        self.assertIn("HTTP/1.1 201 Created", rest)
        self.assertIn(f'"path":"/by-curl.bin","kind":"file","version":1,"etag":"\\"{sha256}', rest)
        refused = self.curl(url, "-u", f"admin:{server.admin_password}", "-H", "If-None-Match: *")
        self.assertTrue(refused.startswith("HTTP/1.1 412 Precondition Failed"), refused)
        self.assertTrue(self.curl(url).startswith("HTTP/1.1 401 Unauthorized"))

    def test_a_creation_that_was_cut_goes_on_where_the_interim_answer_says(self) -> None:
        sha256 = self.fill(4 * MIB)
        with CuttingRelay(Server.server.urls["upload"], cut_after=MIB) as relay:
            told = self.curl(relay.url)
        path = next(line for line in told.splitlines() if line.startswith("Location: ")).partition(
            "/+uploads/"
        )[2]
        url = f"{Server.server.urls['upload']}+uploads/{path.strip()}"
        have = int(self.http.request("HEAD", url).headers["Upload-Offset"])
        self.assertLess(have, MIB)  # how much depends on how far the server was when HEAD ended the request
        part = {
            "Content-Type": "application/partial-upload",
            "Upload-Complete": "?1",
            "Upload-Offset": str(have),
        }
        last = self.http.request("PATCH", url, headers=part, body=self.path.read_bytes()[have:])
        self.assertEqual((last.status, last.json()["sha256"]), (200, sha256))

    def test_too_much_is_refused_before_it_is_sent(self) -> None:
        fields = {**TUS, "Upload-Length": str(10**15 - 1), "Upload-Metadata": metadata(filename="big")}
        answer = self.http.request("POST", f"{Server.server.urls['upload']}+uploads", headers=fields)
        self.assertEqual(answer.status, 507)


#: Python that has the server's process killed when it comes to the step that the file KILL_AT names.
KILLING = """\
import importlib, os, pathlib
def _hook(module, owner, step):
    kind = getattr(importlib.import_module(module), owner)
    original = getattr(kind, step)
    def _step(*arguments, **named):
        at = pathlib.Path({file!r})
        told = at.read_text() if at.exists() else ""
        if told == f"before {{step}}":
            os.kill(os.getpid(), 9)
        found = original(*arguments, **named)
        if told == f"after {{step}}":
            os.kill(os.getpid(), 9)
        return found
    setattr(kind, step, _step)
_hook("librarian.store.disk.partials", "PartialFiles", "begin")
_hook("librarian.store.disk.partials", "Partial", "write")
_hook("librarian.store.disk.store", "DiskStore", "keep")
_hook("librarian.library.uploads.service", "ResumableUploads", "_name")
_hook("librarian.library.uploads.service", "ResumableUploads", "complete")
"""
PHASES = ("after begin", "after write", "before keep", "after keep", "after _name", "after complete")
ROUNDS = int(os.environ.get("LIBRARIAN_KILLS", len(PHASES)))


class Killed(unittest.TestCase):
    """The server dies in each phase, once, and is started again; `make soak` has more rounds."""

    def setUp(self) -> None:
        self.server = ServerProcess()
        self.addCleanup(self.server.remove)
        self.addCleanup(self.server.stop)
        self.http = urllib3.PoolManager(retries=False)
        self.addCleanup(self.http.clear)
        self.kill_at = self.server.folder / "kill-at"
        self.start()

    def start(self) -> None:
        self.kill_at.unlink(missing_ok=True)
        self.server.start(KILLING.format(file=str(self.kill_at)))

    def begin(self, data: bytes) -> str:
        fields = {**TUS, "Upload-Length": str(len(data)), "Upload-Metadata": metadata(filename="k.bin")}
        answer = self.http.request("POST", f"{self.server.urls['upload']}+uploads", headers=fields)
        return answer.headers["Location"].rpartition("/")[2]

    def goes_on(self, upload_id: str, data: bytes, at_least: int) -> Any:
        """Send what is missing, in one piece; its answer."""
        url = f"{self.server.urls['upload']}+uploads/{upload_id}"
        have = int(self.http.request("HEAD", url, headers=TUS).headers["Upload-Offset"])
        self.assertGreaterEqual(have, at_least)
        fields = {**PIECE, "Upload-Offset": str(have)}
        return self.http.request("PATCH", url, headers=fields, body=data[have:])

    def test_in_each_phase(self) -> None:
        for phase in islice(cycle(PHASES), ROUNDS):
            with self.subTest(phase):
                self.one(phase, os.urandom(300_000))

    def one(self, phase: str, data: bytes) -> None:
        upload_id = self.begin(data)
        url = f"{self.server.urls['upload']}+uploads/{upload_id}"
        self.http.request("PATCH", url, headers={**PIECE, "Upload-Offset": "0"}, body=data[:100_000])
        self.kill_at.write_text(phase)
        with self.assertRaises(urllib3.exceptions.HTTPError):
            self.goes_on(upload_id, data, 100_000)
            self.begin(data)
        self.server.kill()
        self.start()
        last = self.goes_on(upload_id, data, 100_000)
        again = self.goes_on(upload_id, data, len(data))
        fields = {**PIECE, "Upload-Offset": "100000"}
        url = f"{self.server.urls['upload']}+uploads/{upload_id}"  # of the new process
        repeated = self.http.request("PATCH", url, headers=fields, body=data[100_000:])
        for answer in (last, again, repeated):
            self.assertEqual((answer.status, answer.data), (200, last.data))
        sha256 = hashlib.sha256(data).hexdigest()
        self.assertEqual(last.json()["sha256"], sha256)
        found = self.http.request("GET", f"{self.server.urls['public']}search?digest={sha256}").data.decode()
        self.assertEqual(found.splitlines()[0], "1")

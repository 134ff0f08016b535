"""A disk that is full under everything, or under the system's temporary folder alone."""

import gzip
import json
import random
import unittest
from email.utils import formatdate
from urllib.parse import quote

import urllib3

from tests.support.servers.librarian import ServerProcess
from tests.support.small_disk import SmallDisk

KIB, MIB = 1 << 10, 1 << 20


class WithDisk(unittest.TestCase):
    maxDiff = None

    def setUp(self) -> None:
        self.disk = SmallDisk(self, 48)

    def started(self, server: ServerProcess) -> ServerProcess:
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        server.start()
        self.server = server
        self.headers = urllib3.make_headers(basic_auth=f"admin:{server.admin_password}")
        return server

    def quiet(self) -> None:
        before, _, trace = self.server.log.read_text().partition("Traceback")
        self.assertEqual(trace, "", before[-500:])

    def add_person(self, name: str, words: int) -> int:
        fields = {"name": name, "display_name": "x" * words, "password": "correct horse battery"}
        url = self.server.urls["app"] + "people"
        headers = {**self.headers, "Content-Type": "application/json"}
        status: int = self.server.request("POST", url, body=json.dumps(fields), headers=headers).status
        return status


class UnderEverything(WithDisk):
    def setUp(self) -> None:
        super().setUp()
        folder = self.disk.folder
        self.started(
            ServerProcess(
                f"librarian.byte_store_keep_free = 0\nlibrarian.reserve = {2 * MIB}\n",
                database_uri=f"file://{folder}/tree/Data.fs",
                byte_store=folder / "bytes",
            )
        )
        self.reserve = folder / "tree" / "reserve"

    def test_a_full_disk_answers_507_until_upkeep_makes_room(self) -> None:
        answer = self.server.request("PUT", self.server.urls["upload"] + "f", body=b"file")
        self.assertEqual(answer.status, 201)
        self.assertTrue(self.reserve.exists())
        self.disk.fill()
        self.assertEqual({self.add_person(f"p{number}", 100) for number in range(30)} - {201}, {507})
        self.assertEqual(self.add_person("last", 100), 507)
        put = self.server.request("PUT", self.server.urls["upload"] + "g", body=bytes(20 * KIB))
        self.assertEqual((put.status, list(put.json())), (507, ["error", "status"]))
        self.assertEqual(self.server.request("GET", answer.json()["url"]).data, b"file")
        self.assertTrue(self.reserve.exists())
        done = self.server.command("gc")
        self.assertEqual((done.returncode, done.stderr.count("Traceback")), (0, 0), done.stderr)
        done = self.server.command("pack", "--days", "0")
        self.assertLess(len(done.stderr.splitlines()), 4, done.stderr)
        self.disk.relieve()
        self.assertEqual(self.add_person("last", 100), 201)
        self.assertEqual(self.server.command("pack", "--days", "0").returncode, 0)
        self.assertTrue(self.reserve.exists())
        self.assertEqual(self.server.command("fsck").returncode, 0)
        self.quiet()

    def leave_no_room(self) -> None:
        """Fill the disk up to the least that can be added; a command before may have left some."""
        self.disk.fill()
        for length in (200, 1):
            while self.add_person(f"p{random.random()}"[:12].replace(".", ""), length) == 201:
                pass

    def test_every_command_reports_a_full_disk_in_one_line(self) -> None:
        self.assertEqual(self.server.request("PUT", self.server.urls["upload"] + "f", body=b"f").status, 201)
        big = self.server.folder / "big"
        big.write_bytes(bytes(3 * MIB))
        self.disk.fill()
        for arguments in (
            ("put", str(big)),
            ("person", "add", "bob", "--no-password", "--display-name", "B" * 200),
            ("backup", str(self.disk.folder / "backup")),
            ("scrub",),
            ("sweep",),
        ):
            with self.subTest(command=arguments[0]):
                self.leave_no_room()
                done = self.server.command(*arguments)
                self.assertNotIn("Traceback", done.stderr)
                self.assertLessEqual(len(done.stderr.splitlines()), 4, done.stderr)
                if arguments[0] in ("put", "person"):
                    self.assertEqual(done.returncode, 1)
                    self.assertRegex(done.stderr, "no room|507|No space left")
        self.quiet()


class UnderTheTemporaryFolder(WithDisk):
    """What is large goes to the byte store, wherever it comes from or goes to."""

    def setUp(self) -> None:
        super().setUp()
        self.started(ServerProcess(environ={"TMPDIR": str(self.disk.folder)}))
        self.disk.fill()
        self.noise = random.Random(1).randbytes(4 * MIB)

    def test_forms(self) -> None:
        url = self.server.urls["app"] + "+upload"
        fields = {"file": ("plan.bin", self.noise, "application/octet-stream")}
        headers = {**self.headers, "Accept": "application/json"}
        answer = self.server.request("POST", url, fields=fields, headers=headers)
        self.assertIn(answer.status, (201, 303), answer.data)

    def test_long_answers(self) -> None:
        url = self.server.request("PUT", self.server.urls["upload"] + "f", body=self.noise).json()["url"]
        ranges = ",".join(f"{start}-{start + 600_000}" for start in (1, 1_000_000, 2_000_000, 3_000_000))
        answer = self.server.request("GET", url, headers={"Range": f"bytes={ranges}"})
        self.assertEqual(answer.status, 206)
        self.assertGreater(len(answer.data), 2_400_000)

    def test_the_tracker(self) -> None:
        url = f"{self.server.urls['tracker']}files/a?last_modified={quote(formatdate(5))}"
        # Compressible enough to be kept packed as well.
        text = b"".join(self.noise[n : n + 2] * 2 for n in range(0, len(self.noise), 2))
        packed = gzip.compress(text, 1)
        headers = {"Content-Encoding": "gzip", "Logical-Size": str(len(text))}
        answer = self.server.request("PUT", url, body=packed, headers=headers)
        self.assertEqual(answer.status, 200, answer.data)

    def tearDown(self) -> None:
        self.quiet()
        super().tearDown()

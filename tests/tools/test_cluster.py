"""`make cluster`: the story of README through nginx, a node killed, and nothing left of it in the end."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import urllib3

from tests.support.servers.forked import with_path
from tools.cluster.cluster import missing
from tools.cluster.layout import CHECKOUT, ENDPOINTS, Layout, default_ports, free_ports, is_free

SOON = 120.0  # seconds
MIB = 1 << 20


def cluster(*words: str, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    """What ``bin/py -m tools.cluster`` comes to."""
    return subprocess.run(
        [sys.executable, "-m", "tools.cluster", *words],
        cwd=CHECKOUT,
        env=with_path({**os.environ, "PATH": path}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def processes_in(folder: Path) -> Iterator[int]:
    """The ids of the processes that run in a folder or below it, or name it in their commands."""
    for each in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (each / "cmdline").read_bytes()
            if (each / "cwd").readlink().is_relative_to(folder) or bytes(folder) + b"/" in words:
                yield int(each.name)


def request(method: str, url: str, **options: Any) -> Any:
    """An answer.  503 is asked again, as its Retry-After says: a busy machine keeps a database waiting."""
    pool, end = urllib3.PoolManager(retries=False, timeout=SOON), time.monotonic() + SOON
    while True:
        answer = pool.request(method, url, **options)
        if answer.status != 503 or time.monotonic() > end:
            return answer
        time.sleep(0.1)


class Trial:
    """One cluster, which is started again by those who stop it."""

    folder: ClassVar[Path]
    layout: ClassVar[Layout]
    password: ClassVar[str]

    @classmethod
    def missing(cls) -> str | None:
        return missing()

    @classmethod
    def setUp(cls) -> None:
        cls.folder = Path(tempfile.mkdtemp(prefix="librarian-cluster-"))
        cls.folder.chmod(0o755)  # PostgreSQL may run as another user
        cls.start()

    @classmethod
    def start(cls) -> None:
        done = cluster("start", str(cls.folder), "--any-port")
        if done.returncode:
            cls.tearDown()
            raise RuntimeError(done.stderr)
        told = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines() if line != "ready")
        cls.password = told["admin password"]
        cls.layout = Layout(cls.folder, json.loads((cls.folder / "ports.json").read_text()))
        assert told["upload"] == cls.layout.urls["upload"], done.stdout

    @classmethod
    def tearDown(cls) -> None:
        cluster("stop", str(cls.folder))
        left = list(processes_in(cls.folder))
        shutil.rmtree(cls.folder, ignore_errors=True)
        assert not left, left


class Story(unittest.TestCase):
    layer = Trial

    def setUp(self) -> None:
        self.urls = Trial.layout.urls

    def put(self, name: str, data: bytes, endpoint: str = "upload") -> Any:
        """What is known of a new file."""
        answer = request("PUT", self.urls[endpoint] + name, body=data)
        self.assertEqual(answer.status, 201, answer.data)
        return json.loads(answer.data)

    def test_a_file_is_found_at_nginx_and_at_both_nodes(self) -> None:
        file = self.put("poem.txt", b"so much depends\n")
        self.assertEqual(file["url"], f"{self.urls['public']}{file['id']}/poem.txt")
        self.assertEqual(request("GET", file["url"]).data, b"so much depends\n")
        ranged = request("GET", file["url"], headers={"Range": "bytes=3-6"})
        self.assertEqual((ranged.status, ranged.data), (206, b"much"))
        for node in ("node1", "node2"):
            url = Trial.layout.node_urls(node)["public"] + urlsplit(file["url"]).path[1:]
            self.assertEqual(request("GET", url).data, b"so much depends\n")
        about = request(
            "GET", f"{self.urls['app']}files/{file['id']}", headers={"Accept": "application/json"}
        )
        self.assertEqual(json.loads(about.data)["filename"], "poem.txt")
        found = request("GET", f"{self.urls['public']}search?digest={file['sha1']}").data.decode()
        self.assertIn(f"{file['id']}/poem.txt", found)

    def test_a_link_to_a_restricted_file(self) -> None:
        file = self.put("diary.txt", b"dear diary", "restricted-upload")
        made = request(
            "POST",
            f"{self.urls['app']}files/{file['id']}/+tokens",
            fields={"lifetime": "1h"},
            encode_multipart=False,
            headers=urllib3.make_headers(basic_auth=f"admin:{Trial.password}"),
        )
        link = urlsplit(json.loads(made.data)["url"])
        self.assertEqual(link.netloc, f"i{file['id']}.restricted.localhost:{Trial.layout.ports['public']}")
        here, there = f"{self.urls['public']}{link.path[1:]}", {"Host": link.netloc}
        self.assertEqual(request("GET", here, headers=there).status, 404)
        self.assertEqual(request("GET", f"{here}?{link.query}", headers=there).data, b"dear diary")

    def test_the_tracker(self) -> None:
        url = f"{self.urls['tracker']}files/task/1"
        put = request(
            "PUT", f"{url}?last_modified=Thu,%2001%20Jan%202026%2000:00:00%20%2B0000", body=b"input"
        )
        self.assertEqual((put.status, request("GET", url).data), (200, b"input"))

    def test_nginx_fetches_from_the_store_and_keeps_what_it_fetched(self) -> None:
        data = os.urandom(3 * MIB)
        file = self.put("large.bin", data)
        kept = Trial.folder / "nginx" / "cache"
        before = sum(path.stat().st_size for path in kept.rglob("*") if path.is_file())
        self.assertTrue(request("GET", file["url"]).data == data)
        after = sum(path.stat().st_size for path in kept.rglob("*") if path.is_file())
        self.assertGreaterEqual(after - before, len(data))

    def test_an_upload_in_pieces_stays_on_one_node(self) -> None:
        tus = {"Tus-Resumable": "1.0.0"}
        name = {"Upload-Length": "40", "Upload-Metadata": "filename cGllY2VzLnR4dA=="}
        made = request("POST", f"{self.urls['upload']}+uploads", headers={**tus, **name})
        self.assertEqual(made.status, 201, made.data)
        place = self.urls["upload"] + urlsplit(made.headers["Location"]).path[1:]
        for offset in (0, 10, 20, 30):
            piece = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
            answer = request("PATCH", place, body=b"0123456789", headers={**tus, **piece})
            self.assertLess(answer.status, 300, answer.data)
            self.assertEqual(answer.headers["Upload-Offset"], str(offset + 10))

    def test_a_node_dies_and_downloads_go_on(self) -> None:
        file = self.put("lasting.txt", b"still here")
        pid = json.loads((Trial.folder / "processes.json").read_text())["node2"]
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, workers)):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        for _turn in range(30):
            self.assertEqual(request("GET", file["url"]).data, b"still here")
        self.assertEqual(request("PUT", f"{self.urls['upload']}next.txt", body=b"next").status, 201)
        self.await_node("node2")  # its keeper has started it again

    def test_nothing_is_left_running_and_the_files_are_there_the_next_time(self) -> None:
        file = self.put("kept.txt", b"kept")
        os.kill(int((Trial.folder / "keeper.pid").read_text()), signal.SIGKILL)
        self.assertEqual(cluster("stop", str(Trial.folder)).stdout, "cluster: stopped\n")
        self.assertEqual(list(processes_in(Trial.folder)), [])
        Trial.start()
        self.assertEqual(request("GET", file["url"]).data, b"kept")

    def await_node(self, node: str) -> None:
        """Until it serves.  Raises AssertionError where it does not."""
        end = time.monotonic() + SOON
        while time.monotonic() < end:
            with suppress(urllib3.exceptions.HTTPError):  # it refuses connections as yet
                if request("GET", Trial.layout.node_urls(node)["ops"] + "ready").status == 200:
                    return
            time.sleep(0.1)
        self.fail(f"{node} does not come back")


class Refusals(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="librarian-cluster-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def test_missing_packages_are_one_line_and_nothing_is_made(self) -> None:
        done = cluster("start", str(self.folder), path="/nowhere")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        (line,) = done.stderr.splitlines()
        self.assertIn("apt-get install", line)
        self.assertIn("swift-account swift-container swift-object swift-proxy", line)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_a_port_that_is_taken_is_named(self) -> None:
        if why := missing():
            self.skipTest(why)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            ports = {**free_ports(), "public": port}
            (self.folder / "ports.json").write_text(json.dumps(ports))
            done = cluster("start", str(self.folder))
        self.assertEqual(done.returncode, 1)
        self.assertEqual(
            done.stderr,
            f"cluster: ports are in use: {port} (public); make cluster PORT=0 takes free ones\n",
        )
        self.assertFalse((self.folder / "postgresql").exists())

    def test_stopping_what_does_not_run(self) -> None:
        self.assertEqual(cluster("stop", str(self.folder)).stdout, "cluster: none is running\n")

    def test_ports(self) -> None:
        ports = default_ports()
        self.assertEqual(len(set(ports.values())), len(ports))
        self.assertEqual(ports["node2/public"], 28000)
        found = free_ports()
        self.assertEqual((set(found), len(set(found.values()))), (set(ports), len(ports)))
        self.assertTrue(is_free(found["node1/ops"]))
        self.assertEqual(set(Layout(self.folder).node_urls("node1")), set(ENDPOINTS))

"""Worker processes: they serve as one, and none of them is missed."""

import os
import re
import signal
import threading
import time
import unittest
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from tests.server.support import connected, read_to_end
from tests.support.servers.librarian import NotServing, ServerProcess

PATIENCE_SECONDS = 60.0  # on a machine that does much else
CLIENTS = 3
PUBLIC = 'librarian_requests_total{endpoint="public"'
IN_MEMORY = """
<configure xmlns="http://namespaces.zope.org/zope">
  <include package="librarian" file="meta.zcml" />
  <utility provides="librarian.interfaces.IClock" factory="librarian.clock.NodeClock" />
  <utility provides="librarian.interfaces.IFetcher" factory="librarian.net.service.UrllibFetcher" />
  <utility provides="librarian.store.interfaces.IByteStore" factory="librarian.store.service.memory_store" />
  <utility provides="librarian.tree.interfaces.ITree" factory="librarian.tree.service.configured_tree" />
  <include package="librarian" file="base.zcml" />
  <include package="librarian.web" file="endpoints.zcml" />
  <include package="librarian.library" file="endpoints.zcml" />
</configure>
"""
IDLE_SECONDS = 0.5  # after which a connection that is kept may be closed by the server at any moment
PAUSE_SECONDS = 0.005  # between two requests of a client, so that the server has processor time for others


def until(condition: Callable[[], bool]) -> None:
    """Return when `condition` holds."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {PATIENCE_SECONDS:g} s")
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def refuses(url: str) -> bool:
    """Whether no process listens there."""
    try:
        connected(url).close()
    except OSError:
        return True
    return False


def get(url: str, token: str = "") -> bytes:
    """The whole answer to a GET on a connection of its own; b"" if the server says nothing."""
    path = urlsplit(url).path + token
    with closing(connected(url)) as connection:
        try:
            connection.sendall(
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
            )
            return read_to_end(connection)
        except OSError:
            return b""


class Load:
    """Clients that get a file, on a new connection each time, until the end of the block."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answered = 0
        self.failed: list[bytes] = []
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.is_set():
            answer = get(self.url)
            if answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"hello"):
                self.answered += 1
            else:
                self.failed.append(answer)
            self._ended.wait(PAUSE_SECONDS)

    def end(self) -> None:
        self._ended.set()


@contextmanager
def load(url: str, clients: int = CLIENTS) -> Iterator[Load]:
    """Load on a server for the length of a `with`."""
    found = Load(url)
    threads = [threading.Thread(target=found.run) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        found.end()
        for thread in threads:
            thread.join()


class Kept(threading.Thread):
    """A client that gets a file on a connection that it keeps, until the server says close."""

    def __init__(self, url: str, ended: threading.Event) -> None:
        super().__init__()
        self.answered = 0
        self.failed: list[Exception] = []
        self._url = urlsplit(url)
        self._ended = ended

    def run(self) -> None:
        connection = HTTPConnection(str(self._url.hostname), self._url.port, timeout=PATIENCE_SECONDS)
        last = time.monotonic()
        while not self._ended.is_set():
            if time.monotonic() - last > IDLE_SECONDS:  # this process did not get to run
                connection.close()
            try:
                connection.request("GET", self._url.path)
                connection.getresponse().read()
                self.answered += 1
            except (OSError, HTTPException) as error:
                self.failed.append(error)
                connection.close()
            last = time.monotonic()
        connection.close()


def seconds_of(pid: int) -> float:
    """The processor time of a process, as the scheduler counts it."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


class WithWorkers(unittest.TestCase):
    """A server with two workers for the tests of a class, each of which leaves it with two."""

    server: ServerProcess
    log: Path

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = ServerProcess(workers=2)
        cls.addClassCleanup(cls.server.remove)
        cls.addClassCleanup(cls.server.stop)
        cls.log = cls.server.folder / "access.log"
        text = cls.server.ini.read_text()
        setting = f"librarian.access_log = {cls.log}\n"
        cls.server.ini.write_text(text.replace("[server:main]", f"{setting}[server:main]"))
        cls.server.start()

    def setUp(self) -> None:
        until(lambda: len(self.server.worker_pids) == 2)  # those that an earlier test replaced may be ending
        self.begun = len(self.said())

    def said(self) -> str:
        """The server's log."""
        return self.server.log.read_text()

    def says(self, what: str) -> None:
        """Wait until the log has `what` since the test began."""
        until(lambda: what in self.said()[self.begun :])

    def put(self, name: str = "hello.txt", body: bytes = b"hello") -> str:
        url: str = self.server.request("PUT", self.server.urls["upload"] + name, body=body).json()["url"]
        return url

    def metric(self, beginning: str) -> float:
        """The sum of the samples whose line begins so."""
        text = get(self.server.urls["ops"] + "metrics").decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(beginning))


class Workers(WithWorkers):
    def test_a_file_is_at_once_there_and_at_once_gone_whoever_answers(self) -> None:
        for turn in range(2):
            url = self.put(f"{turn}.txt")
            self.assertEqual({get(url).split()[1] for _ in range(8)}, {b"200"})
            done = self.server.command("delete", urlsplit(url).path.split("/")[1])
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual({get(url).split()[1] for _ in range(8)}, {b"404"})

    def test_both_answer_and_their_counters_are_one_sum(self) -> None:
        url, answered = self.put(), self.metric(PUBLIC)
        workers = self.server.worker_pids
        before = [seconds_of(pid) for pid in workers]
        for _ in range(200):
            get(url)
        after = [seconds_of(pid) for pid in workers]
        for first, last in zip(before, after, strict=True):
            self.assertGreater(last, first)
        self.assertEqual(self.metric(PUBLIC), answered + 200)
        self.assertEqual(self.metric('librarian_request_seconds_count{endpoint="public"'), answered + 200)
        self.assertGreaterEqual(self.metric("process_cpu_seconds_total "), sum(after))

    def test_they_write_one_access_log_in_whole_lines(self) -> None:
        url, path = self.put(), self.log
        with load(url) as clients:
            until(lambda: clients.answered > 200)
            path.rename(path.with_suffix(".1"))
            os.kill(self.server.pid, signal.SIGUSR1)
            until(lambda: path.exists() and path.stat().st_size > 10_000)
        pattern = re.compile(
            r'127\.0\.0\.1 - - \[[^]]+\] "GET ' + urlsplit(url).path + r' HTTP/1\.1" 200 5 "-" "-" \S+'
        )

        def whole_lines() -> int:
            lines = (path.with_suffix(".1").read_text() + path.read_text()).splitlines()
            return sum(1 for line in lines if pattern.fullmatch(line))

        until(lambda: whole_lines() == clients.answered)  # each line is written behind its answer

    def test_a_worker_that_is_killed_takes_its_own_connections_only_and_comes_back(self) -> None:
        url = self.put()
        killed, other = self.server.worker_pids
        with load(url) as clients:
            until(lambda: clients.answered > 50)
            counted = self.metric(PUBLIC)
            os.kill(killed, signal.SIGKILL)
            self.says("worker died")
            self.says("worker ready")
            seen = clients.answered
            until(lambda: clients.answered > seen + 50)
        self.assertIn(other, self.server.worker_pids)
        self.assertEqual(len(self.server.worker_pids), 2)
        self.assertLessEqual(len(clients.failed), CLIENTS)  # one for each at most
        self.assertGreater(self.metric(PUBLIC), counted + 50)

    def test_what_waits_for_a_worker_that_died_is_answered_by_another(self) -> None:
        """While no successor can start, and with both workers when one has started."""
        url, text = self.put(), self.server.ini.read_text()
        self.server.ini.write_text(text.replace("[server:main]", "librarian.no_such = 1\n[server:main]"))
        try:
            os.kill(self.server.worker_pids[0], signal.SIGKILL)
            self.says("no successor")
            for _ in range(16):
                self.assertIn(b"hello", get(url))
        finally:
            self.server.ini.write_text(text)
        self.says("worker ready")
        until(lambda: len(self.server.worker_pids) == 2)
        before = [seconds_of(pid) for pid in self.server.worker_pids]
        for _ in range(200):
            self.assertIn(b"hello", get(url))
        after = [seconds_of(pid) for pid in self.server.worker_pids]
        for first, last in zip(before, after, strict=True):
            self.assertGreater(last, first)

    def test_a_worker_that_is_told_to_end_finishes_and_comes_back(self) -> None:
        told = self.server.worker_pids[0]
        with load(self.put()) as clients:
            os.kill(told, signal.SIGTERM)
            self.says("worker died")
            self.says("worker ready")
        self.assertEqual(clients.failed, [])

    def test_sighup_replaces_all_of_them_and_no_request_fails(self) -> None:
        url, first, answered = self.put(), self.server.worker_pids, self.metric(PUBLIC)
        with load(url) as clients:
            os.kill(self.server.pid, signal.SIGHUP)
            self.says("replaced workers=2")
            until(lambda: not set(first) & set(self.server.worker_pids))
        self.assertEqual(clients.failed, [])
        self.assertGreater(clients.answered, 50)
        until(lambda: len(self.server.worker_pids) == 2)
        self.assertEqual(self.metric(PUBLIC), answered + clients.answered)
        self.assertEqual(self.metric("librarian_workers "), 2)

    def test_sighup_loses_no_request_on_connections_that_are_kept(self) -> None:
        """A connection that is closed between two requests can take the second one with it."""
        url, ended = self.put(), threading.Event()
        found: list[Kept] = [Kept(url, ended) for _ in range(CLIENTS)]
        for client in found:
            client.start()
        for turn in range(3):
            os.kill(self.server.pid, signal.SIGHUP)
            until(lambda turn=turn: self.said()[self.begun :].count("replaced workers=2") > turn)  # type: ignore[misc]
            answered = sum(client.answered for client in found)
            until(lambda answered=answered: sum(client.answered for client in found) > answered + 50)  # type: ignore[misc]
        ended.set()
        for client in found:
            client.join()
        self.assertEqual([client.failed for client in found], [[]] * CLIENTS)

    def test_an_upload_that_has_begun_is_finished_by_the_worker_that_is_replaced(self) -> None:
        with closing(connected(self.server.urls["upload"])) as connection:
            connection.sendall(
                b"PUT /slow.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf "
            )
            time.sleep(0.2)  # the kernel's: until a worker has read the headers
            os.kill(self.server.pid, signal.SIGHUP)
            self.says("replaced workers=2")
            connection.sendall(b"whole")
            self.assertIn(b"201 Created", read_to_end(connection))

    def test_workers_stay_where_their_successors_cannot_start(self) -> None:
        url, first, text = self.put(), self.server.worker_pids, self.server.ini.read_text()
        self.server.ini.write_text(
            text.replace("[server:main]", "librarian.no_such_setting = 1\n[server:main]")
        )
        try:
            os.kill(self.server.pid, signal.SIGHUP)
            self.says("the other workers are not replaced")
            until(lambda: set(self.server.worker_pids) <= set(first))
        finally:
            self.server.ini.write_text(text)
        self.assertIn(b"hello", get(url))
        self.assertIn("Error: setting librarian.no_such_setting", self.said())

    def test_without_any_worker_connections_are_refused_at_once(self) -> None:
        """A front end that is refused asks another node; one whose connection is accepted waits there."""
        url, text = self.put(), self.server.ini.read_text()
        self.server.ini.write_text(text.replace("[server:main]", "librarian.no_such = 1\n[server:main]"))
        try:
            for pid in self.server.worker_pids:
                os.kill(pid, signal.SIGKILL)
            self.says("no worker is left")
            self.assertTrue(refuses(url))
            self.says("no successor")
            self.assertTrue(refuses(url))
        finally:
            self.server.ini.write_text(text)
        until(lambda: not refuses(url))
        self.assertIn(b"hello", get(url))

    def test_a_second_server_is_refused_the_addresses(self) -> None:
        port = urlsplit(self.server.urls["public"]).port
        other = ServerProcess(workers=2)
        self.addCleanup(other.remove)
        text = other.ini.read_text().replace(
            "public.listen = 127.0.0.1:0", f"public.listen = 127.0.0.1:{port}"
        )
        other.ini.write_text(text)
        with self.assertRaises(NotServing) as caught:
            other.start()
        self.assertIn(f"endpoint public cannot listen on 127.0.0.1 port {port}", other.log.read_text())
        self.assertIn("cannot listen", str(caught.exception))


# To the parent, when it has started its first worker.
_SIGHUP_AT_START = """\
import os, signal
from librarian.serving.workers.parent import Parent
note = Parent._note_processes
def noted(self):
    note(self)
    if self._workers and not hasattr(self, "seen"):
        self.seen = True
        os.kill(os.getpid(), signal.SIGHUP)
Parent._note_processes = noted
"""


class Ending(unittest.TestCase):
    def test_without_their_parent_they_end_and_a_new_server_starts(self) -> None:
        server = ServerProcess(workers=2)
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        server.start()
        answer = server.request("PUT", server.urls["upload"] + "hello.txt", body=b"hello")
        path, workers = urlsplit(answer.json()["url"]).path, server.worker_pids
        server.kill_parent()
        server.start()  # at once
        until(lambda: not any(map(is_running, workers)))
        self.assertIn(b"hello", get(server.urls["public"].rstrip("/") + path))

    def test_at_the_end_nothing_waits_for_a_worker_that_does_not_come(self) -> None:
        server = ServerProcess(workers=2)
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        server.start()
        with closing(connected(server.urls["upload"])) as running:
            running.sendall(b"PUT /slow.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf ")
            time.sleep(0.2)  # the kernel's: until a worker has read the headers
            os.kill(server.pid, signal.SIGTERM)
            until(lambda: refuses(server.urls["public"]))
            running.sendall(b"whole")
            self.assertIn(b"201 Created", read_to_end(running))

    def test_sighup_while_they_start(self) -> None:
        server = ServerProcess(workers=2)
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        server.start(_SIGHUP_AT_START)
        until(lambda: "replaced workers=2" in server.log.read_text())
        until(lambda: len(server.worker_pids) <= 2)
        self.assertEqual(server.log.read_text().count("worker ready"), 4)

    def test_where_they_cannot_start_the_server_ends_with_their_reason(self) -> None:
        server = ServerProcess(workers=2)
        self.addCleanup(server.remove)
        first = "import librarian.serving.workers.process as p; p._RUN = 'raise SystemExit(3)'"
        with self.assertRaises(NotServing):
            server.start(first)
        self.assertIn("Error: a worker could not start, and ended with status 3", server.log.read_text())

    def test_bytes_in_the_memory_of_one_process(self) -> None:
        site = Path(self.enterContext(TemporaryDirectory())) / "site.zcml"
        site.write_text(IN_MEMORY)
        server = ServerProcess(site=site)
        self.addCleanup(server.remove)
        done = server.command("serve", str(server.ini), "--workers", "2")
        why = "must be 1, as the byte store of this site is in the memory of one process"
        last = done.stderr.splitlines()[-1]
        self.assertEqual((done.returncode, last), (1, f"Error: setting [server:main] workers: {why}"))
        self.assertNotIn("Traceback", done.stderr)

    def test_a_database_that_is_not_shared_and_numbers_that_are_none(self) -> None:
        for more, option, why in (
            ("librarian.share_database = false", "2", "librarian.share_database: must be on for workers"),
            ("", "0", "[server:main] workers: '0' is neither a number from 1 to 64 nor auto"),
        ):
            server = ServerProcess(more)
            self.addCleanup(server.remove)
            done = server.command("serve", str(server.ini), "--workers", option)
            self.assertEqual(done.returncode, 1)
            self.assertIn(why, done.stderr)

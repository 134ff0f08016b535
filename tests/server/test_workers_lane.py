"""The file lane of each worker: what one of them changes, none of the others answers for any more."""

import re
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from tests.server.test_workers import WithWorkers, until

HITS = 100
ROUNDS = 5
_WAITS = re.compile(r"^voluntary_ctxt_switches:\s*(\d+)", re.MULTILINE)
DATE = "last_modified=Sat%2C%2017%20Sep%202005%2012%3A00%3A{:02d}%20%2B0000"


def worker_of(connection: HTTPConnection, workers: list[int]) -> int | None:
    """The worker that has the other end of a connection."""
    local, remote = connection.sock.getsockname()[1], connection.sock.getpeername()[1]
    ends = f":{remote:04X} ", f":{local:04X} "
    for line in Path("/proc/net/tcp").read_text().splitlines():
        fields = line.split()
        if f"{fields[1]} ".endswith(ends[0]) and f"{fields[2]} ".endswith(ends[1]):
            return next((pid for pid in workers if has_socket(pid, fields[9])), None)
    return None


def has_socket(pid: int, inode: str) -> bool:
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if str(descriptor.readlink()) == f"socket:[{inode}]":
                return True
        except FileNotFoundError:  # closed just now
            continue
    return False


def waits_beside_the_loop(pid: int) -> int:
    """How often the threads of a process but its first have waited: they have no part in the lane."""
    tasks = [task for task in Path(f"/proc/{pid}/task").iterdir() if task.name != str(pid)]
    texts = [(task / "status").read_text() for task in tasks]
    return sum(int(number) for text in texts for number in _WAITS.findall(text))


class Lanes(WithWorkers):
    def connections(self) -> dict[int, HTTPConnection]:
        """A connection to each worker, by its pid; which worker takes one is the kernel's choice."""
        found: dict[int, HTTPConnection] = {}
        parts = urlsplit(self.server.urls["tracker"])

        def connect() -> bool:
            connection = HTTPConnection(str(parts.hostname), parts.port, timeout=30)
            self.addCleanup(connection.close)
            self.ask(connection, "GET", "/files/none")
            worker = worker_of(connection, self.server.worker_pids)
            assert worker is not None
            found[worker] = connection
            return len(found) == 2

        until(connect)
        return found

    def ask(
        self, connection: HTTPConnection, method: str, path: str, body: bytes | None = None
    ) -> tuple[int, bytes]:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def test_each_answers_without_a_thread_what_it_has_answered_before(self) -> None:
        first, *_others = links = self.connections()
        self.ask(links[first], "PUT", f"/files/lane/a?{DATE.format(1)}", b"hello")
        for pid, connection in links.items():
            with self.subTest(pid=pid):
                waits = []
                for path in ("/files/lane/a?", "/files/lane/a"):  # a query is the application's affair
                    self.assertEqual(self.ask(connection, "GET", path), (200, b"hello"))
                    before = waits_beside_the_loop(pid)
                    for _turn in range(HITS):
                        self.assertEqual(self.ask(connection, "GET", path), (200, b"hello"))
                    waits.append(waits_beside_the_loop(pid) - before)
                by_application, in_lane = waits
                self.assertGreaterEqual(by_application, HITS)
                self.assertLess(in_lane, HITS / 2)

    def test_what_one_has_changed_or_deleted_the_other_never_shows_as_it_was(self) -> None:
        one, other = self.connections().values()
        for turn in range(ROUNDS):
            path = f"/files/lane/{turn}"
            for data in (b"old", b"new"):
                query = DATE.format(2 * turn + (data == b"new"))
                self.assertEqual(self.ask(one, "PUT", f"{path}?{query}", data)[0], 200)
                for connection in (other, one, other, one):
                    self.assertEqual(self.ask(connection, "GET", path), (200, data))
            self.assertEqual(self.ask(one, "DELETE", f"{path}?{query}")[0], 200)
            for connection in (other, one, other):
                self.assertEqual(self.ask(connection, "GET", path)[0], 404)
            one, other = other, one

"""SIGTERM: what is running comes to its end, nothing new begins, and the next start finds all in order."""

import os
import signal
import socket
import threading
import time
import unittest
from contextlib import closing
from urllib.parse import urlsplit

from tests.server.support import connected, read_to_end, started
from tests.support.servers.librarian import ServerProcess

SIZE = 24 << 20  # more than the sockets between hold, so that the transfer is really under way


def terminate(server: ServerProcess) -> None:
    """SIGTERM, and wait until connections are refused."""
    os.kill(server.pid, signal.SIGTERM)
    while True:
        try:
            connected(server.urls["public"]).close()
        except OSError:
            return


# To the process itself, before it makes the application.
_SIGHUP_AT_START = """\
import os, signal
import librarian.commands.serve as serve
make_app = serve.make_app
serve.make_app = lambda values: (os.kill(os.getpid(), signal.SIGHUP), make_app(values))[1]
"""


class Terminated(unittest.TestCase):
    def test_sighup_while_it_starts_is_no_end(self) -> None:
        server = ServerProcess()
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        server.start(_SIGHUP_AT_START)
        self.assertEqual(server.request("GET", server.urls["app"] + "health").status, 200)

    def test_a_download_comes_to_its_end(self) -> None:
        server = started(self)
        data = os.urandom(1 << 20) * 24
        url = server.request("PUT", server.urls["upload"] + "big.bin", body=data).json()["url"]
        with closing(connected(url)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            connection.sendall(f"GET {urlsplit(url).path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            begun = connection.recv(1 << 12)
            terminate(server)
            head, _, body = (begun + read_to_end(connection)).partition(b"\r\n\r\n")
        self.assertIn(b"200 OK", head)
        self.assertEqual(body, data)

    def test_an_upload_comes_to_its_end_and_is_there_after_the_next_start(self) -> None:
        server = started(self)
        data = os.urandom(1 << 20)
        with closing(connected(server.urls["upload"])) as connection:
            connection.sendall(
                b"PUT /late.bin HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(data)
            )
            connection.sendall(data[:1000])
            time.sleep(0.2)  # the kernel's: until the server has read the headers
            terminate(server)
            connection.sendall(data[1000:])
            answer = read_to_end(connection)
        self.assertIn(b"201 Created", answer)
        self.assertIn(b"Connection: close", answer)
        path = urlsplit(answer.partition(b"Location: ")[2].split()[0].decode()).path
        server.stop()
        server.start()
        self.assertEqual(server.request("GET", server.urls["public"].rstrip("/") + path).data, data)

    def test_idle_connections_do_not_hold_it_up(self) -> None:
        server = started(self)
        idle = [connected(server.urls["public"]) for _ in range(20)]
        before = time.monotonic()
        server.stop()
        self.assertLess(time.monotonic() - before, 10)
        for connection in idle:
            self.assertEqual(read_to_end(connection), b"")
            connection.close()

    def test_a_stuck_client_delays_the_end_by_a_limited_time(self) -> None:
        server = ServerProcess()
        self.addCleanup(server.remove)
        server.ini.write_text(server.ini.read_text().replace("#endpoints", "#endpoints\ngrace_seconds = 1"))
        server.start()
        with closing(connected(server.urls["upload"])) as connection:
            connection.sendall(b"PUT /never.bin HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n123")
            time.sleep(0.2)
            before = time.monotonic()
            server.stop()
            self.assertLess(time.monotonic() - before, 10)
        self.assertIn("stopped in the middle of transfers=1", server.log.read_text())

    def test_it_ends_in_the_midst_of_many_uploads(self) -> None:
        """Every one of them is either acknowledged and kept, or was not begun."""
        server = started(self)
        kept: list[str] = []

        def upload(number: int) -> None:
            for turn in range(1000):
                try:
                    url = server.urls["upload"] + f"{number}-{turn}.txt"
                    answer = server.request("PUT", url, body=b"%d %d" % (number, turn))
                except Exception:  # noqa: BLE001  # it is gone, whatever that looks like from here
                    return
                kept.append(urlsplit(answer.json()["url"]).path)

        clients = [threading.Thread(target=upload, args=(n,)) for n in range(4)]
        for client in clients:
            client.start()
        time.sleep(0.5)
        server.stop()
        for client in clients:
            client.join()
        server.start()
        self.assertGreater(len(kept), 4)
        base = server.urls["public"].rstrip("/")
        self.assertEqual({server.request("GET", base + path).status for path in kept}, {200})

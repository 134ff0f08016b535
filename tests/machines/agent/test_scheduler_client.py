"""The HTTP client of the daemons, and the watchdog, against servers with unexpected answers."""

import os
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from librarian.machines.agent.interfaces import JobLost, Refused, Unreachable
from librarian.machines.agent.scheduler_client import Api, HTTPSchedulerClient
from librarian.machines.agent.watchdog import Watchdog
from tests.support.layers import Functional
from tests.support.servers.keep_alive import KeepAlive


class OddServer:
    """Answers every request with one status and body, and remembers what it was asked."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.asked: list[tuple[str, str, str | None]] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                asked.append((self.command, self.path, self.headers["Authorization"]))
                self.rfile.read(int(self.headers["Content-Length"] or 0))
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = answer

            def log_message(self, format: str, *values: Any) -> None:  # noqa: A002  # its base class's name
                """Nothing to standard error."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class OddAnswers(unittest.TestCase):
    layer = Functional

    def ask(self, status: int, body: bytes = b"", **headers: str) -> Any:
        server = OddServer(status, body, headers)
        self.addCleanup(server.close)
        self.server = server
        return HTTPSchedulerClient(Api(server.url, "secret"), "apollo").poll(1)

    def test_server_errors_are_unreachable(self) -> None:
        for status in (500, 502, 503, 507, 429):
            with self.subTest(status=status), self.assertRaises(Unreachable):
                self.ask(status, b"<html>oops</html>")

    def test_a_refusal_has_status_and_reason(self) -> None:
        with self.assertRaises(Refused) as caught:
            self.ask(403, b'{"error": "Joe may not do this."}')
        self.assertEqual((caught.exception.status, caught.exception.reason), (403, "Joe may not do this."))

    def test_status_410_is_a_lost_job(self) -> None:
        self.assertRaises(JobLost, self.ask, 410, b"{}")

    def test_answers_of_another_kind_of_server_are_refused(self) -> None:
        for body in (b"<html>welcome</html>", b"[]", b"\xff"):
            with self.subTest(body=body), self.assertRaises(Refused) as caught:
                self.ask(200, body)
            self.assertIn("is the URL right?", str(caught.exception))

    def test_redirections_are_not_followed_with_the_token(self) -> None:
        with self.assertRaises(Refused):
            self.ask(302, Location="http://127.0.0.1:9/elsewhere")
        self.assertEqual(self.server.asked, [("POST", "/machines/+scheduler/apollo/poll", "Bearer secret")])

    def test_a_broken_connection_is_unreachable(self) -> None:
        with self.assertRaises(Unreachable):
            self.ask(200, b'{"state": "ONL', **{"Content-Length": "500"})


class GrowingApi(Api):
    """Changes the file just before it is sent."""

    change = b""  # appended to the file; empty: the file is cut
    path = Path()

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> Any:
        if self.change:
            with self.path.open("ab") as file:
                file.write(self.change)
        else:
            os.truncate(self.path, 3)
        return super().send(method, path, headers, **options)


class FilesThatChange(unittest.TestCase):
    def setUp(self) -> None:
        self.peer = KeepAlive()
        self.addCleanup(self.peer.close)
        self.api = GrowingApi(self.peer.url, "secret")
        self.api.path = Path(self.enterContext(TemporaryDirectory())) / "f"
        self.api.path.write_bytes(b"so far")

    def deliver(self, kind: str) -> None:
        HTTPSchedulerClient(self.api, "apollo").deliver(7, kind, self.api.path)

    def test_a_growing_log_is_sent_as_it_was_at_the_start(self) -> None:
        self.api.change = b" and further"
        self.deliver("log")
        self.deliver("log")
        self.assertEqual(self.peer.bodies, [b"so far", b"so far and further"])
        self.assertEqual(self.peer.connections, 1)

    def test_a_growing_bundle_is_not_sent(self) -> None:
        self.api.change = b" and further"
        self.assertRaisesRegex(Unreachable, "f changed while it was sent", self.deliver, "bundle")
        self.assertEqual(self.peer.bodies, [])

    def test_a_file_that_was_cut_is_noticed(self) -> None:
        for kind in ("log", "bundle"):
            self.api.path.write_bytes(b"so far")
            self.assertRaisesRegex(Unreachable, "size is 6, but 3 were read", self.deliver, kind)
        self.assertEqual(self.peer.bodies, [])


class ScriptedApi:
    """An Api for the watchdog: it answers, or is unreachable, as the test sets it."""

    def __init__(self) -> None:
        self.reachable = True
        self.posted: list[dict[str, Any]] = []

    def post(self, path: str, **fields: Any) -> dict[str, Any]:
        if not self.reachable:
            raise Unreachable("down")
        self.posted.append(fields)
        return {"offline": []}


class WatchdogReachability(unittest.TestCase):
    def test_it_sends_how_long_the_service_has_answered(self) -> None:
        api, now = ScriptedApi(), [100.0]
        dog = Watchdog(api, lambda: now[0])  # type: ignore[arg-type]
        dog.check()
        for step in (60, 60):
            now[0] += step
            dog.check()
        api.reachable = False
        now[0] += 1000
        self.assertRaises(Unreachable, dog.check)
        api.reachable = True
        for step in (1, 60):
            now[0] += step
            dog.check()
        dog.check(judge_now=True)
        self.assertEqual(
            [fields.get("reachable_seconds") for fields in api.posted], [0, 60, 120, 0, 60, None]
        )

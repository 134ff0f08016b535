"""The HTTP client of the daemons, and the watchdog, against servers that answer oddly."""

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

    def test_what_blames_the_server_may_be_tried_again(self) -> None:
        for status in (500, 502, 503, 507, 429):
            with self.subTest(status=status), self.assertRaises(Unreachable):
                self.ask(status, b"<html>oops</html>")

    def test_a_refusal_carries_its_reason(self) -> None:
        with self.assertRaises(Refused) as caught:
            self.ask(403, b'{"error": "Joe may not do this."}')
        self.assertEqual((caught.exception.status, caught.exception.reason), (403, "Joe may not do this."))

    def test_gone_is_a_lost_job(self) -> None:
        self.assertRaises(JobLost, self.ask, 410, b"{}")

    def test_another_kind_of_server_is_noticed(self) -> None:
        for body in (b"<html>welcome</html>", b"[]", b"\xff"):
            with self.subTest(body=body), self.assertRaises(Refused) as caught:
                self.ask(200, body)
            self.assertIn("is the URL right?", str(caught.exception))

    def test_the_token_is_sent_to_nobody_else(self) -> None:
        with self.assertRaises(Refused):
            self.ask(302, Location="http://127.0.0.1:9/elsewhere")
        self.assertEqual(self.server.asked, [("POST", "/machines/+scheduler/apollo/poll", "Bearer secret")])

    def test_a_connection_that_breaks_off(self) -> None:
        with self.assertRaises(Unreachable):
            self.ask(200, b'{"state": "ONL', **{"Content-Length": "500"})


class GrowingApi(Api):
    """Has the file that is handed in change just before it is sent."""

    change = b""  # what is added to it; empty: it is cut
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

    def test_of_a_log_that_grows_comes_what_it_was_at_the_start(self) -> None:
        self.api.change = b" and further"
        self.deliver("log")
        self.deliver("log")
        self.assertEqual(self.peer.bodies, [b"so far", b"so far and further"])
        self.assertEqual(self.peer.connections, 1)

    def test_a_bundle_that_grows_is_not_handed_in(self) -> None:
        self.api.change = b" and further"
        self.assertRaisesRegex(Unreachable, "f changed while it was sent", self.deliver, "bundle")
        self.assertEqual(self.peer.bodies, [])

    def test_what_became_shorter_is_told_at_once(self) -> None:
        for kind in ("log", "bundle"):
            self.api.path.write_bytes(b"so far")
            self.assertRaisesRegex(Unreachable, "size is 6, but 3 were read", self.deliver, kind)
        self.assertEqual(self.peer.bodies, [])


class ScriptedApi:
    """An Api for the watchdog: answers, or is out of reach, as told."""

    def __init__(self) -> None:
        self.reachable = True
        self.told: list[dict[str, Any]] = []

    def post(self, path: str, **fields: Any) -> dict[str, Any]:
        if not self.reachable:
            raise Unreachable("down")
        self.told.append(fields)
        return {"offline": []}


class WatchdogsMemory(unittest.TestCase):
    def test_it_says_how_long_it_has_seen_the_registry_without_a_break(self) -> None:
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
        self.assertEqual([fields.get("reachable_seconds") for fields in api.told], [0, 60, 120, 0, 60, None])

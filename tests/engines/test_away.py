"""Servers whose database is stopped, killed or frozen: refused at once, back by themselves."""

import json
import os
import signal
import threading
import time
import unittest
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import urllib3

from tests.support.servers.engines import TABLE, ZeoServer
from tests.support.servers.librarian import ServerProcess
from tests.support.servers.postgresql import PostgresServer, postgresql_missing

# Far less than any driver's own time-out, and enough for a machine that is busy with other things.
SOON_SECONDS = 8.0
SETTINGS = "librarian.database_patience = 1s\n"


if TYPE_CHECKING:
    Case = unittest.TestCase
else:
    Case = object  # what is no TestCase is not run by itself


class Away:
    """A server for each engine that can be away."""

    databases: ClassVar[dict[str, Any]] = {}
    servers: ClassVar[dict[str, ServerProcess]] = {}

    @classmethod
    def missing(cls) -> str | None:
        return postgresql_missing()

    @classmethod
    def setUp(cls) -> None:
        zeo, postgres = ZeoServer(), PostgresServer()
        cls.databases.update(ZEO=zeo, PostgreSQL=postgres)
        for database in (zeo, postgres):
            database.start()
        uris = {"ZEO": zeo.uri, "PostgreSQL": f"postgres://librarian@{postgres.place}?{TABLE}"}
        for name, uri in uris.items():
            cls.servers[name] = ServerProcess(SETTINGS, database_uri=uri)
            cls.servers[name].start()

    @classmethod
    def tearDown(cls) -> None:
        for part in (*cls.servers.values(), *cls.databases.values()):
            part.stop()
            part.remove()


class EngineAway(Case):
    """The same for each engine."""

    layer = Away
    name: str

    def setUp(self) -> None:
        self.server = Away.servers[self.name]
        self.database = Away.databases[self.name]
        self.http = urllib3.PoolManager(retries=False, timeout=60, maxsize=30)
        self.requests = self.every_endpoint()
        self.begun = self.server.log.stat().st_size

    def every_endpoint(self) -> dict[str, tuple[str, str]]:
        urls = self.server.urls
        public, restricted = (self.put(endpoint) for endpoint in ("upload", "restricted-upload"))
        return {
            "public": ("GET", urls["public"].rstrip("/") + urlsplit(public["url"]).path),
            "restricted": ("GET", urls["restricted"].rstrip("/") + urlsplit(restricted["url"]).path),
            "search": ("GET", f"{urls['public']}search?digest={public['sha256']}"),
            "app": ("GET", urls["app"]),
            "file": ("GET", f"{urls['app']}files/{public['id']}/+about"),
            "log-in": ("GET", f"{urls['app']}+login"),
            "upload": ("PUT", f"{urls['upload']}new.txt"),
            "restricted upload": ("PUT", f"{urls['restricted-upload']}new.txt"),
            "tracker": ("GET", f"{urls['tracker']}list/"),
        }

    def put(self, endpoint: str) -> dict[str, Any]:
        answer = self.http.request("PUT", f"{self.server.urls[endpoint]}f.txt", body=b"some bytes")
        self.assertEqual(answer.status, 201, answer.data)
        return dict(json.loads(answer.data))

    def ask(self, name: str) -> Any:
        method, url = self.requests[name]
        body = b"new bytes" if method == "PUT" else None
        return self.http.request(method, url, body=body, redirect=False, headers={"Accept": "text/html"})

    def ask_all(self) -> dict[str, Any]:
        begun = time.monotonic()
        with ThreadPoolExecutor(len(self.requests)) as pool:
            answers = dict(zip(self.requests, pool.map(self.ask, self.requests), strict=True))
        self.assertLess(time.monotonic() - begun, SOON_SECONDS)
        return answers

    def assert_refused(self) -> None:
        for name, answer in self.ask_all().items():
            with self.subTest(name=name):
                self.assertEqual((answer.status, answer.headers.get("Retry-After")), (503, "2"), answer.data)
                self.assertEqual(answer.headers.get("Cache-Control"), "no-store")
        ops = self.server.urls["ops"]
        self.assertEqual(self.http.request("GET", f"{ops}health").status, 200)
        ready = self.http.request("GET", f"{ops}ready")
        self.assertEqual((ready.status, json.loads(ready.data)["tree"]), (503, "unavailable"))

    def assert_back(self) -> None:
        deadline = time.monotonic() + SOON_SECONDS
        while self.ask("upload").status != 201:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        for name, answer in self.ask_all().items():
            with self.subTest(name=name):
                self.assertLess(answer.status, 400, answer.data)
        self.assertEqual(self.http.request("GET", f"{self.server.urls['ops']}ready").status, 200)

    def logged(self) -> str:
        with self.server.log.open("rb") as log:
            log.seek(self.begun)
            return log.read().decode()

    def goes(self, leave: Callable[[], None], come: Callable[[], None]) -> None:
        leave()
        try:
            self.assert_refused()
            self.assert_refused()
        finally:
            come()
        self.assert_back()
        log = self.logged()
        self.assertEqual(log.count("database away"), 1, log)
        self.assertEqual(log.count("database back"), 1, log)
        self.assertNotIn("Traceback", log)

    def freeze(self) -> None:
        self.frozen = self.database.pids
        for pid in self.frozen:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self.frozen:
            os.kill(pid, signal.SIGCONT)

    def kill(self) -> None:
        raise NotImplementedError

    def test_frozen(self) -> None:
        self.goes(self.freeze, self.thaw)

    def test_stopped(self) -> None:
        self.goes(self.database.stop, self.database.start)

    def test_killed(self) -> None:
        self.goes(self.kill, self.database.start)

    def test_in_the_middle_of_work(self) -> None:
        """Whatever a request was about when the database went, it gets an answer that says so."""
        answers: list[int] = []
        ended = threading.Event()

        def work(names: tuple[str, ...]) -> None:
            while not ended.is_set():
                answers.extend(self.ask(name).status for name in names)

        loads = [
            ("upload", "public"),
            ("tracker", "file"),
            ("restricted upload", "app"),
            ("search", "log-in"),
        ]
        with ThreadPoolExecutor(len(loads)) as pool:
            working = [pool.submit(work, names) for names in loads]
            try:
                for leave, come in ((self.freeze, self.thaw), (self.kill, self.database.start)) * 2:
                    self.seen(answers, 200)
                    leave()
                    try:
                        self.seen(answers, 503)
                    finally:
                        come()
            finally:
                ended.set()
            for load in working:
                load.result(60)
        self.assertEqual(set(answers) - {200, 201, 303, 503}, set())
        self.assert_back()
        self.assertNotIn("Traceback", self.logged())

    def seen(self, answers: list[int], status: int) -> None:
        """Wait for an answer with this status, which is not one from before."""
        begun, deadline = len(answers), time.monotonic() + SOON_SECONDS
        while status not in answers[begun:]:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)


class ZeoAway(EngineAway, unittest.TestCase):
    name = "ZEO"

    def kill(self) -> None:
        self.database.stop(signal.SIGKILL)


class PostgresAway(EngineAway, unittest.TestCase):
    name = "PostgreSQL"

    def kill(self) -> None:
        self.database.stop("immediate")

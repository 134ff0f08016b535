"""Uploads behind our server that wait for their naming: they hold no thread, each has its own outcome."""

import json
import threading
from base64 import b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import new
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import transaction
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import ISettings
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.model.subtree import LibrarySubtree
from librarian.operations.interfaces import IMeasurements
from librarian.people.credentials.person_principal import PersonPrincipal
from librarian.people.interfaces import IPersonSet
from librarian.security.interaction import acting_as
from librarian.store.interfaces import BytesRetired
from librarian.testing import application
from librarian.tree.interfaces import TreeAway
from librarian.web.access_log.lines import FORMATS
from librarian.web.access_log.middleware import AccessLogged
from tests.support.servers.in_process import request
from tests.support.servers.over_network import OurServer
from tests.web.support import GOOD, PeopleInTheWorld

UPLOAD, PUBLIC, TRACKER = "http://localhost:9090/", "http://localhost:8000/", "http://localhost:9999/files/"
PATIENCE_SECONDS = 60


class Lines:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: bytes) -> None:
        self.lines.append(line.decode())


class Behind(PeopleInTheWorld):
    threads = 2

    def setUp(self) -> None:
        super().setUp()
        self.log = Lines()
        before = application._application[0]
        self.plain = before
        app = AccessLogged(before, self.log, FORMATS["combined"])  # type: ignore[arg-type]
        server = OurServer(app, threads=self.threads)
        application.connect(server)
        self.addCleanup(application.connect, before)
        self.addCleanup(server.close)
        self.clients = ThreadPoolExecutor(32)
        self.addCleanup(self.clients.shutdown)
        self.measurements = before.registry.getUtility(IMeasurements).registry
        transaction.commit()

    def put(self, url: str, body: bytes = b"data", **fields: str) -> Any:
        return request("PUT", url, fields, body, REMOTE_ADDR="127.0.0.1")

    def behind_a_commit(
        self, asks: Sequence[Callable[[], Any]], meanwhile: Callable[[], object] = lambda: None
    ) -> list[Any]:
        """The answers to requests that come, in any order, while another commit runs."""
        begun, go_on = threading.Event(), threading.Event()

        def slow() -> None:
            begun.set()
            assert go_on.wait(PATIENCE_SECONDS)

        tree = self.world.tree
        leader = self.clients.submit(tree.run_together, slow)
        assert begun.wait(PATIENCE_SECONDS)
        answers: list[Future[Any]] = [self.clients.submit(ask) for ask in asks]
        try:
            while len(tree._together._waiting) < len(asks):
                failed = [answer.result() for answer in answers if answer.done()]
                self.assertEqual(failed, [])
            meanwhile()
        finally:
            go_on.set()
            leader.result(PATIENCE_SECONDS)
        return [answer.result(PATIENCE_SECONDS) for answer in answers]

    def link(self) -> str:
        """The URL of an upload link that takes a file from each server."""
        with acting_as(PersonPrincipal(removeSecurityProxy(getUtility(IPersonSet))["bob"])):
            url: str = getUtility(ILibraryFileAliasSet).createUploadToken(max_uses=2)
        transaction.begin()
        return url

    def uploads(self, count: int) -> list[Callable[[], Any]]:
        return [lambda n=n: self.put(f"{UPLOAD}{n}.txt", b"%d" % n) for n in range(count)]  # type: ignore[misc]


class Deferred(Behind):
    def test_many_wait_with_two_threads_and_are_one_commit(self) -> None:
        url = self.put(UPLOAD + "first.txt").json["url"]

        def others_are_answered() -> None:
            self.assertEqual(request("GET", url).body, b"data")

        answers = self.behind_a_commit(self.uploads(20), others_are_answered)
        self.assertEqual({answer.status_int for answer in answers}, {201})
        transaction.begin()
        aliases = self.world.tree.subtree("library").aliases
        serials = set()
        for number, answer in enumerate(answers):
            self.assertEqual(request("GET", answer.headers["Location"]).body, b"%d" % number)
            alias = aliases[answer.json["id"]]
            alias._p_activate()
            serials.add(alias._p_serial)
        self.assertEqual(len(serials), 1)

    def test_the_answer_is_that_without_waiting(self) -> None:
        """Also byte by byte, but for what is the upload's own."""
        [deferred] = self.behind_a_commit(self.uploads(1))
        application.connect(self.plain)
        waited = self.put(UPLOAD + "0.txt", b"0")
        for name in ("Content-Type", "Cache-Control", "X-Content-Type-Options"):
            self.assertEqual(deferred.headers.get(name), waited.headers.get(name), name)
        self.assertEqual(list(deferred.json), list(waited.json))

    def test_each_is_measured_once(self) -> None:
        def count(status: str) -> float:
            labels = {"endpoint": "upload", "method": "PUT", "status": status}
            return self.measurements.get_sample_value("librarian_requests_total", labels) or 0.0

        before = count("201")
        self.behind_a_commit(self.uploads(3))
        self.assertEqual(count("201") - before, 3)

    def test_bytes_that_a_sweep_has_taken_are_stored_once_more(self) -> None:
        """Small ones, large ones, such as have digests, those of the tracker and of upload links."""
        content_for = LibrarySubtree.content_for
        retired: set[str] = set()

        def once(*arguments: Any) -> Any:
            sha256 = arguments[1].sha256
            if sha256 not in retired:
                retired.add(sha256)
                raise BytesRetired(sha256)
            return content_for(*arguments)

        small, large = b"small", b"large" * 200_000
        digests = [
            {"Repr-Digest": f"{name}=:{b64encode(new(kind, small).digest()).decode()}:"}
            for name, kind in (("sha-256", "sha256"), ("sha-512", "sha512"))
        ]
        puts: list[tuple[str, bytes, dict[str, str]]] = [
            (UPLOAD + "a", small, {}),
            (UPLOAD + "a", small, digests[0]),
            (UPLOAD + "a", small, digests[1]),
            (UPLOAD + "a", large, {}),
            (TRACKER + "a", small, {}),
            (TRACKER + "b", large, {}),
            (f"{self.link()}/a", small, {}),
            (f"{self.link()}/a", small, digests[1]),
        ]
        for server in (application._application[0], self.plain):
            application.connect(server)
            for url, body, fields in puts:
                with self.subTest(url, size=len(body)), patch.object(LibrarySubtree, "content_for", once):
                    retired.clear()
                    answer = self.put(url, body, **fields)
                    self.assertIn(answer.status_int, (200, 201), answer.text)
                    self.assertEqual(len(retired), 1)

    def test_a_database_that_is_away(self) -> None:
        """503, and not named once more: what was asked of it may have been done."""
        together = self.world.tree._together
        times: list[int] = []
        commit = together._commit

        def away(work: Callable[[], Any]) -> None:
            times.append(1)
            commit(work)
            if len(times) > 1:
                raise TreeAway()

        with patch.object(together, "_commit", away):
            answers = self.behind_a_commit(self.uploads(2))
        self.assertEqual(({answer.status_int for answer in answers}, len(times)), ({503}, 2))
        transaction.begin()
        self.assertEqual(len(self.world.tree.subtree("library").aliases), 2)

    def test_puts_of_the_tracker(self) -> None:
        def ask(name: str, body: bytes) -> Callable[[], Any]:
            date = quote("Sun, 01 Mar 2026 12:00:00 +0000")
            return lambda: self.put(f"{TRACKER}{name}?last_modified={date}", body)

        asks = [ask(f"d/{number}", b"%d" % number) for number in range(12)] + [ask("d/1/in/the/way", b"x")]
        with self.assertLogs("librarian.audit") as audit:
            answers = self.behind_a_commit(asks)
        # Which of two that cannot both be comes first is open.
        self.assertEqual(sorted(answer.status_int for answer in answers), [200] * 12 + [409])
        events = [json.loads(record.getMessage()) for record in audit.records]
        puts = [each for each in events if each["event"] == "tracker file put"]
        self.assertEqual(len(puts), 12)
        self.assertEqual(
            {(each["by"], each["from"]) for each in puts}, {("system:tracker-writer", "127.0.0.1")}
        )
        self.assertEqual(request("GET", TRACKER + "d/7", REMOTE_ADDR="127.0.0.1").body, b"7")

    def test_a_file_of_the_tracker_takes_the_place_of_an_empty_directory(self) -> None:
        """That takes three transactions, in a thread."""
        self.assertEqual(self.put(TRACKER + "e/f", b"below").status_int, 200)
        late = quote("Sun, 01 Mar 2037 12:00:00 +0000")
        gone = request("DELETE", f"{TRACKER}e/f?last_modified={late}", REMOTE_ADDR="127.0.0.1")
        self.assertEqual(gone.status_int, 200)
        [answer] = self.behind_a_commit([lambda: self.put(TRACKER + "e", b"now a file")])
        self.assertEqual(answer.status_int, 200)
        self.assertEqual(request("GET", TRACKER + "e", REMOTE_ADDR="127.0.0.1").body, b"now a file")


class Passwords(Behind):
    """Checking a password waits for a commit, too, and holds a thread meanwhile."""

    threads = 8

    def test_each_has_its_own_outcome_audit_line_and_access_log_line(self) -> None:
        settings = getUtility(ISettings)
        settings.push("quotas", "[librarian.quota]\nperson_files = 1")
        self.addCleanup(settings.pop, "quotas")
        amy = {"Authorization": self.basic("amy", GOOD)}
        asks: list[Callable[[], Any]]
        asks = [lambda n=n: self.put(f"{UPLOAD}amy{n}", b"a%d" % n, **amy) for n in range(2)]  # type: ignore[misc]
        asks += self.uploads(3)
        with self.assertLogs("librarian.audit") as audit:
            answers = self.behind_a_commit(asks)
        self.assertEqual(sorted(answer.status_int for answer in answers), [201, 201, 201, 201, 413])
        events = [json.loads(record.getMessage()) for record in audit.records]
        added = sorted((each["by"], each["from"]) for each in events if each["event"] == "file added")
        self.assertEqual(len(added), 4)
        self.assertEqual({address for _by, address in added}, {"127.0.0.1"})
        self.assertEqual([by for by, _address in added].count("person:amy"), 1)
        statuses = sorted(line.split('" ')[1].split()[0] for line in self.log.lines)
        self.assertEqual(statuses, ["201", "201", "201", "201", "413"])
        self.assertEqual({int(line.split('" ')[1].split()[1]) > 0 for line in self.log.lines}, {True})

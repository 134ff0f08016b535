"""PostgreSQL answers, but not as it should: no log-in, no room, no writing, or a lock that is not released.

Each request is answered within the bounds, by 503 with Retry-After or as ever; never by 500.  What could be
served is served, what was acknowledged stays, and when the trouble ends all is as before.
"""

import json
import threading
import time
import unittest
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, ClassVar
from unittest.mock import patch
from urllib.parse import urlsplit

import psycopg2
import urllib3
from relstorage.adapters.postgresql.mover import TempStoreCopyBuffer

from librarian.tree.service import Tree
from tests.support.servers.engines import TABLE
from tests.support.servers.librarian import ServerProcess
from tests.support.servers.postgresql import PostgresServer, postgresql_missing

BACK_SECONDS = 8.0  # five, and what a busy machine takes
USER = "app"  # no superuser, so that limits hold for it
# As PostgreSQL raises them itself, where a table is written; see "PostgreSQL Error Codes" in its manual.
FAILING = """
CREATE FUNCTION failing() RETURNS trigger AS $$ BEGIN
    RAISE EXCEPTION 'this is a test' USING ERRCODE = '{code}'; END $$ LANGUAGE plpgsql;
CREATE TRIGGER failing BEFORE INSERT OR UPDATE ON object_state FOR EACH ROW EXECUTE FUNCTION failing();
"""
MENDED = "DROP FUNCTION failing() CASCADE"
PUT_OUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'"


class Refusing:
    """A PostgreSQL server, a database of a plain user, and a server of ours on it."""

    postgres: ClassVar[PostgresServer]
    server: ClassVar[ServerProcess]

    @classmethod
    def missing(cls) -> str | None:
        return postgresql_missing()

    @classmethod
    def setUp(cls) -> None:
        cls.postgres = PostgresServer()
        cls.postgres.start()
        with cls.administrator() as run:
            run(f"CREATE ROLE {USER} LOGIN")
            run(f"CREATE DATABASE {USER} OWNER {USER}")
        uri = f"postgres://{USER}@{cls.postgres.place.partition('/')[0]}/{USER}?{TABLE}"
        cls.server = ServerProcess("librarian.database_patience = 1s\n", database_uri=uri)
        cls.server.start()

    @classmethod
    def tearDown(cls) -> None:
        for part in (cls.server, cls.postgres):
            part.stop()
            part.remove()

    @classmethod
    @contextmanager
    def administrator(cls, database: str = "postgres") -> Iterator[Any]:
        """A function that runs SQL as the superuser."""
        address = cls.postgres.place.partition("/")[0]
        with closing(psycopg2.connect(f"postgres://librarian@{address}/{database}")) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor.execute


class Copies(unittest.TestCase):
    layer = Refusing

    def test_states_are_not_sent_by_copy(self) -> None:
        """Of a COPY in which the server ends the connection psycopg2 makes two errors, and may crash."""
        address = Refusing.postgres.place.partition("/")[0]
        tree = Tree.from_uri(f"postgres://librarian@{address}/postgres?{TABLE}")
        self.addCleanup(tree.close)
        with patch.object(TempStoreCopyBuffer, "read", side_effect=AssertionError("a COPY")):
            tree.run(lambda: tree.root().update(number=1))
        with tree.session() as root:
            self.assertEqual(root["number"], 1)


class Troubles(unittest.TestCase):
    layer = Refusing

    def setUp(self) -> None:
        self.server = Refusing.server
        self.http = urllib3.PoolManager(retries=False, timeout=30)
        self.kept = self.put()
        self.assertEqual(self.kept.status, 201)
        self.begun = self.server.log.stat().st_size

    def put(self) -> Any:
        return self.http.request("PUT", f"{self.server.urls['upload']}f.txt", body=b"some bytes")

    def get(self) -> Any:
        path = urlsplit(json.loads(self.kept.data)["url"]).path
        return self.http.request("GET", self.server.urls["public"].rstrip("/") + path)

    def search(self) -> Any:
        return self.http.request("GET", f"{self.server.urls['public']}search?digest={'0' * 40}")

    def track(self) -> Any:
        return self.http.request("GET", f"{self.server.urls['tracker']}list/")

    def logged(self) -> str:
        with self.server.log.open("rb") as log:
            log.seek(self.begun)
            return log.read().decode()

    def assert_refused(self, *asked: Any, attempts: int = 5) -> None:
        """Each answers 503 in the end, and meanwhile nothing else than it does when all is well."""
        for ask in asked:
            with self.subTest(ask.__name__):
                statuses = []
                for _ in range(attempts):
                    begun = time.monotonic()
                    answer = ask()
                    self.assertLess(time.monotonic() - begun, BACK_SECONDS)
                    statuses.append(answer.status)
                    if answer.status == 503:
                        self.assertIn("Retry-After", answer.headers)
                self.assertEqual(statuses[-1], 503)
                self.assertLessEqual(set(statuses), {200, 201, 503})

    def assert_back(self) -> None:
        deadline = time.monotonic() + BACK_SECONDS
        while (self.put().status, self.get().status, self.track().status) != (201, 200, 200):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        self.assertNotIn("Traceback", self.logged())

    @contextmanager
    def changed(self, leave: str, come: str, database: str = "postgres") -> Iterator[None]:
        with Refusing.administrator(database) as run:
            run(leave)
            try:
                if database == "postgres":
                    run(PUT_OUT)
                yield
            finally:
                run(come)

    def test_too_many_connections(self) -> None:
        role = f"ALTER ROLE {USER} CONNECTION LIMIT"
        with self.changed(f"{role} 0", f"{role} -1"):
            self.assert_refused(self.put, self.get, self.search, self.track)
        self.assert_back()

    def test_room_for_the_watch_alone(self) -> None:
        role = f"ALTER ROLE {USER} CONNECTION LIMIT"
        with self.changed(f"{role} 1", f"{role} -1"):
            deadline = time.monotonic() + BACK_SECONDS
            while self.search().status != 503:
                self.assertLess(time.monotonic(), deadline)
            self.assert_refused(self.put, self.search, self.track)
        self.assert_back()

    def test_no_log_in(self) -> None:
        with self.changed(f"ALTER ROLE {USER} NOLOGIN", f"ALTER ROLE {USER} LOGIN"):
            self.assert_refused(self.put, self.get, self.search, self.track)
        self.assert_back()

    def test_the_database_is_closed(self) -> None:
        database = f"ALTER DATABASE {USER} ALLOW_CONNECTIONS"
        with self.changed(f"{database} false", f"{database} true"):
            self.assert_refused(self.put, self.get, self.search, self.track)
        self.assert_back()

    def test_writes_that_fail(self) -> None:
        """A full disk, a time limit, a server that may not write: what is there is served meanwhile."""
        codes = ("53100", "57014", "25006", "0A000", "57P01", "55P03")
        for code in codes:
            with self.subTest(code), self.changed(FAILING.format(code=code), MENDED, USER):
                self.assertEqual(self.get().status, 200)
                self.assert_refused(self.put)
                self.assertEqual((self.get().status, self.search().status), (200, 200))
            self.assert_back()
        # One line for each kind of error, and none for those that came a minute before.
        told = self.logged().count("database refuses error=this is a test")
        self.assertTrue(1 <= told <= len(codes), self.logged())

    def test_standby(self) -> None:
        """After a fail-over the address may be that of a server that only reads."""
        Refusing.postgres.stop()
        signal = Refusing.postgres.folder / "data" / "standby.signal"
        signal.touch()
        Refusing.postgres.start()
        try:
            deadline = time.monotonic() + BACK_SECONDS
            while self.get().status != 200:
                self.assertLess(time.monotonic(), deadline)
            self.assert_refused(self.put)
            self.assertEqual((self.get().status, self.track().status), (200, 200))
        finally:
            Refusing.postgres.promote()
        self.assert_back()

    def test_a_node_is_stopped_in_a_commit(self) -> None:
        """It holds locks on what it is about to change, and PostgreSQL does not know that it is stopped."""
        with Refusing.administrator(USER) as run:
            run("BEGIN; SELECT zoid FROM object_state FOR UPDATE")
            self.assert_refused(self.put, attempts=1)
            self.assertEqual((self.get().status, self.search().status), (200, 200))
        self.assert_back()

    def test_a_table_is_locked(self) -> None:
        """For as long as a migration holds it, which may be long: no thread waits for it without end."""
        release = threading.Event()

        def hold() -> None:
            with Refusing.administrator(USER) as run:
                run("BEGIN; LOCK TABLE object_state IN ACCESS EXCLUSIVE MODE")
                held.set()
                release.wait(60)
                run("ROLLBACK")

        held = threading.Event()
        thread = threading.Thread(target=hold)
        thread.start()
        try:
            held.wait(10)
            self.assert_refused(self.put, attempts=2)
        finally:
            release.set()
            thread.join()
        self.assert_back()

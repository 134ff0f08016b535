"""A PostgreSQL server behind RelStorage, watched."""

import os
import select
import socket
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from importlib import import_module
from typing import Any
from weakref import WeakKeyDictionary

from librarian.tree.engines.interfaces import Engine, NoAnswer
from librarian.tree.engines.waiting import patiently

WATCH = "librarian watch"  # by this application_name a server's own connection is known

# A server that was restarted does not know an older connection, and says nothing.
LONGEST_QUESTION_SECONDS = 10.0
# For a lock that another session holds, such as a migration's or that of a node which is stopped in a commit.
LONGEST_LOCK_SECONDS = 2
# PostgreSQL ends a session that is silent in a commit, as its process is stopped; that frees its locks.
LONGEST_SILENCE_SECONDS = 10

SHORT_LOCKS = f"options='-c lock_timeout={LONGEST_LOCK_SECONDS}s'"
SHORT_SILENCE = f"SET idle_in_transaction_session_timeout = '{LONGEST_SILENCE_SECONDS}s'"


class PostgresEngine(Engine):
    """A PostgreSQL server behind RelStorage with psycopg2."""

    lost: tuple[type[BaseException], ...] = ()

    def __init__(self, adapter: Any) -> None:
        driver = adapter.connmanager.driver
        self._psycopg2 = driver.get_driver_module()
        raised = import_module("relstorage.adapters.interfaces")  # which is not installed with every engine
        # psycopg2 has no error class of its own for a broken connection.  Of RelStorage those that come after
        # LONGEST_LOCK_SECONDS: to try again would multiply the wait.
        self.lost = (
            self._psycopg2.Error,
            raised.UnableToAcquireCommitLockError,
            raised.UnableToLockRowsToModifyError,
        )
        self._adapter = adapter
        self._dsn = f"{adapter._dsn} application_name='{WATCH}'"
        self._connect = driver.connect
        _send_no_copies(adapter)
        self._seconds: float | None = None  # for a new connection; None: as the URI says
        self._closed = False
        self._sockets: WeakKeyDictionary[Any, int] = WeakKeyDictionary()  # connection -> inode of its socket
        self._lock = threading.Lock()
        self._line: Any = None  # the watch's own connection
        self._question: Any = None  # its cursor; None while it is being connected
        self._asked_at: float | None = None  # monotonic
        driver.connect = self._noted_connect

    def limit_connecting(self, seconds: float) -> None:
        self._seconds = seconds
        self._adapter.locker.commit_lock_timeout = LONGEST_LOCK_SECONDS
        self._adapter.connmanager.add_on_store_opened(_bound_silence)
        self.renew()  # those that the start has opened are not bounded

    def ask(self, seconds: float) -> None:
        try:
            if self._asked_at is None:
                self._begin()
            patiently(seconds, self._answered)
            self._asked_at = None
        except NoAnswer:
            if self._asked_at is not None and time.monotonic() - self._asked_at > LONGEST_QUESTION_SECONDS:
                self._hang_up()
            self._closed = True
            raise
        except Exception:
            self._hang_up()
            self._closed = True
            raise
        self._closed = False

    def break_off(self) -> None:
        with self._lock:
            waiting = list(self._sockets.items())
        for connection, inode in waiting:
            _shut_down(connection, inode)

    def renew(self) -> None:
        # RelStorage replaces a connection in its pools that is closed, not one that breaks when it is used.
        with self._lock:
            former = list(self._sockets)
        for connection in former:
            with suppress(self._psycopg2.Error):
                connection.close()

    def is_gone(self) -> bool:
        return self._closed

    def _begin(self) -> None:
        self._asked_at = time.monotonic()
        if self._line is None:
            self._line = self._psycopg2.connect(self._dsn, async_=True)
        else:
            self._pose()

    def _pose(self) -> None:
        self._question = self._line.cursor()
        self._question.execute("SELECT 1")

    def _answered(self, seconds: float) -> bool:
        """Whether an answer has come after so many seconds, to the connecting or to the question."""
        deadline = time.monotonic() + seconds
        while (state := self._line.poll()) != self._psycopg2.extensions.POLL_OK:
            left = max(deadline - time.monotonic(), 0)
            writing = state == self._psycopg2.extensions.POLL_WRITE
            line = [self._line.fileno()]
            if not any(select.select([] if writing else line, line if writing else [], [], left)):
                return False
        if self._question is None:  # the connection has just been established
            self._pose()
            return self._answered(max(deadline - time.monotonic(), 0))
        return True

    def _hang_up(self) -> None:
        line, self._line, self._question, self._asked_at = self._line, None, None, None
        if line is not None:
            with suppress(self._psycopg2.Error):
                line.close()

    def _noted_connect(self, dsn: str, *arguments: Any, **options: Any) -> Any:
        """RelStorage's way to a new connection."""
        if self._seconds is None:
            connection = self._connect(dsn, *arguments, **options)
        else:
            connection = self._bounded_connect(self._seconds, dsn, arguments, options)
        with self._lock:
            self._sockets[connection] = os.fstat(connection.fileno()).st_ino
        return connection

    def _bounded_connect(self, seconds: float, dsn: str, arguments: Any, options: Any) -> Any:
        """As long as the engine is away there is none, and a server that does not greet is not waited for
        longer than the watch waits."""
        if self._closed:
            raise self._psycopg2.OperationalError("the database is away")
        future: Future[Any] = Future()
        work = (future, dsn, arguments, options)
        threading.Thread(target=self._connect_into, args=work, daemon=True).start()
        try:
            return future.result(seconds)
        except TimeoutError:
            future.add_done_callback(_close_result)
            raise self._psycopg2.OperationalError("the database does not greet") from None

    def _connect_into(self, future: "Future[Any]", dsn: str, arguments: Any, options: Any) -> None:
        try:
            # libpq's smallest; it ends the thread.
            future.set_result(self._connect(f"{dsn} connect_timeout=2 {SHORT_LOCKS}", *arguments, **options))
        except BaseException as error:  # noqa: BLE001  # raised in the thread that waits for the result
            future.set_exception(error)


def _send_no_copies(adapter: Any) -> None:
    """Have RelStorage send the states of a commit by INSERT.

    Where the server ends a connection in a COPY, psycopg2 2.9 raises one error over the other
    (pqpath.c, _pq_copy_in_v3): it prints "SystemError", and now and then the process dies of SIGSEGV.
    """
    mover = adapter.mover
    batches = import_module("relstorage.adapters.postgresql.mover").PostgreSQLRowBatcherStoreTemps(
        adapter.keep_history, adapter.driver.Binary, mover.make_batcher
    )
    mover.store_temps, mover.replace_temps = batches.store_temps, batches.replace_temps


def _bound_silence(cursor: Any, restart: bool = False) -> None:
    """RelStorage calls it for each connection that it is going to commit on."""
    cursor.execute(SHORT_SILENCE)
    cursor.connection.commit()  # or a rollback would take it back


def _close_result(future: "Future[Any]") -> None:
    if future.exception() is None:
        future.result().close()


def _shut_down(connection: Any, inode: int) -> None:
    """End the wait of any thread for the server of a connection (shutdown(2))."""
    try:
        with socket.socket(fileno=os.dup(connection.fileno())) as line:
            # Its thread may have closed it just now, and another file may have got the number.
            if os.fstat(line.fileno()).st_ino == inode:
                line.shutdown(socket.SHUT_RDWR)
    except Exception:  # noqa: BLE001  # closed: no thread waits there
        return

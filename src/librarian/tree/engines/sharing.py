"""A FileStorage for one machine: the process that has it open lets others in by a socket beside it.

FileStorage locks its file, so a command could not work beside a running server.  The server therefore
also offers the storage, by the protocol of ZEO, on a UNIX socket that only its owner may open
(``Data.fs.sock``).  Its own requests go on reading and writing the file directly; what either side
commits, the other sees in its next transaction.

A socket that a killed server left behind does no harm: who gets the lock of the file opens the file and
ignores the socket, and the next server takes its place.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from zc.lockfile import LockError
from ZEO.asyncio.server import Acceptor, ServerProtocol
from ZEO.ClientStorage import ClientStorage
from ZEO.Exceptions import ClientDisconnected
from ZEO.StorageServer import StorageServer
from zope.interface import directlyProvides, providedBy

from librarian.tree.engines.last_commit import LastCommit, name_of_file
from librarian.tree.engines.zeo_cache import drop_what_is_lost, ping_until_heard, refuse_superseded
from librarian.tree.filestorage.full_disk import hear_full, tell_in_a_line
from librarian.tree.interfaces import TreeUnavailable

log = logging.getLogger(__name__)

STORAGE = "1"  # ZEO's name for the only storage of a server
# A client that stops between vote and finish blocks every writer; after so many seconds it is disconnected.
LONGEST_COMMIT_SECONDS = 30
# How long to wait for a lock to be released or a socket to answer: a server may be starting or ending.
PATIENCE_SECONDS = 10.0
PAUSE_SECONDS = 0.05
LONGEST_ADDRESS = 107  # bytes; what sun_path of unix(7) holds beside its final NUL


def socket_address(path: Path) -> str:
    """The address of the socket beside a database file.

    Where the whole path is too long for one, it is given relative to the directory, which stays open
    for as long as this process lasts.
    """
    address = f"{path}.sock"
    if len(os.fsencode(address)) <= LONGEST_ADDRESS:
        return address
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    return f"/proc/self/fd/{directory}/{path.name}.sock"


def open_shared(path: Path, open_file: Callable[[], Any]) -> Any:
    """The storage that `open_file` opens, or if another process has it, a client of that process.

    Waits a while for a process that has the file and does not answer.  Raises LockError.
    """
    address = socket_address(path)
    name = name_of_file(path)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return HostStorage(open_file(), address, name)
        except LockError:
            if _answers(address):
                with suppress(ClientDisconnected, TimeoutError):  # the server is shutting down, or busy
                    return GuestStorage(address, name)
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_SECONDS)


def _answers(address: str) -> bool:
    """Whether a server greets there; ZEO's client would wait for one until its patience ends."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(PATIENCE_SECONDS)
        try:
            probe.connect(address)
            return bool(probe.recv(64))
        except OSError:
            return False


def when_connected(storage: ClientStorage) -> Callable[[Any, Any], None]:
    """The notify_connected() of a ZEO client that drops its stock of numbers for new objects, and asks the
    server about commits as ping_until_heard() does at the beginning of each transaction.

    A server that was restarted counts from the highest number that was committed, so what it gave
    out before and was not used, it gives out again, to others.
    """
    connected = storage.notify_connected

    def notify_connected(client: Any, info: Any) -> None:
        del storage._oids[:]
        connected(client, info)  # which makes a ping() of its own each time
        storage.ping = storage.sync = ping_until_heard(storage)

    return notify_connected


class GuestStorage(ClientStorage):
    """The storage of another process on this machine."""

    def __init__(self, address: str, name: str = "") -> None:
        self._shared_name = name
        self.notify_connected = when_connected(self)
        super().__init__(address, storage=STORAGE, wait_timeout=PATIENCE_SECONDS, server_sync=True)
        refuse_superseded(self._cache)
        drop_what_is_lost(self)
        hear_full(self)

    def last_commit(self) -> LastCommit:
        """The number that the host writes; the caller closes it."""
        return LastCommit(self._shared_name, create=False)

    def share(self) -> None:
        """Raises TreeUnavailable always: only the process that has the file can share it."""
        raise TreeUnavailable(
            "the database is served by another process; for several servers use zeo:// or postgres://"
        )


class HostStorage:
    """The storage of this process, which others may use once share() was called.

    It is the storage it wraps, and remembers which objects the commits of this process change: the
    ones of guests ZEO itself keeps track of.
    """

    def __init__(self, storage: Any, address: str, name: str) -> None:
        self._storage = storage
        self._address = address
        self._shared_name = name
        self._last: LastCommit | None = None  # what guests compare with; while the storage is shared
        self._server: Server | None = None
        self._changed: set[bytes] = set()
        # Called often; as attributes of the instance they skip the wrapper's __getattr__.
        self.loadBefore = storage.loadBefore
        self.lastTransaction = storage.lastTransaction
        directlyProvides(self, providedBy(storage))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def __len__(self) -> int:
        return len(self._storage)

    def registerDB(self, database: Any) -> None:
        """As ZODB's IStorage has it."""
        self._database = database
        self._storage.registerDB(database)

    def tpc_begin(self, transaction: Any, *arguments: Any) -> None:
        """As ZODB's IStorage has it."""
        self._storage.tpc_begin(transaction, *arguments)
        self._changed = set()  # the storage lets one transaction in at a time

    def store(self, oid: bytes, *arguments: Any) -> Any:
        """As ZODB's IStorage has it; the object counts as changed."""
        self._changed.add(oid)
        return self._storage.store(oid, *arguments)

    def storeBlob(self, oid: bytes, *arguments: Any) -> Any:
        """As ZODB's IBlobStorage has it; the object counts as changed."""
        self._changed.add(oid)
        return self._storage.storeBlob(oid, *arguments)

    def undo(self, *arguments: Any) -> Any:
        """As ZODB's IStorageUndoable has it; the objects count as changed."""
        tid, oids = self._storage.undo(*arguments)
        self._changed.update(oids)
        return tid, oids

    def tpc_finish(self, transaction: Any, finished: Callable[[bytes], None] = lambda tid: None) -> Any:
        """As ZODB's IStorage has it; guests hear of the changed objects before the commit lock is free."""

        def tell(tid: bytes) -> None:
            finished(tid)
            if self._server is not None:
                self._server.invalidate(None, STORAGE, tid, list(self._changed))

        return self._storage.tpc_finish(transaction, tell)

    def share(self) -> None:
        """Let other processes of the same user in from now on, once."""
        if self._server is None:
            tell_in_a_line()
            self._last = LastCommit(self._shared_name, create=True)
            self._last.set(self._storage.lastTransaction())
            # Between bind() and a chmod() any user could connect, and asyncio leaves no other moment.
            mask = os.umask(0o177)
            try:
                self._server = Server(self._address, self._storage, self._database, self._last)
            finally:
                os.umask(mask)
            self._server.start_thread(daemon=True)
            log.info("tree shared socket=%s", self._address)

    def close(self) -> None:
        """Put the guests out, then close the file."""
        if self._server is not None:
            self._server.close()
            with suppress(FileNotFoundError):
                os.unlink(self._address)  # noqa: PTH108  # see open_shared
            self._server = None
        if self._last is not None:
            self._last.withdraw()
        self._storage.close()


class Server(StorageServer):
    """A ZEO server that tells the database of this process what its clients have changed."""

    def __init__(self, address: str, storage: Any, database: Any, last: LastCommit) -> None:
        self._database = database
        self._last = last
        super().__init__(None, {STORAGE: Lent(storage)})
        self.addr = address
        self.acceptor = Door(self, address, None, False)  # neither TLS nor msgpack
        self.loop = self.acceptor.loop
        self.lock_managers[STORAGE].timeout = Patience(self.acceptor.event_loop, LONGEST_COMMIT_SECONDS)

    def invalidate(self, guest: Any, storage_id: str, tid: bytes, oids: Any) -> None:
        # Before any guest hears of it, and before the commit is acknowledged to `guest`; None is the host.
        self._last.set(tid)
        super().invalidate(guest, storage_id, tid, oids)
        if guest is not None:
            self._database.invalidate(tid, oids)


class Door(Acceptor):
    """Accepts connections, and ends with all of them.

    ZEO's own loop (6.2, StorageServer.close) stops beside the thread that asks it to close the connections.
    One that it did not come to stayed open as long as this process lived, and its client waited for answers;
    so did each that had been accepted and was not registered yet.
    """

    def __init__(self, *arguments: Any) -> None:
        self._lines: set[asyncio.Transport] = set()
        super().__init__(*arguments)

    def factory(self) -> ServerProtocol:
        """The protocol of a new connection."""
        guest = self.storage_server.create_client_handler()
        return NotedProtocol(self._lines, self.event_loop, self.addr, guest, self.msgpack)

    def loop(self, timeout: float | None = None) -> None:
        """Serve until close() is called; for a thread."""
        self.event_loop.run_forever()
        self.event_loop.run_until_complete(self._hang_up())
        self.event_loop.close()

    async def _hang_up(self) -> None:
        while self._lines:
            for line in self._lines:
                line.abort()
            await asyncio.sleep(0)


class NotedProtocol(ServerProtocol):
    """Keeps its transport in a set while the connection is open."""

    def __init__(self, lines: set[asyncio.Transport], *arguments: Any) -> None:
        super().__init__(*arguments)
        self._lines = lines

    def connection_made(self, transport: asyncio.Transport) -> None:
        """As asyncio's Protocol has it."""
        self._line = transport
        self._lines.add(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio's Protocol has it."""
        self._lines.discard(self._line)
        super().connection_lost(exc)


class Patience:
    """Puts out a guest that holds the commit lock for too long.

    ZEO's own time-out closes the connection, but then takes no notice of its end: the transaction would
    stay open, and its lock taken.  All methods are called in the thread of the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds
        self._end: asyncio.TimerHandle | None = None

    def begin(self, guest: Any) -> None:
        """`guest` has taken the commit lock: it is disconnected in `seconds`, unless end() comes first."""
        self._end = self._loop.call_later(self._seconds, self._put_out, guest)

    def end(self, guest: Any) -> None:
        """The lock is free again."""
        if self._end is not None:
            self._end.cancel()

    def is_alive(self) -> bool:
        """True; ZEO asks whether its own time-out thread runs, and there is none here."""
        return True

    def _put_out(self, guest: Any) -> None:
        log.error("guest put out seconds=%s", self._seconds)
        connection = guest.connection
        guest.notify_disconnected()  # aborts
        connection.close()


class Lent:
    """A storage whose close() does nothing, for the ZEO server that shares it."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage
        directlyProvides(self, providedBy(storage))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def __len__(self) -> int:
        return len(self._storage)

    def close(self) -> None:
        """Do nothing: the storage belongs to the process that opened it."""

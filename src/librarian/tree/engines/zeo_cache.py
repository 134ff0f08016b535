"""What a ZEO client knows, kept from falling behind what was acknowledged.

Its cache must not take a superseded state of an object for the current one.  ZEO 6.2 stores what it has
loaded a moment after the answer (in a callback of the future), and handles word of a commit at once.  Where
the word follows the answer in one piece of the stream it finds nothing to invalidate; then the old state is
stored as current, and every later transaction is given it.

Its ping must not return before word of every commit has come that was acknowledged to any client.  ZEO's
server acknowledges a commit at once, and sends word of it to others in the next turn of its loop.  In the
same turn it may still read a question that was asked after the acknowledgement: the answer overtakes the
word.  There may also be no word: a server that was killed in a commit cuts it off when it starts again, and
yet names it as its last (ZODB 6.4's read_index) until the next one.

So a client may know of a commit that the server does not name any more when it is killed once more; the same
where a server's file was set back to an older one.  ZEO 6.2 refuses to connect then, for ever.  What the
client keeps of objects is dropped in place of that, and nothing is served that the server does not have.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ZEO.ClientStorage import ClientStorage
from ZEO.Exceptions import ClientDisconnected

log = logging.getLogger(__name__)

ANSWER_SECONDS = 30.0  # as long as ZEO waits for a connection
REMEMBERED = 20_000  # objects; many more than commits can change while an answer waits for its callback


def refuse_superseded(cache: Any) -> None:
    """Have `cache`, a ZEO ClientCache, not store a state as current that is known to be superseded."""
    invalidate, store, clear = cache.invalidate, cache.store, cache.clear
    superseded: OrderedDict[bytes, bytes] = OrderedDict()  # object -> the transaction that changed it last

    def remember(oid: bytes, tid: bytes | None) -> None:
        if tid is not None:
            superseded[oid] = tid
            superseded.move_to_end(oid)
            if len(superseded) > REMEMBERED:
                superseded.popitem(last=False)
        invalidate(oid, tid)

    def store_unless_superseded(oid: bytes, start: bytes, end: bytes | None, data: bytes) -> None:
        if end is not None or superseded.get(oid, start) <= start:
            store(oid, start, end, data)

    def forget() -> None:
        superseded.clear()
        clear()

    # All of them are called in the client's own thread, one at a time.
    cache.invalidate, cache.store, cache.clear = remember, store_unless_superseded, forget


def drop_what_is_lost(storage: ClientStorage) -> None:
    """Have `storage` drop all it keeps when it connects to a server that is behind it."""
    client, cache = storage._server.client, storage._cache
    verify = client.verify

    async def drop_and_verify(server_tid: bytes | None) -> None:
        if server_tid is not None and cache and cache.getLastTid() > server_tid:
            log.error("database was set back from=%s to=%s", cache.getLastTid().hex(), server_tid.hex())
            cache.clear()
            storage.invalidateCache()  # the objects of connections, and what is remembered of them
        await verify(server_tid)

    client.verify = drop_and_verify


def ping_until_heard(storage: ClientStorage) -> Callable[[], None]:
    """A ping() for `storage` that returns when it has heard of each commit that was acknowledged before.

    It raises ClientDisconnected, also where a connection is there and gives no answer in ANSWER_SECONDS.
    """

    def ask(method: str) -> Any:
        try:
            return storage._call(method, wait=False).result(ANSWER_SECONDS)
        except TimeoutError:
            raise ClientDisconnected(f"no answer to {method} in {ANSWER_SECONDS:g} s") from None

    def ping() -> None:
        last = ask("lastTransaction") or b""
        if storage.lastTransaction() < last:
            ask("ping")  # it is answered in a later turn, after the word

    return ping

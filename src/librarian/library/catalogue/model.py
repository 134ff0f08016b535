"""The catalogue's subtree: an entry for each file, and one ordered set of keys made of the entries."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import islice
from operator import itemgetter

from persistent import Persistent

from librarian.library.catalogue.interfaces import Entry
from librarian.library.catalogue.words import folded, words_of
from librarian.tree.indexes import SmallLOBTree, SmallOOTreeSet
from librarian.tree.keys import LAST
from librarian.tree.subtree import Subtree

# The first byte of a key: in which order it sorts the files.
ADDED, NAME, SIZE, EXPIRES, HELD, DELETED, WORD, MD5 = (bytes([letter]) for letter in b"ansehdwm")
PUBLIC, RESTRICTED = b"p", b"r"
END = b"\0"
LONGEST_NAME = 64  # bytes of a name that sort it
ID = 8  # bytes at the end of each key
FORGOTTEN = 10_000  # entries that are read before objects are forgotten

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MIDDLE = 1 << 63  # so that times before 1970 sort below the others

Hit = tuple[bytes, int]  # the position in an order, alike in all scopes, and the id of an alias


def moment(when: datetime) -> bytes:
    """A time as 8 bytes that sort by it, to the microsecond."""
    return ((when - _EPOCH) // timedelta(microseconds=1) + _MIDDLE).to_bytes(ID)


def scope(space: bytes, owner: str | None = None) -> bytes:
    """The part of a key that says whose: all of a space, or what `owner` has of it."""
    return space + ("" if owner is None else owner).encode("utf-8", "surrogatepass").replace(END, b"") + END


def scopes_of(entry: Entry) -> list[bytes]:
    """The scopes that a file is in."""
    space = RESTRICTED if entry.restricted else PUBLIC
    return [scope(space), scope(space, entry.owner)] if entry.owner else [scope(space)]


def orders_of(entry: Entry) -> Iterator[tuple[bytes, bytes]]:
    """The orders in which a file is listed, each with its place there."""
    if entry.deleted is not None:
        yield DELETED, moment(entry.deleted)
        return
    yield ADDED, moment(entry.added)
    yield NAME, folded(entry.filename).encode("utf-8", "surrogatepass")[:LONGEST_NAME] + END
    yield SIZE, entry.size.to_bytes(ID)
    if entry.expires is not None:
        yield EXPIRES, moment(entry.expires)
    if entry.held:
        yield HELD, moment(entry.added)
    for word in words_of(entry.filename):
        yield WORD, word.encode("utf-8", "surrogatepass") + END


def keys_of(alias_id: int, entry: Entry | None) -> set[bytes]:
    """All keys of a file: order, scope, place, id."""
    if entry is None:
        return set()
    tail = alias_id.to_bytes(ID)
    orders = list(orders_of(entry))
    found = {order + scope + place + tail for scope in scopes_of(entry) for order, place in orders}
    return found if entry.deleted is not None else {*found, MD5 + entry.md5 + tail}


class Indexing(Persistent):
    """How far the indexer has come with the files that were there before it, and which one works."""

    walked_to = 0  # the last alias id that was taken in of those
    complete = False
    worker = ""
    worker_until: datetime | None = None

    def take(self, worker: str, now: datetime, until: datetime) -> bool:
        """Whether `worker` may work until then: no other does.  Written once in half its time."""
        if self.worker != worker and self.worker_until is not None and now < self.worker_until:
            return False
        if self.worker != worker or self.worker_until is None or self.worker_until - now < (until - now) / 2:
            self.worker, self.worker_until = worker, until
        return True


class Totals(Persistent):
    """How many files there are, deleted ones left out, and their bytes: as they are named, and each content
    once, by its MD5.  Only the indexer writes this, so no upload waits for another one."""

    files = 0
    bytes = 0
    contents = 0
    content_bytes = 0

    def __init__(self) -> None:
        self.days = SmallLOBTree()  # date.toordinal() -> (files, bytes) that were added then and are there

    def count(self, entry: Entry, files: int) -> None:
        """One file more (1) or less (-1)."""
        self.files += files
        self.bytes += files * entry.size
        day = entry.added.toordinal()
        number, size = self.days.get(day, (0, 0))
        if number + files:
            self.days[day] = (number + files, size + files * entry.size)
        else:
            self.days.pop(day, None)

    def count_content(self, size: int, contents: int) -> None:
        """One content more (1) or less (-1)."""
        self.contents += contents
        self.content_bytes += contents * size

    def as_tuple(self) -> tuple[int, int, int, int]:
        """Files, bytes, contents, bytes of contents."""
        return self.files, self.bytes, self.contents, self.content_bytes


class CatalogueSubtree(Persistent):
    """Entries by alias id, and their keys."""

    def __init__(self) -> None:
        self.entries = SmallLOBTree()  # alias id -> an Entry as a tuple
        self.keys = SmallOOTreeSet()
        self.indexing = Indexing()
        self.totals = Totals()

    def entry(self, alias_id: int) -> Entry | None:
        """What is known of a file."""
        found = self.entries.get(alias_id)
        return None if found is None else Entry(*found)

    def put(self, alias_id: int, entry: Entry | None) -> bool:
        """Know this of a file from now on; None: nothing.  Whether that is new."""
        before = self.entry(alias_id)
        if before == entry:
            return False
        old, new = keys_of(alias_id, before), keys_of(alias_id, entry)
        for key in old - new:
            if key in self.keys:
                self.keys.remove(key)
        self.keys.update(sorted(new - old))
        if entry is None:
            del self.entries[alias_id]
        else:
            self.entries[alias_id] = tuple(entry)
        self._count(_living(before), _living(entry))
        return True

    def _count(self, before: Entry | None, now: Entry | None) -> None:
        """Bring the totals up to date, when the keys are."""
        if before is not None:
            self.totals.count(before, -1)
        if now is not None:
            self.totals.count(now, 1)
        if (before and before.md5) == (now and now.md5):
            return
        if before is not None and not self._with_content(before.md5, 1):
            self.totals.count_content(before.size, -1)
        if now is not None and self._with_content(now.md5, 2) == 1:
            self.totals.count_content(now.size, 1)

    def _with_content(self, md5: bytes, most: int) -> int:
        """The number of files that have this MD5, counted up to `most`."""
        return sum(1 for _id in islice(self.with_md5(md5, md5), most))

    def recounted(self, forget: Callable[[], None]) -> tuple[int, int, int, int]:
        """What the totals ought to be: every entry is read, in the order of their ids; `forget` is called
        now and then, so that memory does not grow."""
        totals = Totals()
        for number, fields in enumerate(self.entries.values()):
            entry = _living(Entry(*fields))
            if entry is not None:
                totals.count(entry, 1)
            if number % FORGOTTEN == FORGOTTEN - 1:
                forget()
        for number, (md5, alias_id) in enumerate(self._contents()):
            if number % FORGOTTEN == FORGOTTEN - 1:
                forget()
            entry = self.entry(alias_id)
            if md5 and entry is not None:
                totals.count_content(entry.size, 1)
        return totals.as_tuple()

    def _contents(self) -> Iterator[tuple[bytes, int]]:
        """Every MD5 once, with the first of its files."""
        last = b""
        for key in self.keys.keys(min=MD5, max=MD5 + LAST):
            md5 = key[len(MD5) : -ID]
            if md5 != last:
                yield md5, int.from_bytes(key[-ID:])
            last = md5

    def hits(
        self, order: bytes, scopes: Sequence[bytes], descending: bool, start: bytes = b""
    ) -> Iterator[Hit]:
        """The files of some scopes in one order, from behind the position `start` on; empty: from the end."""
        walks = [self._walk(order + each, descending, start) for each in scopes]
        return merge(*walks, key=itemgetter(0), reverse=descending)

    def _walk(self, prefix: bytes, descending: bool, start: bytes) -> Iterator[Hit]:
        keys = self._down(prefix, start) if descending else self._up(prefix, start)
        for key in keys:
            yield key[len(prefix) :], int.from_bytes(key[-ID:])

    def _up(self, prefix: bytes, start: bytes) -> Iterator[bytes]:
        return iter(self.keys.keys(min=prefix + start, max=prefix + LAST, excludemin=bool(start)))

    def _down(self, prefix: bytes, start: bytes) -> Iterator[bytes]:
        last = _below(prefix + start) if start else prefix + LAST
        while True:
            try:
                key: bytes = self.keys.maxKey(last)
            except ValueError:  # there is none
                return
            if not key.startswith(prefix):
                return
            yield key
            last = _below(key)

    def with_word(self, scopes: Sequence[bytes], beginning: str, start: bytes = b"") -> Iterator[Hit]:
        """The files with a word that begins so; position: the word, an END and the id."""
        first = beginning.encode("utf-8", "surrogatepass")
        walks = [self._words(WORD + each, first, start) for each in scopes]
        return merge(*walks, key=itemgetter(0))

    def _words(self, prefix: bytes, first: bytes, start: bytes) -> Iterator[Hit]:
        low = prefix + max(first, start)
        for key in self.keys.keys(min=low, max=prefix + first + LAST, excludemin=bool(start)):
            yield key[len(prefix) :], int.from_bytes(key[-ID:])

    def with_md5(self, low: bytes, high: bytes) -> Iterator[int]:
        """The files whose MD5 lies between these, raw."""
        for key in self.keys.keys(min=MD5 + low, max=MD5 + high + LAST):
            yield int.from_bytes(key[-ID:])


def _living(entry: Entry | None) -> Entry | None:
    return None if entry is None or entry.deleted is not None else entry


def _below(key: bytes) -> bytes:
    """A bound that leaves out `key` and has all keys below it: the next lower id."""
    return key[:-ID] + max(int.from_bytes(key[-ID:]) - 1, 0).to_bytes(ID)


def begin_anew(subtree: CatalogueSubtree) -> None:
    """A step: totals came.  The indexer takes all files in again, in batches beside the requests."""
    CatalogueSubtree.__init__(subtree)


subtree = Subtree("catalogue", CatalogueSubtree, (begin_anew,))

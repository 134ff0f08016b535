"""Two stores as one, for as long as bytes move from the old one to the new."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from heapq import merge
from typing import Any, BinaryIO, TypeVar

from zope.interface import implementer

from librarian.store.interfaces import (
    BytesDamaged,
    BytesNotFound,
    IByteStore,
    IReceivedFile,
    IReceiving,
    StoredBytes,
    StoreUnavailable,
)
from librarian.store.s3.interfaces import ICallObserver, IObservedStore

T = TypeVar("T")


@implementer(IByteStore, IObservedStore)
class BothStores:
    """Writes to `new`; reads from there what is there, and otherwise from `old`."""

    def __init__(self, new: IByteStore, old: IByteStore) -> None:
        self.new = new
        self.old = old

    @property
    def partials(self) -> Any:
        """Partial uploads that were begun in the old store are begun anew."""
        return self.new.partials

    @property
    def verifies_reads(self) -> bool:
        """As IByteStore has it."""
        return bool(self.new.verifies_reads and self.old.verifies_reads)

    @property
    def is_shared(self) -> bool:
        """As IByteStore has it."""
        return bool(self.new.is_shared and self.old.is_shared)

    @property
    def uses_generations(self) -> bool:
        """As the new one, which all names are of that are committed now."""
        return bool(self.new.uses_generations)

    def observe(self, observer: ICallObserver) -> None:
        """As IObservedStore has it, for those of the two that are reached by calls."""
        for store in self._observed():
            store.observe(observer)

    def trouble(self) -> str:
        """As IObservedStore has it."""
        return "; ".join(filter(None, (store.trouble() for store in self._observed())))

    def _observed(self) -> list[Any]:
        return [store for store in (self.new, self.old) if IObservedStore.providedBy(store)]

    def put(
        self,
        stream: BinaryIO,
        *,
        size: int | None = None,
        sha256: str | None = None,
        sha1: str | None = None,
        md5: str | None = None,
    ) -> StoredBytes:
        return self.new.put(stream, size=size, sha256=sha256, sha1=sha1, md5=md5)

    def receive(self, size: int | None = None) -> IReceiving:
        return self.new.receive(size)

    def keep(
        self,
        received: IReceivedFile,
        *,
        sha256: str | None = None,
        sha1: str | None = None,
        md5: str | None = None,
    ) -> StoredBytes:
        return self.new.keep(received, sha256=sha256, sha1=sha1, md5=md5)

    def open(self, sha256: str) -> BinaryIO:
        return self._either(lambda store: store.open(sha256))

    def size(self, sha256: str) -> int:
        return self._either(lambda store: store.size(sha256))

    def stored_at(self, sha256: str) -> datetime:
        """The later of the two."""
        found = [each for each in self._both(lambda store: store.stored_at(sha256)) if each is not None]
        return max(found) if found else self._either(lambda store: store.stored_at(sha256))

    def verify(self, sha256: str, progress: Callable[[int], object] | None = None) -> int:
        """Of the copy that open() gives."""
        return self._either(lambda store: store.verify(sha256, progress), falls_back_on=(BytesNotFound,))

    def remove(self, sha256: str, *, stored_before: datetime | None = None) -> bool:
        # The old one first: a copy made at this moment would bring the bytes back without harm.
        removed = [store.remove(sha256, stored_before=stored_before) for store in (self.old, self.new)]
        return any(removed)

    def quarantine(self, sha256: str) -> bool:
        """Of each damaged copy; a sound one in the other store is served from then on."""
        judged = self._both(lambda store: store.quarantine(sha256))
        if judged == [None, None]:
            raise BytesNotFound(sha256)
        return any(judged)

    def quarantined(self) -> Iterator[str]:
        return (
            sha256 for sha256 in _once(self.new.quarantined(), self.old.quarantined()) if sha256 not in self
        )

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self.new or sha256 in self.old

    def __iter__(self) -> Iterator[str]:
        return _once(iter(self.new), iter(self.old))

    def fresh(self) -> Iterator[str]:
        yield from self.new.fresh()
        yield from self.old.fresh()

    def strays(self) -> Iterator[str]:
        yield from self.new.strays()
        yield from self.old.strays()

    def clear_incoming(self, older_than: timedelta) -> int:
        return self.new.clear_incoming(older_than) + self.old.clear_incoming(older_than)

    def clear_superseded(self) -> int:
        return self.new.clear_superseded() + self.old.clear_superseded()

    def check(self) -> None:
        self.new.check()

    def spool(self) -> BinaryIO:
        return self.new.spool()

    def room(self) -> int | None:
        return self.new.room()

    def installation(self) -> str | None:
        """Of both; two that differ are both named, so that they are no one's."""
        ours, theirs = self.new.installation(), self.old.installation()
        return ours if theirs in (None, ours) or ours is None else f"{ours} and {theirs}"

    def join(self, installation: str, *, anew: bool = False) -> str:
        if anew:
            self.old.join(installation, anew=True)
        return self.new.join(installation, anew=anew)

    def recount(self) -> int:
        return self.new.recount() + self.old.recount()

    def _either(
        self,
        ask: Callable[[IByteStore], T],
        falls_back_on: tuple[type[Exception], ...] = (BytesNotFound, BytesDamaged, StoreUnavailable),
    ) -> T:
        """What the new store answers, or the old one where the new one cannot give the bytes."""
        try:
            return ask(self.new)
        except falls_back_on as error:
            with suppress(BytesNotFound):
                return ask(self.old)
            raise error

    def _both(self, ask: Callable[[IByteStore], T]) -> list[T | None]:
        """What both stores answer; None for one that does not have the bytes."""
        found: list[T | None] = []
        for store in (self.new, self.old):
            try:
                found.append(ask(store))
            except (BytesNotFound, BytesDamaged):
                found.append(None)
        return found


def _once(*ascending: Iterator[str]) -> Iterator[str]:
    """What several ascending iterators give, ascending, each once."""
    last = None
    for each in merge(*ascending):
        if each != last:
            yield each
        last = each

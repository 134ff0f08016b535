"""Webhooks, the outbox, and what waits for each webhook."""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from ZODB.utils import z64

from librarian.events.interfaces import HookAnswer, NoSuchDelivery
from librarian.events.signing import new_secret
from librarian.tree.indexes import SmallLOBTree
from librarian.tree.subtree import Subtree

QUEUES = 16
KEPT = 100  # deliveries that a webhook remembers
MOST_PARKED = 1000
FORMER_SECRET = timedelta(days=1)  # for which both secrets sign
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(hours=1)  # of a delivery
LONGEST_REST = timedelta(minutes=15)  # of a receiver that fails again and again


class Position(NamedTuple):
    """The place of an event in the order of all: the number of its transaction, then its own."""

    transaction: bytes
    number: int


class OutboxEntry(Persistent):
    """An event that webhooks or streams want; nothing of it changes."""

    owner: str | None = None

    def __init__(
        self, event_id: str, facts: dict[str, Any], webhooks: Sequence[str], owner: str | None = None
    ) -> None:
        self.id = event_id
        if owner is not None:
            self.owner = owner
        self.facts = facts  # of CloudEvents: type, subject, time, data (JSON)
        self.webhooks = tuple(webhooks)


class Delivery(Persistent):
    """An event on its way to one webhook."""

    answer: HookAnswer | None = None
    delivered: datetime | None = None
    attempts = 0

    def __init__(self, number: int, entry: OutboxEntry, now: datetime) -> None:
        self.number = number
        self.entry = entry
        self.begun = self.due = now

    def fail(self, answer: HookAnswer, now: datetime) -> None:
        """Wait, twice as long as the last time."""
        self.answer = answer
        self.attempts += 1
        self.due = now + min(FIRST_PAUSE * 2 ** min(self.attempts - 1, 20), LONGEST_PAUSE)


class Queue(Persistent):
    """What waits for one webhook, what was given up, and the last that were delivered, by number."""

    failures = 0  # in a row
    paused_until: datetime | None = None

    def __init__(self) -> None:
        self.waiting = LOBTree()
        self.parked = LOBTree()
        self.delivered = LOBTree()

    def append(self, number: int, entry: OutboxEntry, now: datetime) -> None:
        """Behind what waits already, also where the clock of another machine is behind."""
        if self.waiting:
            number = max(number, self.waiting.maxKey() + 1)
        self.waiting[number] = Delivery(number, entry, now)

    def due(self, now: datetime) -> Delivery | None:
        """The first that may be sent now: no earlier one of its subject waits."""
        if self.paused_until is not None and now < self.paused_until:
            return None
        held: set[str] = set()
        for delivery in self.waiting.values():
            subject = delivery.entry.facts["subject"]
            if delivery.due <= now and subject not in held:
                found: Delivery = delivery
                return found
            held.add(subject)
        return None

    def record(self, number: int, answer: HookAnswer, now: datetime, give_up_after: timedelta) -> None:
        """Note an answer.  Three failures in a row, and the receiver is left alone for a while."""
        delivery = self.waiting.get(number)
        if delivery is None:  # removed meanwhile
            return
        if answer.accepted:
            delivery.answer, delivery.delivered, delivery.attempts = answer, now, delivery.attempts + 1
            self._move(number, self.delivered, KEPT)
            self.failures, self.paused_until = 0, None
            return
        delivery.fail(answer, now)
        self.failures += 1
        if self.failures % 3 == 0:
            rest = FIRST_PAUSE * 2 ** min(self.failures // 3 - 1, 20)
            self.paused_until = now + min(rest, LONGEST_REST)
        if now - delivery.begun >= give_up_after:
            self._move(number, self.parked, MOST_PARKED)

    def _move(self, number: int, target: LOBTree, most: int) -> None:
        target[number] = self.waiting.pop(number)
        while len(target) > most:
            del target[target.minKey()]

    def resend(self, event_id: str, now: datetime) -> None:
        """Have it sent with the next pass.  Raises NoSuchDelivery."""
        for place in (self.waiting, self.parked, self.delivered):
            for number, delivery in place.items():
                if delivery.entry.id == event_id:
                    del place[number]
                    self.append(number, delivery.entry, now)
                    self.paused_until = None
                    return
        raise NoSuchDelivery(event_id)

    def states(self) -> Iterator[tuple[str, Delivery]]:
        """Every delivery that is kept, with its state."""
        for state, place in (
            ("waiting", self.waiting),
            ("parked", self.parked),
            ("delivered", self.delivered),
        ):
            for delivery in place.values():
                yield state, delivery


class Webhook(Persistent):
    """Who is told of what.  Uploads read it; what the worker writes is in `queue`."""

    former_secret: str | None = None
    former_until: datetime | None = None

    def __init__(
        self,
        webhook_id: str,
        url: str,
        kinds: Sequence[str],
        owner: str,
        everything: bool,
        created: datetime,
    ) -> None:
        self.id = webhook_id
        self.url = url
        self.kinds = tuple(kinds)
        self.owner = owner
        self.everything = everything
        self.created = created
        self.secret = new_secret()
        self.queue = Queue()

    def wants(self, kind: str, owner: str | None) -> bool:
        """Whether it is told of an event of this kind, about what `owner` owns."""
        return (not self.kinds or kind in self.kinds) and (self.everything or self.owner == owner)

    def renew_secret(self, now: datetime) -> str:
        """A new secret; the former one signs beside it for a while."""
        self.former_secret, self.former_until = self.secret, now + FORMER_SECRET
        self.secret = new_secret()
        return self.secret

    def secrets(self, now: datetime) -> list[str]:
        """The secrets that sign."""
        former, until = self.former_secret, self.former_until
        return [self.secret, former] if former and until and now < until else [self.secret]


#: An event in the outbox: id, type, subject, time, data (JSON), and the ids of webhooks, apart by spaces.  It
#: lies in the bucket of its queue: an object of its own would cost an upload twice as much.
Noted = tuple[str, str, str, str, str, str]


def noted(event_id: str, facts: dict[str, str], webhooks: Sequence[str]) -> Noted:
    """An event for the outbox."""
    return event_id, facts["type"], facts["subject"], facts["time"], facts["data"], " ".join(webhooks)


def _entry(found: Noted | OutboxEntry) -> OutboxEntry:
    """What webhooks' queues keep of it; those of older databases are that already."""
    if isinstance(found, OutboxEntry):
        return found
    event_id, kind, subject, time, data, webhooks = found
    facts = {"type": kind, "subject": subject, "time": time, "data": data}
    return OutboxEntry(event_id, facts, webhooks.split())


class Dropped(Persistent):
    """The number of the latest transaction of which an event of a recording was dropped."""

    transaction = z64


class Recording(Persistent):
    """All events since this was made, but for the dropped ones; for streams.

    An event is put here when its transaction is about to be committed.  Nothing else of it changes, so the
    number of the transaction that made it is that of its beginning.
    """

    def __init__(self) -> None:
        self.shards = tuple(SmallLOBTree() for _ in range(QUEUES))
        self.dropped = Dropped()

    @property
    def begins(self) -> bytes:
        """The number of a transaction; what was committed later is all there."""
        self._p_activate()
        return max(self._p_serial, self.dropped.transaction)

    def put(self, entry: OutboxEntry, shard: int, now: datetime) -> None:
        """Add an event."""
        _append(self.shards[shard], entry, shard, now)

    def entries(self, above: Sequence[int] = ()) -> Iterator[tuple[Position, OutboxEntry]]:
        """The events, of each shard those with numbers above that in `above`, in no order."""
        for place, shard in enumerate(self.shards):
            low = above[place] if above else None
            for number, entry in shard.items(min=low, excludemin=low is not None):
                entry._p_activate()
                yield Position(entry._p_serial, number), entry

    def last_numbers(self) -> list[int]:
        """The highest number in each shard; -1 in an empty one."""
        return [shard.maxKey() if shard else -1 for shard in self.shards]

    def drop(self, before: datetime, most: int) -> int:
        """Drop what is older than `before`, and of each shard all but the latest `most`; how many."""
        last, dropped = int(before.timestamp() * 1_000_000) << 10, 0
        for shard in self.shards:
            old = list(shard.keys(max=last))
            old += list(shard.keys(min=last, excludemin=True))[:-most]
            for number in old:
                entry = shard.pop(number)
                entry._p_activate()
                self.dropped.transaction = max(self.dropped.transaction, entry._p_serial)
            dropped += len(old)
        return dropped


class EventsSubtree(Persistent):
    """Webhooks by id, the outbox, which worker works until when, and what is recorded for streams."""

    worker = ""
    worker_until: datetime | None = None
    recording: Recording | None = None
    listened_until: datetime | None = None  # events are recorded until then

    def __init__(self) -> None:
        self.webhooks = OOBTree()
        self.queues = tuple(SmallLOBTree() for _ in range(QUEUES))

    def put(self, entry: Noted, shard: int, now: datetime) -> None:
        """Into the queue `shard`, under a number that grows with time and tells writers apart."""
        _append(self.queues[shard], entry, shard, now)

    def listen(self, now: datetime, until: datetime) -> None:
        """Record events until then; what was recorded before is kept if there is no gap."""
        if self.recording is None or self.listened_until is None or self.listened_until < now:
            self.recording = Recording()
        self.listened_until = until

    def recording_at(self, now: datetime) -> Recording | None:
        """Where an event of now is recorded; None: nowhere."""
        is_listened = self.listened_until is not None and now <= self.listened_until
        return self.recording if is_listened else None

    def distribute(self, most: int, now: datetime, may_be_told: Callable[[Webhook], bool]) -> int:
        """Move up to `most` entries of each queue to the webhooks that want them,
        if their owners may be told, and count them."""
        moved, told = 0, {each.id: each for each in self.webhooks.values() if may_be_told(each)}
        for queue in self.queues:
            for number in list(queue.keys())[:most]:
                entry = _entry(queue.pop(number))
                for webhook in filter(None, map(told.get, entry.webhooks)):
                    webhook.queue.append(number, entry, now)
                moved += 1
        return moved

    def take(self, worker: str, now: datetime, until: datetime) -> bool:
        """Whether `worker` may work until then: no other does."""
        if self.worker and self.worker != worker and self.worker_until and now < self.worker_until:
            return False
        self.worker, self.worker_until = worker, until
        return True

    def renew(self, worker: str, now: datetime, lifetime: timedelta) -> bool:
        """Whether `worker` still has the lease; when half of its `lifetime` is over it begins anew."""
        if self.worker != worker or self.worker_until is None:
            return False
        if self.worker_until - now < lifetime / 2:
            self.worker_until = now + lifetime
        return True

    def release(self, worker: str) -> None:
        """End the lease of `worker`."""
        if self.worker == worker:
            self.worker, self.worker_until = "", None


def _append(queue: Any, entry: OutboxEntry | Noted, shard: int, now: datetime) -> None:
    """Into a queue under a number that grows with time and tells writers apart."""
    chance = random.randrange(64)  # noqa: S311  # no secret
    number = (int(now.timestamp() * 1_000_000) << 10) | (chance << 4) | shard
    if queue:
        last = queue.maxKey()
        number = number if number > last else last + QUEUES * (1 + chance)
    queue[number] = entry


subtree = Subtree("events", EventsSubtree)

"""The streams of a process, and the thread that feeds all of them."""

import logging
import re
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from operator import attrgetter
from typing import Any

from zope.component import getUtility, queryUtility
from zope.interface import implementer

from librarian.events.delivering import cloud_event
from librarian.events.model import EventsSubtree, OutboxEntry, Position
from librarian.events.streams.interfaces import (
    IEventStream,
    IEventStreams,
    MalformedEventId,
    Sink,
    TooManyStreams,
    UnknownKind,
)
from librarian.events.streams.settings import StreamSettings
from librarian.interfaces import IClock, IEventKind, ISettings
from librarian.log_filters import EXHAUSTED, NO_ROOM, WithoutTraceback
from librarian.tree.interfaces import ITree

log = logging.getLogger(__name__)
log.addFilter(WithoutTraceback(EXHAUSTED | NO_ROOM))

RETRY = timedelta(seconds=2)  # after which a client comes back
MOST_RECORDED = 5000  # events in a shard
LONGEST_COMMIT = 120.0  # seconds from the last hook of a commit to its end
TRIM_SECONDS = 60.0
MOST_BACKLOG = 1 << 18  # bytes that a slow client may leave untaken
HEARTBEAT = b":\n\n"
MISSED = b"event: missed\ndata: {}\n\n"
_ID = re.compile(r"([0-9a-f]{16})-([0-9a-f]{1,20})")


@dataclass(frozen=True)
class Told:
    """A recorded event; `block` is what every stream sends of it."""

    position: Position
    entry: OutboxEntry

    @cached_property
    def block(self) -> bytes:
        data = cloud_event(self.entry.id, self.entry.facts)
        return b"id: %s\ndata: %s\n\n" % (written_id(self.position).encode(), data)


def read_id(text: str) -> Position:
    """The place in the order of events.  Raises MalformedEventId."""
    found = _ID.fullmatch(text.strip())
    if found is None:
        raise MalformedEventId(text)
    return Position(bytes.fromhex(found[1]), int(found[2], 16))


def written_id(position: Position) -> str:
    """As read_id() reads it."""
    return f"{position.transaction.hex()}-{position.number:x}"


@implementer(IEventStream)
class EventStream:
    """One stream: what it tells, and how far it has come."""

    def __init__(
        self,
        streams: "EventStreams",
        position: Position,
        *,
        owner: str,
        everything: bool,
        kinds: Sequence[str],
        has_missed: bool,
    ) -> None:
        self.position = position
        self.is_new = True  # the thread has not seen it yet
        self.until = self.last_sent = 0.0  # monotonic
        self._streams = streams
        self._owner = owner
        self._everything = everything
        self._kinds = frozenset(kinds)
        retry = f"retry: {RETRY // timedelta(milliseconds=1)}\nid: {written_id(position)}\n\n"
        self._opening = retry.encode() + MISSED * has_missed
        self.sink: Sink | None = None

    def begin(self, sink: Sink) -> None:
        if sink.put(self._opening):
            self.sink = sink
            self._streams.add(self)
        else:
            sink.end()

    def present(self) -> bytes:
        return self._opening + self.blocks(self._streams.after(self.position))

    def blocks(self, told: Sequence[Told]) -> bytes:
        """The events that it tells of those, which are in their order; from now on it is behind them."""
        found = []
        for each in told:
            if each.position > self.position:
                self.position = each.position
                if self._wants(each.entry):
                    found.append(each.block)
        return b"".join(found)

    def _wants(self, entry: OutboxEntry) -> bool:
        is_asked = not self._kinds or entry.facts["type"] in self._kinds
        return is_asked and (self._everything or entry.owner == self._owner)

    def feed(self, told: Sequence[Told], now: float, heartbeat_seconds: float) -> bool:
        """Send what is new, or a sign of life; whether the stream goes on.  `now` is monotonic."""
        assert self.sink is not None
        data = self.blocks(told) or (HEARTBEAT if now - self.last_sent >= heartbeat_seconds else b"")
        if data:
            self.last_sent = now
        goes_on = (not data or self.sink.put(data)) and now < self.until and self.sink.backlog < MOST_BACKLOG
        if not goes_on:
            self.sink.end()
        return goes_on


def _fed(stream: EventStream, told: Sequence[Told], now: float, heartbeat_seconds: float) -> bool:
    """Whether a stream goes on; one whose server fails does not."""
    try:
        return stream.feed(told, now, heartbeat_seconds)
    except Exception:
        log.exception("stream cannot be fed")
        return False


@implementer(IEventStreams)
class EventStreams:
    """The streams, and how far the recording was read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._streams: list[EventStream] = []
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._recording: bytes | None = None  # _p_oid of the one that `_seen` is about
        self._seen: deque[tuple[float, list[int]]] = deque()  # when, and the last numbers then
        self._trimmed = 0.0  # monotonic

    def open(
        self, owner: str, everything: bool, kinds: Sequence[str] = (), last_id: str | None = None
    ) -> EventStream:
        most = self._settings.streams_at_most
        if len(self._streams) >= most:
            raise TooManyStreams(most)
        for kind in kinds:
            if queryUtility(IEventKind, kind) is None:
                raise UnknownKind(kind)
        stated = None if last_id is None else read_id(last_id)
        self._listen()
        latest, begins = self._tree.run_independently(self._ends)
        has_missed = stated is not None and stated.transaction < begins
        # An id that lies ahead, as of a library that was restored since, must not make the stream deaf.
        position = latest if stated is None else min(max(stated, Position(begins, 0)), latest)
        return EventStream(
            self, position, owner=owner, everything=everything, kinds=kinds, has_missed=has_missed
        )

    def add(self, stream: EventStream) -> None:
        """Feed a stream from now on, in the thread, which is started for the first."""
        now = self._clock.monotonic()
        stream.last_sent, stream.until = now, now + self._settings.stream_lifetime.total_seconds()
        with self._lock:
            self._streams.append(stream)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="event-streams", daemon=True)
                self._thread.start()

    def after(self, position: Position) -> list[Told]:
        """What was recorded after `position`."""
        found: list[Told] = self._tree.run_independently(lambda: self._read(position))
        return found

    def tick(self) -> bool:
        with self._lock:
            streams = list(self._streams)
        if not streams:
            return False
        self._listen()
        lowest, every = min(stream.position for stream in streams), any(each.is_new for each in streams)
        told = self._tree.run_independently(lambda: self._read(lowest, () if every else self._above()))
        self._feed(streams, told)
        self._trim()
        return True

    # -- the thread

    def _run(self) -> None:
        while True:
            self._stopped.wait(self._settings.stream_poll.total_seconds())
            try:
                self.tick()
            except Exception as error:  # an error must not end the thread
                if not self._tree.is_loss(error):  # the tree's watch has logged that
                    log.exception("events not streamed")
                self._feed(list(self._streams), [])
            with self._lock:
                if not self._streams:
                    self._thread = None
                    return

    def _feed(self, streams: Sequence[EventStream], told: Sequence[Told]) -> None:
        now, heartbeat = self._clock.monotonic(), self._settings.stream_heartbeat.total_seconds()
        gone = [stream for stream in streams if not _fed(stream, told, now, heartbeat)]
        for stream in streams:
            stream.is_new = False
        with self._lock:
            self._streams = [stream for stream in self._streams if stream not in gone]

    # -- the recording

    def _listen(self) -> None:
        """Have events recorded from now on; written once in half of the time for which they are kept."""
        now, history = self._clock.now(), self._settings.stream_history

        def listen() -> None:
            subtree = self._subtree
            until = subtree.listened_until
            if until is None or until - now < history / 2:
                subtree.listen(now, now + history)

        self._tree.run_independently(listen)

    def _ends(self) -> tuple[Position, bytes]:
        """The position of the latest event, and the transaction after which all events are there."""
        recording = self._subtree.recording
        assert recording is not None
        begins = recording.begins
        return max(
            (position for position, _entry in recording.entries()), default=Position(begins, 0)
        ), begins

    def _read(self, after: Position, above: Sequence[int] = ()) -> list[Told]:
        """What was recorded after a position, in order, as of this transaction; the entries are loaded."""
        recording = self._subtree.recording
        recorded = () if recording is None else recording.entries(above)
        found = [Told(position, entry) for position, entry in recorded if position > after]
        return sorted(found, key=attrgetter("position"))

    def _above(self) -> Sequence[int]:
        """The numbers in each shard up to which all was there, and read, some minutes ago."""
        recording, now = self._subtree.recording, self._clock.monotonic()
        if recording is None:
            return ()
        if recording._p_oid != self._recording:
            self._recording = recording._p_oid
            self._seen.clear()
        self._seen.append((now, recording.last_numbers()))
        while len(self._seen) > 1 and now - self._seen[1][0] > LONGEST_COMMIT:
            self._seen.popleft()
        at, numbers = self._seen[0]
        return numbers if now - at > LONGEST_COMMIT else ()

    def _trim(self) -> None:
        now = self._clock.monotonic()
        if now - self._trimmed < TRIM_SECONDS:
            return
        self._trimmed = now
        before = self._clock.now() - self._settings.stream_history

        def trim() -> None:
            recording = self._subtree.recording
            if recording is not None:
                recording.drop(before, MOST_RECORDED)

        self._tree.run_independently(trim)

    # -- what is looked up at each use: a site may register its parts later

    @property
    def _tree(self) -> Any:
        return getUtility(ITree)

    @property
    def _clock(self) -> IClock:
        return getUtility(IClock)

    @property
    def _settings(self) -> StreamSettings:
        return getUtility(ISettings).section(StreamSettings)

    @property
    def _subtree(self) -> EventsSubtree:
        found: EventsSubtree = self._tree.subtree("events")
        return found

"""The file lane: downloads answered in the loop, without a thread, a ZODB connection or Pyramid.

A table of paths and the facts of the files behind them, filled by the application when it has answered for
one (`offer()`), and kept true by word of each commit (`changed()`).  What is answered is computed by the same
function as everywhere, `answer_file_request`; what does not fit here is left to the application.
"""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from webob.util import status_reasons

from librarian.interfaces import LibrarianError
from librarian.library.interfaces import IVerifiedReads
from librarian.serving.http.heads import Head
from librarian.serving.wsgi.exchange import answer_head, date_line
from librarian.serving.wsgi.outgoing import FilePart
from librarian.store.interfaces import IByteStore
from librarian.web.files.answer import REQUEST_FIELDS, answer_file_request, is_negotiable
from librarian.web.files.delivery import READ_AT_ONCE
from librarian.web.files.facts import FileFacts, segment_length
from librarian.web.files.ranges import Slice

MOST_FILES = 100_000  # about 2 KiB each
MOST_COMMITS = 1_000  # whose changes are remembered, for offers that were under way meanwhile

_FIELDS = frozenset(REQUEST_FIELDS)
_OFTEN = frozenset(("accept", "accept-encoding"))  # sent with most requests, and seldom of consequence
_WITHOUT_CONDITIONS = _FIELDS - _OFTEN

Key = tuple[str, str]  # port, target


@dataclass(frozen=True, slots=True)
class LaneFile:
    """The facts of a file that one path shows."""

    facts: FileFacts
    objects: tuple[bytes, ...]  # _p_oid of what the facts are taken from
    prepared: bytes  # the head of the usual answer, but for its Date and the empty line


@dataclass(slots=True)
class LaneAnswer:
    """An answer of the lane: `data`, its head with it, or `head` and `parts` of an open file."""

    status: int
    size: int  # bytes of its body; 0 for HEAD
    data: bytes = b""
    parts: tuple[bytes | FilePart, ...] = ()
    file: BinaryIO | None = None


class FileLane:
    """The table of paths and files.

    `find_answer()` is called in the loop; offers and changes come from other threads.
    """

    def __init__(self, store: IByteStore, reads: IVerifiedReads) -> None:
        self._store = store
        self._reads = reads
        self._lock = threading.Lock()
        self._files: dict[Key, LaneFile] = {}
        self._keys: dict[bytes, set[Key]] = {}  # of the files that depend on an object
        self._commits = 0  # that were heard of
        self._recent: deque[frozenset[bytes] | None] = deque(maxlen=MOST_COMMITS)  # what they changed

    # -- what it knows

    def changed(self, oids: Iterable[bytes] | None) -> None:
        """Drop the entries that depend on these objects, which a commit changes; None drops all.

        See ITree.on_change().
        """
        with self._lock:
            self._commits += 1
            if oids is None:
                self._recent.append(None)
                self._files.clear()
                self._keys.clear()
                return
            changed = frozenset(oids)
            self._recent.append(changed)
            for oid in changed & self._keys.keys():
                for key in self._keys.get(oid, set()).copy():
                    self._drop(key)

    def offers(self, key: Key) -> Callable[[FileFacts, Iterable[bytes]], None]:
        """The callback that stores an entry, to be taken before the application reads the tree."""
        since = self._commits

        def offer(facts: FileFacts, objects: Iterable[bytes]) -> None:
            self._offer(key, since, facts, tuple(objects))

        return offer

    def _offer(self, key: Key, since: int, facts: FileFacts, objects: tuple[bytes, ...]) -> None:
        file = LaneFile(facts, objects, _prepared(facts))
        with self._lock:
            if not self._still_true(since, objects):
                return
            self._drop(key)
            while len(self._files) >= MOST_FILES:
                self._drop(next(iter(self._files)))
            self._files[key] = file
            for oid in objects:
                self._keys.setdefault(oid, set()).add(key)

    def _still_true(self, since: int, objects: tuple[bytes, ...]) -> bool:
        """Whether no commit after the first `since` has changed any of the objects."""
        number = self._commits - since
        if number > len(self._recent):
            return False
        later = list(self._recent)[len(self._recent) - number :] if number else []
        return all(changed is not None and changed.isdisjoint(objects) for changed in later)

    def _drop(self, key: Key) -> None:
        file = self._files.pop(key, None)
        for oid in () if file is None else file.objects:
            keys = self._keys.get(oid, set())
            keys.discard(key)
            if not keys:
                self._keys.pop(oid, None)

    def known_paths(self) -> list[Key]:
        """The paths that the lane can answer for now."""
        with self._lock:
            return list(self._files)

    def known_objects(self) -> list[bytes]:
        """The ids of the objects that the entries depend on."""
        with self._lock:
            return list(self._keys)

    # -- what it answers

    def find_answer(self, port: str, head: Head, keeps_open: bool) -> LaneAnswer | None:
        """The answer to a request, if it is sure to be the application's too."""
        file = self._files.get((port, head.target))
        if file is None or head.method not in ("GET", "HEAD"):
            return None
        try:
            if _is_usual(file.facts, head):
                return self._usual_answer(file, head, keeps_open)
            return self._computed_answer(file.facts, head, keeps_open)
        except (LibrarianError, OSError):  # the application finds out what that means, and reports it
            return None

    def _usual_answer(self, file: LaneFile, head: Head, keeps_open: bool) -> LaneAnswer | None:
        facts = file.facts
        if facts.size > READ_AT_ONCE or not keeps_open or head.version != "1.1":
            return self._computed_answer(facts, head, keeps_open)
        if head.method == "HEAD":
            return LaneAnswer(200, 0, file.prepared + date_line())
        data = self._verified(facts)
        return None if data is None else LaneAnswer(200, facts.size, file.prepared + date_line() + data)

    def _verified(self, facts: FileFacts) -> bytes | None:
        """The bytes of a small file; None if their digest differs."""
        with self._store.open(facts.sha256) as opened:
            data: bytes = opened.read(facts.size + 1)
        return data if hashlib.sha256(data).hexdigest() == facts.sha256 else None

    def _computed_answer(self, facts: FileFacts, head: Head, keeps_open: bool) -> LaneAnswer | None:
        if facts.size > READ_AT_ONCE:
            if self._reads.must_stream(facts.size):
                return None
            facts = replace(facts, verified=self._reads.is_sound(facts.sha256, facts.size))
        answer = answer_file_request(head.method, _stated(head.meaning.fields), facts)
        size = sum(map(segment_length, answer.segments))
        status = f"{answer.status} {status_reasons[answer.status]}"
        begun = answer_head(head.version, status, answer.headers, _length(answer.headers), False, keeps_open)
        if not any(isinstance(segment, Slice) for segment in answer.segments):
            body = b"".join(part for part in answer.segments if isinstance(part, bytes))
            return LaneAnswer(answer.status, size, begun + body)
        if facts.size <= READ_AT_ONCE:
            data = self._verified(facts)
            if data is None:
                return None
            body = b"".join(data[p.start : p.stop] if isinstance(p, Slice) else p for p in answer.segments)
            return LaneAnswer(answer.status, size, begun + body)
        return self._file_answer(facts, answer.status, size, begun, answer.segments)

    def _file_answer(
        self, facts: FileFacts, status: int, size: int, begun: bytes, segments: tuple[bytes | Slice, ...]
    ) -> LaneAnswer | None:
        opened = self._store.open(facts.sha256)
        try:
            file = self._reads.checked(self._store, opened, facts.sha256, facts.size, status == 200)
            descriptor = file.fileno()
            if os.fstat(descriptor).st_size < facts.size:
                raise OSError("the file is too short")
        except BaseException:
            opened.close()
            raise
        parts = (
            FilePart(descriptor, part.start, part.stop - part.start) if isinstance(part, Slice) else part
            for part in segments
        )
        return LaneAnswer(status, size, parts=(begun, *parts), file=file)


def _is_usual(facts: FileFacts, head: Head) -> bool:
    """Whether none of the fields of a request has a say in the answer."""
    fields = head.meaning.fields.keys()
    return fields.isdisjoint(_FIELDS if is_negotiable(facts) else _WITHOUT_CONDITIONS)


def _prepared(facts: FileFacts) -> bytes:
    answer = answer_file_request("GET", {}, facts)
    head = answer_head("1.1", "200 OK", answer.headers, facts.size, False, True)
    return head[: -len(date_line())]


def _stated(fields: Mapping[str, Any]) -> dict[str, str]:
    return {name: ", ".join(fields[name]) for name in _FIELDS & fields.keys()}


def _length(headers: list[tuple[str, str]]) -> int | None:
    return next((int(value) for name, value in headers if name == "Content-Length"), None)

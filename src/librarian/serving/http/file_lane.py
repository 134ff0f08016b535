"""The file lane: downloads answered in the loop, without a thread, a ZODB connection or Pyramid.

A table of paths and the facts of the files behind them, filled by the application when it has answered for
one (`offer()`), and kept true by word of each commit (`changed()`).  What is answered is computed by the same
function as everywhere, `answer_file_request`; what does not fit here is left to the application.
"""

import hashlib
import math
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Protocol

from webob.util import status_reasons

from librarian.interfaces import LibrarianError
from librarian.library.interfaces import IVerifiedReads
from librarian.serving.http.cached_reads import read_cached
from librarian.serving.http.heads import Head
from librarian.serving.interfaces import NotFresh
from librarian.serving.wsgi.exchange import answer_head, date_line
from librarian.serving.wsgi.outgoing import FilePart
from librarian.store.disk.interfaces import ILocalFiles
from librarian.store.interfaces import IByteStore
from librarian.web.files.answer import REQUEST_FIELDS, answer_file_request, is_negotiable
from librarian.web.files.delivery import READ_AT_ONCE
from librarian.web.files.facts import FileFacts, PackedForm, segment_length
from librarian.web.files.fields import with_always
from librarian.web.files.ranges import Slice

MOST_FILES = 100_000  # about 2 KiB each
MOST_COMMITS = 1_000  # whose changes are remembered, for offers that were under way meanwhile

_FIELDS = frozenset(REQUEST_FIELDS)
_OFTEN = frozenset(("accept", "accept-encoding"))  # sent with most requests, and seldom of consequence
_WITHOUT_CONDITIONS = _FIELDS - _OFTEN

Key = tuple[str, str]  # port, target


class Offer(Protocol):
    """What an application is given under FILE_LANE, see librarian.web.interfaces."""

    def __call__(
        self, facts: FileFacts, objects: Iterable[bytes], packed: PackedForm | None = None, /
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Form:
    """One of the forms in which a file is sent."""

    facts: FileFacts
    prepared: bytes  # the head of the usual answer, but for its Date and the empty line


@dataclass(frozen=True, slots=True)
class LaneFile:
    """What is known of the file that one path shows."""

    plain: Form
    is_packed_preferred: Callable[[Mapping[str, str]], bool] | None  # None: it is always sent plain
    packed: Form | None
    objects: tuple[bytes, ...]  # _p_oid of what the facts are taken from

    def form_for(self, head: Head) -> Form | None:
        """The form that a request gets; None: one that the application makes."""
        prefers = self.is_packed_preferred
        if prefers is not None and "accept-encoding" in head.meaning.fields:
            return self.packed if prefers(_stated(head.meaning.fields)) else self.plain
        return self.plain


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

    `find_answer()` is called in the loop; offers and changes come from other threads.  Files of more than
    `most` bytes are left to the application.
    """

    def __init__(
        self,
        store: IByteStore,
        files: ILocalFiles,
        reads: IVerifiedReads,
        is_fresh: Callable[[bool], bool],
        *,
        most: float = math.inf,
    ) -> None:
        self._store = store
        self._files_of_store = files  # the same store
        self._reads = reads
        self._is_fresh = is_fresh  # see ITree.is_fresh()
        self._most = most
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

    def offers(self, key: Key) -> Offer:
        """The callback that stores an entry, to be taken before the application reads the tree."""
        since = self._commits

        def offer(facts: FileFacts, objects: Iterable[bytes], packed: PackedForm | None = None) -> None:
            prefers, packed_facts = (None, None) if packed is None else packed
            packed_form = None if packed_facts is None else _form(packed_facts)
            self._offer(key, since, LaneFile(_form(facts), prefers, packed_form, tuple(objects)))

        return offer

    def _offer(self, key: Key, since: int, file: LaneFile) -> None:
        objects = file.objects
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

    def find_answer(
        self, port: str, head: Head, keeps_open: bool, *, asked: bool = False, may_wait: bool = False
    ) -> LaneAnswer | None:
        """The answer to a request, if it is sure to be the application's too.

        `asked`: the tree has caught up since the request came.  `may_wait`: this is a thread, which may wait
        for the disk.  Raises NotFresh where the tree must be asked, and BlockingIOError where the disk must.
        """
        file = self._files.get((port, head.target))
        if file is None or head.method not in ("GET", "HEAD"):
            return None
        form = file.form_for(head)
        if form is None or form.facts.size > self._most:
            return None
        if not (asked or self._is_fresh(form.facts.immutable)):
            raise NotFresh
        try:
            if _is_usual(form.facts, head):
                return self._usual_answer(form, head, keeps_open, may_wait)
            return self._computed_answer(form.facts, head, keeps_open, may_wait)
        except BlockingIOError:
            raise
        except (LibrarianError, OSError):  # the application finds out what that means, and reports it
            return None

    def _usual_answer(self, form: Form, head: Head, keeps_open: bool, may_wait: bool) -> LaneAnswer | None:
        facts = form.facts
        if facts.size > READ_AT_ONCE or not keeps_open or head.version != "1.1":
            return self._computed_answer(facts, head, keeps_open, may_wait)
        data = self._verified(facts, may_wait)
        if data is None:
            return None
        if head.method == "HEAD":
            return LaneAnswer(200, 0, form.prepared + date_line())
        return LaneAnswer(200, facts.size, form.prepared + date_line() + data)

    def _verified(self, facts: FileFacts, may_wait: bool) -> bytes | None:
        """The bytes of a small file; None if their digest differs."""
        descriptor = self._files_of_store.open_descriptor(facts.sha256)
        try:
            most = facts.size + 1
            data = os.pread(descriptor, most, 0) if may_wait else read_cached(descriptor, most)
        finally:
            os.close(descriptor)
        return data if hashlib.sha256(data).hexdigest() == facts.sha256 else None

    def _computed_answer(
        self, facts: FileFacts, head: Head, keeps_open: bool, may_wait: bool
    ) -> LaneAnswer | None:
        if facts.size > READ_AT_ONCE:
            if self._reads.must_stream(facts.size):
                return None
            facts = replace(facts, verified=self._reads.is_sound(facts.sha256, facts.size))
        answer = answer_file_request(head.method, _stated(head.meaning.fields), facts)
        size = sum(map(segment_length, answer.segments))
        status = f"{answer.status} {status_reasons[answer.status]}"
        headers = with_always(answer.headers)
        begun = answer_head(head.version, status, headers, _length(headers), False, keeps_open)
        if facts.size > READ_AT_ONCE:
            return self._file_answer(facts, answer.status, size, begun, answer.segments)
        data = self._verified(facts, may_wait)  # of an answer without bytes too: are there any?
        if data is None:
            return None
        body = b"".join(data[p.start : p.stop] if isinstance(p, Slice) else p for p in answer.segments)
        return LaneAnswer(answer.status, size, begun + body)

    def _file_answer(
        self, facts: FileFacts, status: int, size: int, begun: bytes, segments: tuple[bytes | Slice, ...]
    ) -> LaneAnswer | None:
        opened = self._store.open(facts.sha256)
        if not any(isinstance(segment, Slice) for segment in segments):
            opened.close()
            return LaneAnswer(status, size, begun + b"".join(p for p in segments if isinstance(p, bytes)))
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


def _form(facts: FileFacts) -> Form:
    answer = answer_file_request("GET", {}, facts)
    head = answer_head("1.1", "200 OK", with_always(answer.headers), facts.size, False, True)
    return Form(facts, head[: -len(date_line())])


def _stated(fields: Mapping[str, Any]) -> dict[str, str]:
    return {name: ", ".join(fields[name]) for name in _FIELDS & fields.keys()}


def _length(headers: list[tuple[str, str]]) -> int | None:
    return next((int(value) for name, value in headers if name == "Content-Length"), None)

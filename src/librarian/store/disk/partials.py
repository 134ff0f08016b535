"""Partial uploads in a folder: each three files, and there as long as its facts are.

<id>.facts    JSON, replaced whole
<id>.data     the bytes so far; gone when they were kept
<id>.mark     see marks; its flock is held by the one who writes
"""

import json
import logging
import os
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from zope.interface import implementer

from librarian import durable
from librarian.store.disk.drafts import Draft, PartialDraft
from librarian.store.disk.incoming import WRITE_OUT_BYTES
from librarian.store.disk.marks import MarkFile
from librarian.store.disk.troubles import troubles
from librarian.store.hashing import Digests, read_chunks
from librarian.store.interfaces import (
    IPartial,
    IPartials,
    IReceivedFile,
    PartialBusy,
    PartialNotFound,
    StoredBytes,
)
from librarian.store.room import IsRoom

log = logging.getLogger(__name__)

SETTLE_BYTES = 64 << 20  # a power cut takes no more of an upload than this
REMEMBERED = 64  # uploads whose digests go on in memory
_ID = re.compile("[0-9a-f]{32}")
_KINDS = ("facts", "data", "mark")


AsReceived = Callable[[StoredBytes, Draft], IReceivedFile]


@implementer(IPartial)
class Partial:
    """One partial upload; see IPartial."""

    def __init__(self, files: "PartialFiles", partial_id: str, mark: MarkFile, facts: dict[str, Any]) -> None:
        self.id = partial_id
        self.facts = facts
        self.size = 0
        self.is_gone = False
        self._files = files
        self._mark: MarkFile | None = mark
        self._path = files.path(partial_id, "data")
        self._data = -1
        self._digests: Digests | None = None  # of all bytes; None: they are to be read again
        self._settled = self._sent_out = 0  # bytes
        self._held_back = False

    def enter(self) -> None:
        """Open the bytes, and cut off those that are not sound."""
        assert self._mark is not None
        mark = self._mark.read()
        try:
            self._data = os.open(self._path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            self.is_gone = True
            return
        found = os.fstat(self._data).st_size
        self.size = found
        self._settled = min(mark.offset, found)
        if (sound := mark.sound_size(found)) < found:
            self._truncate(sound)
        self._sent_out = self.size
        self._digests = self._files.digests_of(self.id, mark.writer, self.size)
        self._mark.write(self._settled)

    def write(self, data: bytes) -> None:
        mark = self._require()
        with troubles("write"):
            self._files.room.require(len(data))
            try:
                with self._files.room.changing(len(data)):
                    durable.write_fully(self._data_at_end(), data)
            except BaseException:
                os.ftruncate(self._data, self.size)
                raise
        self.size += len(data)
        if self._digests is not None:
            self._digests.update(data)
        if self.size - self._sent_out >= WRITE_OUT_BYTES:
            durable.forget_cached(self._data, self._sent_out, self.size - self._sent_out)
            self._sent_out = self.size
        if not self._held_back and self.size - self._settled >= SETTLE_BYTES:
            self._settle(mark)

    def settle(self) -> None:
        mark = self._require()
        if self._held_back or self.size != self._settled:
            self._settle(mark)

    def hold_back(self) -> None:
        self.settle()
        self._held_back = True
        self._require().write(self.size, held_back=True)

    def rollback(self, size: int) -> None:
        mark = self._require()
        if size < self.size:
            with troubles("cut"):
                self._truncate(size)
            self._digests = None if size else Digests()
        self._held_back = False
        self._settled = min(self._settled, size)
        mark.write(self._settled)

    def change(self, facts: dict[str, Any]) -> None:
        self._require()
        with troubles("note"):
            self._files.note(self.id, facts)
        self.facts = facts

    def release(self) -> None:
        if os.path.exists(self._path):  # it was not renamed
            with troubles("release"), self._files.room.changing(-self.size):
                os.unlink(self._path)
        self.is_gone, self.size, self._settled, self._digests = True, 0, 0, None

    def received(self) -> IReceivedFile:
        self.settle()
        with troubles("read again"):
            if self._digests is None:
                self._digests = self._read_again()
            found = self._digests.found()
        return self._files.as_received(found, PartialDraft(self._path, self.size))

    def discard(self) -> None:
        try:
            with troubles("discard"):
                self._files.remove(self.id, self.size)
        finally:
            self.close()

    def close(self) -> None:
        mark, self._mark = self._mark, None
        if mark is None:
            return
        if self._digests is not None and not self._held_back:
            self._files.remember(self.id, mark.writer, self.size, self._digests)
        try:
            if self._data >= 0:
                os.close(self._data)
        finally:
            mark.close()

    def _settle(self, mark: MarkFile) -> None:
        with troubles("settle"):
            os.fsync(self._data)
            mark.write(self.size, sync=True)
        self._settled, self._held_back = self.size, False

    def _truncate(self, size: int) -> None:
        with self._files.room.changing(size - self.size):
            os.ftruncate(self._data, size)
        self.size = size

    def _data_at_end(self) -> int:
        os.lseek(self._data, self.size, os.SEEK_SET)
        return self._data

    def _read_again(self) -> Digests:
        digests = Digests()
        with open(self._path, "rb") as file:
            for chunk in read_chunks(file):
                digests.update(chunk)
        return digests

    def _require(self) -> MarkFile:
        if self._mark is None:
            raise PartialBusy(self.id)
        return self._mark


@implementer(IPartials)
class PartialFiles:
    """The partial uploads in `folder`; `as_received` makes of one a file that the store's keep() takes."""

    def __init__(self, folder: str, room: IsRoom, as_received: AsReceived) -> None:
        self.room = room
        self.as_received = as_received
        self._folder = folder
        # Unfinished digests cannot be stored: id -> writer, size, and the digests of so many bytes.
        self._digests: OrderedDict[str, tuple[str, int, Digests]] = OrderedDict()

    def begin(self, facts: dict[str, Any]) -> Partial:
        partial_id = secrets.token_hex(16)
        with troubles("begin"):
            durable.make_directory(self._folder)
            mark = MarkFile.create(self.path(partial_id, "mark"))
            try:
                os.close(os.open(self.path(partial_id, "data"), os.O_CREAT | os.O_EXCL, durable.FILE_MODE))
                mark.write(0, sync=True)
                self.note(partial_id, facts)
                return self._entered(partial_id, mark, facts)
            except BaseException:
                mark.close()
                raise

    def open(self, partial_id: str) -> Partial:
        self._check(partial_id)
        with troubles("open"):
            mark = MarkFile.open(self.path(partial_id, "mark"), partial_id)
            try:
                return self._entered(partial_id, mark, self.facts(partial_id))
            except BaseException:
                mark.close()
                raise

    def _entered(self, partial_id: str, mark: MarkFile, facts: dict[str, Any]) -> Partial:
        partial = Partial(self, partial_id, mark, facts)
        partial.enter()
        return partial

    def facts(self, partial_id: str) -> dict[str, Any]:
        self._check(partial_id)
        with troubles("read facts"):
            try:
                with open(self.path(partial_id, "facts"), "rb") as file:
                    found: dict[str, Any] = json.load(file)
            except FileNotFoundError:
                raise PartialNotFound(partial_id) from None
        return found

    def size(self, partial_id: str) -> int:
        self._check(partial_id)
        try:
            return os.stat(self.path(partial_id, "data")).st_size
        except FileNotFoundError:
            raise PartialNotFound(partial_id) from None

    def __iter__(self) -> Iterator[str]:
        for name in self._names():
            partial_id, _dot, kind = name.partition(".")
            if kind == "facts" and _ID.fullmatch(partial_id):
                yield partial_id

    def sizes(self) -> Iterator[int]:
        """The size in bytes of each, for a recount."""
        for name in self._names():
            if name.endswith(".data"):
                with suppress(FileNotFoundError):
                    yield os.stat(os.path.join(self._folder, name)).st_size

    def clear(self, older_than: timedelta) -> int:
        limit = time.time() - older_than.total_seconds()  # the kernel's clock has set these times
        known = set(self)
        cleared = 0
        for name in self._names():
            path = Path(self._folder, name)
            with suppress(FileNotFoundError):
                if name.partition(".")[0] not in known and path.stat().st_mtime < limit:
                    with self.room.changing(-path.stat().st_size if name.endswith(".data") else 0):
                        path.unlink()
                    cleared += 1
        return cleared

    def path(self, partial_id: str, kind: str) -> str:
        """The path of one of the files of an upload."""
        return os.path.join(self._folder, f"{partial_id}.{kind}")

    def note(self, partial_id: str, facts: dict[str, Any]) -> None:
        """Write the facts of an upload, durably."""
        with durable.replacing(self.path(partial_id, "facts"), durable=True) as file:
            durable.close_to_others(file.fileno())
            file.write(json.dumps(facts).encode())

    def remove(self, partial_id: str, size: int) -> None:
        """Remove the files of an upload, the facts first; the caller has its lock."""
        self._digests.pop(partial_id, None)
        os.unlink(self.path(partial_id, "facts"))
        durable.sync_directory(self._folder)  # facts without the rest would be an upload that never ends
        with suppress(FileNotFoundError), self.room.changing(-size):
            os.unlink(self.path(partial_id, "data"))
        os.unlink(self.path(partial_id, "mark"))

    def remember(self, partial_id: str, writer: str, size: int, digests: Digests) -> None:
        """Have digests ready for the next piece of an upload."""
        self._digests[partial_id] = (writer, size, digests)
        while len(self._digests) > REMEMBERED:
            self._digests.popitem(last=False)

    def digests_of(self, partial_id: str, writer: str, size: int) -> Digests | None:
        """The digests of the first `size` bytes, if no other process has written since; None: unknown."""
        found = self._digests.pop(partial_id, None)
        if found is not None and found[:2] == (writer, size):
            return found[2]
        return None if size else Digests()

    def _names(self) -> list[str]:
        try:
            return os.listdir(self._folder)
        except FileNotFoundError:
            return []

    @staticmethod
    def _check(partial_id: str) -> None:
        if not _ID.fullmatch(partial_id):
            raise PartialNotFound(partial_id)

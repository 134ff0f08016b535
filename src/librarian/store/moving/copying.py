"""What one store holds and another does not is copied."""

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED as ONE
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import BinaryIO, cast

from zope.interface import implementer

from librarian.store.copies import open_to_copy
from librarian.store.interfaces import (
    BytesDamaged,
    BytesNotFound,
    DigestMismatch,
    IByteStore,
    StoredBytes,
)
from librarian.store.moving.interfaces import ICopying, OtherInstallation

log = logging.getLogger(__name__)

JOBS = 8  # objects on their way at a time: a store in the network takes 50 ms for the smallest


@dataclass
class Moved:
    """What a run came to.  Sizes are in bytes."""

    copied: int = 0  # objects
    copied_bytes: int = 0
    held: int = 0  # objects that the target had before
    verified: int = 0  # objects that were read back from the target
    damaged: int = 0  # objects whose bytes are wrong in the source, so not copied
    quarantined: int = 0  # objects that are in quarantine in the source, so not copied

    @property
    def is_whole(self) -> bool:
        """Whether the target has all that the source can give."""
        return not self.damaged


@implementer(ICopying)
class Copying:
    """Copies from `source` to `target`.

    `spend` is told of each piece in bytes, before the next is read.  With `verify` all that the source holds
    is read back from the target, also what it had before; what is damaged there is quarantined, and copied
    anew.
    `told` is called after each object.
    """

    def __init__(
        self,
        source: IByteStore,
        target: IByteStore,
        *,
        spend: Callable[[int], object] = lambda count: None,
        verify: bool = False,
        told: Callable[[Moved], object] = lambda moved: None,
        jobs: int = JOBS,
    ) -> None:
        self._source = source
        self._target = target
        self._spend = spend
        self._verify = verify
        self._told = told
        self._jobs = jobs
        self._lock = Lock()
        self._paying = Lock()  # so that those who wait do so one after the other, and together keep the rate
        self.moved = Moved()

    def join(self, installation: str) -> None:
        """Make the target one of this installation, unless it is already.  Raises OtherInstallation."""
        found = self._target.installation()
        if found is None and any(True for _sha256 in self._target):
            raise OtherInstallation("the target holds bytes already, and does not say of which library")
        if found is None:
            found = self._target.join(installation)
        if found != installation:
            raise OtherInstallation(f"the target is of installation {found}, the bytes are of {installation}")

    def run(self) -> Moved:
        """As ICopying has it; the report."""
        with ThreadPoolExecutor(self._jobs, "librarian-move") as pool:
            waiting: set[Future[None]] = set()
            try:
                for sha256, is_held in held_in(self._source, self._target):
                    if len(waiting) >= 2 * self._jobs:
                        done, waiting = wait(waiting, return_when=ONE)
                        _raise_first(done)
                    waiting.add(pool.submit(self._move, sha256, is_held))
                _raise_first(wait(waiting).done)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        self.moved.quarantined = sum(1 for _sha256 in self._source.quarantined())
        return self.moved

    def _move(self, sha256: str, is_held: bool) -> None:
        """See to it that the target has the bytes."""
        if is_held and self._verify and not self._read_back(sha256):
            is_held = False
        size = None if is_held else self._copy(sha256)
        with self._lock:
            if is_held:
                self.moved.held += 1
            elif size is not None:
                self.moved.copied += 1
                self.moved.copied_bytes += size
            self._told(self.moved)

    def _copy(self, sha256: str) -> int | None:
        """The number of bytes copied; None for those that are gone or damaged."""
        try:
            stored = self._put(sha256)
        except BytesNotFound:  # swept meanwhile
            return None
        except (BytesDamaged, DigestMismatch) as error:
            log.error("bytes not moved sha256=%s error=%s", sha256, error)
            with self._lock:
                self.moved.damaged += 1
            return None
        if self._verify:
            self._target.verify(sha256, self._pay)
            with self._lock:
                self.moved.verified += 1
        return stored.size

    def _put(self, sha256: str) -> StoredBytes:
        """Copy; once more where the source sent something else, as one in the network may do once."""
        with suppress(DigestMismatch):
            return self._put_once(sha256)
        return self._put_once(sha256)

    def _put_once(self, sha256: str) -> StoredBytes:
        with open_to_copy(self._source, sha256) as file:
            stored: StoredBytes = self._target.put(cast(BinaryIO, _Spent(file, self._pay)), sha256=sha256)
        return stored

    def _pay(self, count: int) -> None:
        with self._paying:
            self._spend(count)

    def _read_back(self, sha256: str) -> bool:
        """Whether what the target had before is sound."""
        try:
            self._target.verify(sha256, self._pay)
        except (BytesDamaged, BytesNotFound):
            with suppress(BytesNotFound):
                self._target.quarantine(sha256)
            return False
        with self._lock:
            self.moved.verified += 1
        return True


class _Spent:
    """A file whose reader pays for what it reads."""

    def __init__(self, file: BinaryIO, spend: Callable[[int], object]) -> None:
        self._file = file
        self._spend = spend

    def read(self, size: int = -1) -> bytes:
        """As io.IOBase has it."""
        data = self._file.read(size)
        self._spend(len(data))
        return data


def held_in(source: Iterable[str], target: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """What `source` lists, and whether `target` lists it too; both are ascending."""
    others = iter(target)
    other = next(others, None)
    for sha256 in source:
        while other is not None and other < sha256:
            other = next(others, None)
        yield sha256, other == sha256


def _raise_first(done: Iterable[Future[None]]) -> None:
    """Raise the error of one that failed."""
    for each in done:
        each.result()

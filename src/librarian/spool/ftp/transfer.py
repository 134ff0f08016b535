"""One file over one connection: resumed, paced, watched, and verified."""

import hashlib
import logging
from collections.abc import Callable, Iterator
from typing import BinaryIO

from librarian.clock import Pace
from librarian.spool.ftp.connection import BLOCK
from librarian.spool.ftp.replies import NO_SUCH_COMMAND
from librarian.spool.ftp.session import Session
from librarian.spool.interfaces import IProgress, PermanentError, ReplyError, TransferDamaged

log = logging.getLogger(__name__)

# How far before the end of a partial file to go on.  What a crashed machine wrote last may be zeros.
OVERLAP = 64 * 1024  # bytes


class NoProgress:
    """An IProgress that shows nothing."""

    def begin(self, name: str, size: int, done: int) -> None:
        """Do nothing."""

    def advance(self, count: int) -> None:
        """Do nothing."""

    def finish(self, name: str) -> None:
        """Do nothing."""


class Transfer:
    """Moves files; `offset` is how much of the last one was there already when it began, in bytes."""

    def __init__(self, pace: Pace, progress: IProgress) -> None:
        self.offset = 0
        self._went = 0  # bytes, in this attempt
        self._pace = pace
        self._progress = progress
        self._warned: set[str] = set()  # warnings that were logged

    def upload(
        self, session: Session, source: BinaryIO, size: int, temp: str, *, name: str, resume: bool
    ) -> str:
        """Bring the server's `temp` to the `size` bytes of `source`; their sha256, in hex.

        With `resume`, what the server has of it already is not sent again.  Raises TransferDamaged
        if the server then has another size, or another digest where it can tell one.
        """
        offset = self._resume_offset(session, temp, size) if resume else 0

        def attempt(offset: int) -> Digests:
            self._begin(name, size, offset)
            return self._send(session, source, temp, offset, size)

        digests = self._resuming(attempt, offset, name)
        self._verify(session, temp, name, digests)
        return digests.hex("sha256")

    def download(self, session: Session, name: str, sink: BinaryIO, size: int | None) -> str:
        """Bring `sink`, open for reading and writing, to the bytes of the server's `name`; their sha256.

        What `sink` holds already is taken for the beginning of the file.  Raises TransferDamaged.
        """
        offset = max(0, sink.seek(0, 2) - OVERLAP)
        offset = 0 if size is None or offset > size else offset

        def attempt(offset: int) -> Digests:
            self._begin(name, size or 0, offset)
            return self._fetch(session, name, sink, offset)

        digests = self._resuming(attempt, offset, name)
        try:
            if size is not None and digests.size != size:
                raise TransferDamaged(name, "size", size, digests.size)
            self._compare(session, name, digests)
        except TransferDamaged:
            sink.truncate(0)
            raise
        return digests.hex("sha256")

    def _resuming(self, attempt: Callable[[int], "Digests"], offset: int, name: str) -> "Digests":
        """attempt(offset), or attempt(0) if the server takes files only from their beginning."""
        try:
            return attempt(offset)
        except ReplyError as error:
            if not offset or self._went:
                raise
            log.info("Starting over, as the server does not resume (%s): %s", error, name)
            return attempt(0)

    def _send(self, session: Session, source: BinaryIO, temp: str, offset: int, size: int) -> "Digests":
        digests = Digests(session.digest_algorithm)
        source.seek(0)
        for block in _blocks(source, offset):
            digests.update(block)

        def blocks() -> Iterator[bytes]:
            # No further: a file that is still written to might never end.
            while block := source.read(min(self._pace.piece(BLOCK), size - digests.size)):
                digests.update(block)
                yield block
                self._moved(len(block))

        session.send(f"STOR {temp}", blocks(), offset or None)
        return digests

    def _fetch(self, session: Session, name: str, sink: BinaryIO, offset: int) -> "Digests":
        digests = Digests(session.digest_algorithm)
        sink.seek(0)
        for block in _blocks(sink, offset):
            digests.update(block)
        sink.seek(offset)
        sink.truncate()

        def keep(block: bytes) -> None:
            sink.write(block)
            digests.update(block)
            self._moved(len(block))

        session.fetch(name, keep, offset or None)
        sink.flush()
        return digests

    def _resume_offset(self, session: Session, temp: str, size: int) -> int:
        try:
            there = session.size(temp)
        except PermanentError:
            return 0
        if there is None:
            return 0
        if there > size:
            session.delete(temp)
            return 0
        return max(0, there - OVERLAP)

    def _begin(self, name: str, size: int, offset: int) -> None:
        self.offset = offset
        self._went = 0
        if offset:
            log.info("Resuming at byte %s of %s: %s", offset, size, name)
        self._progress.begin(name, size, offset)

    def _moved(self, count: int) -> None:
        self._went += count
        self._progress.advance(count)
        self._pace.spend(count)

    def _verify(self, session: Session, temp: str, name: str, digests: "Digests") -> None:
        try:
            there = session.size(temp)
        except PermanentError as error:
            if error.code not in NO_SUCH_COMMAND:
                raise
            self._warn_once("The server cannot tell sizes; what arrives is not verified.")
            return
        try:
            if there != digests.size:
                raise TransferDamaged(name, "size", digests.size, there)
            self._compare(session, temp, digests)
        except TransferDamaged:
            session.delete(temp)
            raise

    def _compare(self, session: Session, remote: str, digests: "Digests") -> None:
        algorithm = digests.extra
        there = session.digest(remote) if algorithm else None
        if algorithm is not None and there is not None and there != digests.hex(algorithm):
            raise TransferDamaged(remote, algorithm, digests.hex(algorithm), there)

    def _warn_once(self, line: str) -> None:
        if line not in self._warned:
            self._warned.add(line)
            log.warning(line)


class Digests:
    """The SHA-256 of the bytes given to update(), and the digest that the server can compute."""

    def __init__(self, extra: str | None) -> None:
        self.size = 0
        self.extra = extra
        algorithms = {"sha256", extra or "sha256"}
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}

    def update(self, block: bytes) -> None:
        """Count and hash a block of bytes."""
        self.size += len(block)
        for one in self._hashes.values():
            one.update(block)

    def hex(self, algorithm: str) -> str:
        """The digest so far in hex, by the algorithm's name in hashlib."""
        return self._hashes[algorithm].hexdigest()


def _blocks(source: BinaryIO, count: int) -> Iterator[bytes]:
    """The next `count` bytes."""
    while count > 0 and (data := source.read(min(BLOCK, count))):
        count -= len(data)
        yield data

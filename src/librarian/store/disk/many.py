"""Many files put into a disk store, made durable a batch at a time.

A file that is put alone waits for the disk three times: for its bytes, its leaf's name and its own name.
Here a batch is written first, then synced at once, and only then do its files get their names: what has its
name is whole, whenever the process or the machine dies, so that a later backup need not read it to know.
"""

import hashlib
import os
from typing import BinaryIO, Self

from librarian import durable
from librarian.store.disk.files import HeldFiles
from librarian.store.disk.incoming import IncomingFile
from librarian.store.disk.layout import Layout
from librarian.store.disk.receiving import Drafts
from librarian.store.disk.troubles import troubles
from librarian.store.hashing import read_chunks
from librarian.store.interfaces import DigestMismatch, SizeMismatch

# Each file of a batch is open until it has its name; a process may open 1,024 as a rule.
BATCH_FILES = 400
BATCH_BYTES = 64 << 20

Draft = tuple[IncomingFile, str, int]  # with its SHA-256 and its size in bytes


class ManyPuts:
    """A context manager; what was put is held, and durable, at its end.

    An error at the end of the `with` leaves out what was not named yet.  `mtime_ns` becomes the age of each
    file, in nanoseconds of the epoch.
    """

    def __init__(self, layout: Layout, drafts: Drafts, held: HeldFiles, mtime_ns: int) -> None:
        self._layout = layout
        self._drafts = drafts
        self._held = held
        self._mtime_ns = mtime_ns
        self._batch: list[Draft] = []
        self._batch_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if kind is None:
                self._name_batch()
                with troubles("sync"):
                    self._sync()
        finally:
            self._forget_batch()

    def put(self, stream: BinaryIO, *, size: int, sha256: str) -> None:
        """Read `stream` to its end; it is the caller's to close.

        Raises SizeMismatch, DigestMismatch, which leave nothing of it, StoreFull, StoreUnavailable.
        """
        draft = self._draft(stream, size, sha256)
        self._batch.append((draft, sha256, size))
        self._batch_bytes += size
        if len(self._batch) >= BATCH_FILES or self._batch_bytes >= BATCH_BYTES:
            self._name_batch()

    def _draft(self, stream: BinaryIO, size: int, sha256: str) -> IncomingFile:
        self._layout.leaf(sha256)  # raises BytesNotFound for what is no digest
        digest, read = hashlib.sha256(), 0
        draft = self._drafts.add(None, b"", 0)
        try:
            for piece in read_chunks(stream, size + 1):
                digest.update(piece)
                self._drafts.add(draft, piece, read)
                read += len(piece)
            if read != size:
                raise SizeMismatch(size, read)
            if digest.hexdigest() != sha256:
                raise DigestMismatch("sha256", sha256, digest.hexdigest())
        except BaseException:
            draft.close()
            raise
        return draft

    def _name_batch(self) -> None:
        """Make the batch durable, then give its files their names, which the next sync makes durable."""
        with troubles("put"):
            for draft, sha256, _size in self._batch:
                draft.set_age(self._mtime_ns)
                self._layout.make_leaf(sha256)
            at_once = self._sync()
            for draft, sha256, size in self._batch:
                if not at_once:
                    draft.settle(self._mtime_ns)
                self._held.publish(draft, sha256, size, sync=not at_once)
        self._forget_batch()

    def _sync(self) -> bool:
        root = durable.open_directory(self._layout.root)
        try:
            return durable.sync_file_system(root)
        finally:
            os.close(root)

    def _forget_batch(self) -> None:
        """Close the files; those that have no name yet are removed."""
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        for draft, _sha256, _size in batch:
            draft.close()

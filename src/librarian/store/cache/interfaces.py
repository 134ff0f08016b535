"""The local cache: bytes of a remote store, kept on this machine's disk for as long as they are read.

A file of a remote store is fetched when it is first read, and read from the disk after that.  The folder is
bounded by a number of bytes; what was read longest ago goes first.  All processes of the machine share it,
and many that want the same file at once fetch it once.  It holds nothing that the remote store does not have:
it may be deleted at any time, also while servers run.

What may be read from it:

- An object of up to WHOLE_BYTES is fetched whole.  Nothing of it is given before its SHA-256 was found right.
- A larger one is fetched in *slices*, so that a range costs the slices it touches.  The SHA-256 of the whole
  says nothing about one slice, so what each must hash to is kept by the remote store beside the object
  (`ISliceDigests`), and nothing of a slice is given before it was found right.
- Where the remote store has no such digests, as of objects that an older version has stored, they are made
  at the first read: from what is read, if that is all of it, and otherwise of the whole object, which is
  fetched in the background once, and hashed.  Until that is done a range is given as the remote store sent
  it, and a reader from the beginning to the end gets an error instead of the last slice if the whole is
  wrong.  The remote store is given the digests to keep: other machines need not make them again.

What is on the disk is hashed again: small entries whenever they are opened, larger ones once a day in each
process.  What is found wrong is dropped and fetched again.  A reader keeps what it has opened: eviction
unlinks files, and does not touch what is read.
"""

from collections.abc import Callable, Iterator
from typing import BinaryIO

from zope.interface import Interface

# ruff: noqa: N805  # zope.interface methods are written without self


# The number of bytes of an object, asked of the remote store.
Size = Callable[[], int]
# Bytes of an object from a start up to but without a stop (None: to the end), in pieces of any length, not
# verified.  An iterator that ends early has given too few: the cache counts them.  It is bounded in time,
# since others wait for the same bytes.
Read = Callable[[int, int | None], Iterator[bytes]]


class ISliceDigests(Interface):
    """What the slices of one object must hash to, as the remote store keeps it.  May raise StoreTrouble."""

    def load() -> bytes | None:
        """What was given to save(), if anything was."""

    def save(packed: bytes) -> None:
        """Keep it for as long as the object; some bytes that say by themselves whether they are damaged."""


class IByteCache(Interface):
    """A bounded folder of bytes that are held elsewhere.  Safe in many threads and processes of a machine."""

    def open(sha256: str, size: Size, read: Read, digests: ISliceDigests = ...) -> BinaryIO:
        """A seekable binary file at position 0, the caller's to close; readable after eviction.

        What is not there is asked of the remote store by `size`, `read` and `digests`, whose errors pass
        through; by default it keeps no digests.

        Objects of up to WHOLE_BYTES have a descriptor (`fileno()`); larger ones are fetched while they are
        read, and their read() raises BytesDamaged, BytesNotFound and StoreUnavailable as this does.
        BytesDamaged: what the remote store has sent, twice, does not have this digest; subscribers to
        librarian.store.events.DamageSeen are told.  StoreFull: the disk
        of the cache has no room for the object, also after eviction.
        """

    def open_descriptor(sha256: str) -> int:
        """A descriptor of an object of up to WHOLE_BYTES that is here, the caller's to close and to compare
        with its digest.  Waits for nothing but this machine's directories.  Raises OSError, BytesNotFound."""

    def forget(sha256: str) -> None:
        """Drop what is cached of an object, which is then fetched anew; never raises for a missing one."""

    def trim() -> int:
        """Evict what was read longest ago until the limit holds, and what dead processes left unfinished.

        The number of bytes freed.  Runs by itself as the cache grows; does nothing while another process
        does it.
        """

    def finish() -> None:
        """Wait until the trimming, fetching and hashing that runs in the background now is done."""

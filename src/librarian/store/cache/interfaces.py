"""The local cache: bytes of a remote store, kept on this machine's disk for as long as they are read.

A file of a remote store is fetched when it is first read, and read from the disk after that.  The folder is
bounded by a number of bytes; what was read longest ago goes first.  All processes of the machine share it,
and many that want the same file at once fetch it once.  It holds nothing that the remote store does not have:
it may be deleted at any time, also while servers run.

What may be read from it:

- An object of up to WHOLE_BYTES is fetched whole.  Nothing of it is given before its SHA-256 was found right.
- A larger one is fetched in *slices*, so that a range costs the slices it touches.  The SHA-256 of the whole
  says nothing about one slice.  So when all slices of an object are here for the first time, read in order by
  one reader or by many, they are hashed as one, and what each must hash to is remembered: from then on every
  slice is checked before anything of it is given.  Until then a range is given as the remote store sent it,
  and a reader from the beginning to the end gets an error instead of the last slice if the whole is wrong.

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


class IByteCache(Interface):
    """A bounded folder of bytes that are held elsewhere.  Safe in many threads and processes of a machine."""

    def open(sha256: str, size: Size, read: Read) -> BinaryIO:
        """A seekable binary file at position 0, the caller's to close; readable after eviction.

        What is not there is asked of the remote store by `size` and `read`, whose errors pass through.

        Objects of up to WHOLE_BYTES have a descriptor (`fileno()`); larger ones are fetched while they are
        read, and their read() raises BytesDamaged, BytesNotFound and StoreUnavailable as this does.
        BytesDamaged: what the remote store has sent, twice, does not have this digest.  StoreFull: the disk
        of the cache has no room for the object, also after eviction.
        """

    def forget(sha256: str) -> None:
        """Drop what is cached of an object, which is then fetched anew; never raises for a missing one."""

    def trim() -> int:
        """Evict what was read longest ago until the limit holds, and what dead processes left unfinished.

        The number of bytes freed.  Runs by itself as the cache grows; does nothing while another process
        does it.
        """

    def finish() -> None:
        """Wait until the trimming and hashing that runs in the background at this moment is done."""

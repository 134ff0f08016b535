"""A byte store on any server that speaks S3 (AWS, Ceph, MinIO, Garage, SeaweedFS, OpenStack Swift).

An upload is received on the local disk, as by the disk store, and then sent: in one request, or in parts,
some at a time.  The store compares each body with its signed hash and with Content-MD5, and only its answer
makes bytes held.  What is read is compared with its digest before it is given out.

`keys` has the layout.  The generation in a key is asked of the tree, for the reason that
librarian.store.interfaces gives.
"""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from zope.interface import Interface

from librarian.interfaces import LibrarianError

# ruff: noqa: N805  # zope.interface methods are written without self


DAMAGED = -1  # in place of a size


class NoSuchKey(LibrarianError, LookupError):
    """The store has nothing under a key."""

    def __init__(self) -> None:
        super().__init__("the object store has no such key")


class IObjects(Interface):
    """Reads bytes where they are.  Every method raises BytesNotFound, BytesDamaged and StoreUnavailable."""

    def size(sha256: str) -> int:
        """The number of bytes held."""

    def get(sha256: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `stop` (None: the end), in pieces, not compared with the digest."""

    def presigned(sha256: str, parameters: dict[str, str], seconds: int) -> str:
        """A URL that gives the bytes to each client that has it, for `seconds`; `parameters` as boto3's
        get_object() takes them, such as ResponseContentType."""


class ICallObserver(Interface):
    """Told of every call of an object store, at once and in the calling thread; must not raise."""

    def called(operation: str, outcome: str) -> None:
        """A request was answered, or was not.

        `operation` is boto3's name of it.  `outcome` is ``ok``, ``missing``, ``full``, ``refused`` (any other
        4xx), a status from 500 on, ``timeout``, ``slow`` (an answer below the slowest rate that is borne) or
        ``connection``.
        """

    def retried(operation: str) -> None:
        """A request will be sent once more."""

    def transferred(sent: int, received: int) -> None:
        """Bytes of bodies went out, or came in."""

    def opened(is_open: bool) -> None:
        """The store is taken for away from now on, or for back."""


class IObservedStore(Interface):
    """A byte store that is reached by calls which may be observed."""

    def observe(observer: ICallObserver) -> None:
        """Tell `observer` of each call from now on, in place of the one before."""

    def trouble() -> str:
        """Why the store is taken for away, and since when, in a phrase fit for strangers; empty if it is
        not."""


class IRemoteBytes(Interface):
    """A byte store in the network, for work that goes through all of it: that should not fill the cache with
    what is read once, nor ask the store about each file."""

    def stream(sha256: str) -> BinaryIO:
        """The bytes as the store sends them, to be read once, without seek(); the caller's to close.

        They are not compared with the digest: that is the caller's to do.  The first read() raises
        BytesNotFound and BytesDamaged, each of them StoreUnavailable.
        """

    def sizes() -> Iterator[tuple[str, int]]:
        """Digest and size in bytes of everything held, ascending, as a listing has it, which may lag."""


class IKeptObjects(Interface):
    """What is held in a bucket below a prefix, all generations of it, whatever a tree says."""

    def installation() -> str | None:
        """The id of the installation whose bytes these are.  Raises StoreUnavailable."""

    def walk() -> Iterator[tuple[str, dict[int, int]]]:
        """Each digest, ascending, with the size in bytes of each generation of it, as a listing has it.

        That of a generation in quarantine is DAMAGED.  Raises StoreUnavailable.
        """


class IGenerations(Interface):
    """A utility: which generation the names of the tree mean, for stores with `uses_generations`.

    Each method sees what is committed now, and commits what it changes beside the transaction of the calling
    thread.  A generation never decreases.  Raises TreeAway and TreeFull as the tree does.
    """

    def current(sha256s: Sequence[str]) -> list[int]:
        """The generation of each digest: 0 for one that no sweep has met."""

    def for_upload(sha256: str) -> tuple[int, bool]:
        """The generation to store bytes under, and whether they may be held: False where no name has them."""

    def retire(sha256: str) -> int | None:
        """Begin the next generation of bytes that no content names, and answer it; None if one does.

        From now on nothing can be named by the generations before it, so their keys may be removed at any
        time.
        """

    def condemn(sha256: str, generation: int) -> bool:
        """Begin the next generation, named or not, because the bytes of this one are damaged.

        Names mean bytes that are yet to be stored.  Does nothing, and is False, where the current one is
        another.
        """

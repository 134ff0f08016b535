"""The byte store: holds bytes under their SHA-256, equal ones once.

The tree knows names, types, owners and dates; the bytes of files are here, in a folder of the local file
system (`disk`), or in memory for tests (`memory`).  A store knows nothing of files or people: it takes bytes,
and gives them back by their digest.

An upload goes down once.  The server calls `IByteStore.receive` when the headers are there, and hands over
the body piece by piece as it arrives (`IReceiving.write`): each is hashed and written to a temporary file.
At the end there is a *received file* (`IReceivedFile`) with its size and digests, which has no name yet.  The
application compares them with what the client has declared, and either has the store keep it (`keep`: the
file is flushed to the disk and gets its final name, durably; only then is the upload answered), or discards
it.  `IByteStore.put` is all of this in one call, for a stream that can be read from here.  Bytes that are
stored already are kept once, and their age starts anew.

The *age* of bytes is the time of the last keep().  It protects an upload whose bytes are stored while its
name is not yet committed: the sweep, which removes bytes that the tree does not name (`remove`), leaves young
ones alone.

Disks decay.  A scrub reads all bytes again (`verify`) and moves those that no longer hash to their name to
*quarantine*, from where they are not served (`BytesDamaged`); storing the sound bytes again heals them.
Names in the folder that no store has given are *strays* (`strays`); they are reported, and left for a person
to judge.

*Room* is limited by the disk, by a share of it that is left to others, and by a quota.  Where it is
exhausted, put() raises `StoreFull`, and reading goes on.  A store that is not there, such as a volume that is
not mounted, raises `StoreUnavailable`; a store that is there and empty would answer that every file is gone.

A *partial upload* (`IPartial`) is a file that comes in several requests, perhaps over days.  Its bytes and
facts are on the store's medium between them, and outlast the process: what was settled is durable, another
process goes on where it stopped, and one at a time writes.  At the end it is a received file like others.

Tree and store carry the same installation id (`installation`, `join`), so that no sweep is run with the
wrong one of either.

On a disk one lock makes "store" and "remove if old" one step each.  An object store in the network has no
lock: its listings lag, clocks differ, and a DELETE that was given up may land hours later.  There
(`uses_generations`) the bytes are under a key of digest and *generation*, which is 0 at first.  The tree
decides which generation a name means (`s3.interfaces.IGenerations`).  A writer asks for it, stores the bytes
under it, and its naming commits only if it is still that (BytesRetired); a sweep commits the next generation
before it removes a key.  So no key is ever removed that a name can still come to mean, whatever lands late,
and what is removed once is never stored under that key again.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from transaction.interfaces import TransientError
from zope.interface import Attribute, Interface

from librarian.interfaces import LibrarianError

# ruff: noqa: N805  # zope.interface methods are written without self


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """The facts of bytes that were just made durable.  Digests are lower-case hex."""

    sha256: str
    sha1: str
    md5: str
    size: int  # bytes
    generation: int | None = field(default=None, compare=False)  # None: of a store without generations


class BytesNotFound(LibrarianError, LookupError):
    """The store holds no bytes with this sha256 (which may be no digest at all)."""

    def __init__(self, sha256: str) -> None:
        super().__init__(f"no bytes are stored under {sha256[:64]!a}")
        self.sha256 = sha256


class BytesDamaged(LibrarianError, OSError):
    """The bytes under this sha256 have changed since they were stored; they are not served."""

    def __init__(self, sha256: str) -> None:
        super().__init__(f"the bytes stored under {sha256[:64]!a} are damaged")
        self.sha256 = sha256


class BytesRetired(LibrarianError, TransientError):
    """The bytes were swept, or found damaged, between their storing and their naming: store them anew."""

    def __init__(self, sha256: str) -> None:
        super().__init__(f"the bytes stored under {sha256[:64]!a} were removed before they were named")
        self.sha256 = sha256


class SizeMismatch(LibrarianError, AssertionError):
    """The stream held fewer or more bytes than were declared.

    It is an AssertionError as well, because that is what callers of the first client catch.

    `read` counts the bytes taken from the stream.  Reading stops at the first byte too many, so
    where `read` exceeds `declared` the stream may hold more still, and the text says only that.
    """

    def __init__(self, declared: int, read: int) -> None:
        found = f"{read} were read from the file" if read < declared else f"the file holds at least {read}"
        super().__init__(f"size is {declared}, but {found}")
        self.declared = declared
        self.read = read


class DigestMismatch(LibrarianError, ValueError):
    """The bytes are whole by count, but are not the bytes that were declared."""

    def __init__(self, algorithm: str, declared: str, actual: str) -> None:
        super().__init__(f"{algorithm} is {actual}, but {declared} was declared")
        self.algorithm = algorithm
        self.declared = declared
        self.actual = actual


class StoreTrouble(LibrarianError, OSError):
    """The store itself fails, not the request: `errno` as the system gave it, and a text fit for strangers.

    The path concerned is in the log and in `__cause__`, never in the text.
    """

    def __init__(self, errno: int, reason: str) -> None:
        super().__init__(errno, reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class StoreFull(StoreTrouble):
    """No room: the disk or the quota is exhausted.  Nothing was left behind."""


class StoreUnavailable(StoreTrouble):
    """The store cannot be written or read: read-only, gone, failing, or not permitted."""


class PartialNotFound(LibrarianError, LookupError):
    """No partial upload has this id: it was completed long ago, discarded, or never begun here."""

    def __init__(self, partial_id: str) -> None:
        super().__init__(f"no partial upload has the id {partial_id[:64]!a}")
        self.partial_id = partial_id


class PartialBusy(LibrarianError, RuntimeError):
    """Another request is writing to the partial upload at this moment."""

    def __init__(self, partial_id: str) -> None:
        super().__init__("another request is writing to this upload at the moment")
        self.partial_id = partial_id


class IReceivedFile(Interface):
    """Bytes that have arrived and are hashed, without a name: the receiver's to keep or to discard.

    Small ones are in memory, others in the store's folder, where the death of the process makes them garbage
    that clear_incoming() removes.  Nothing is durable before IByteStore.keep().
    """

    size = Attribute("The number of bytes.")
    sha256 = Attribute("Lower-case hex.")
    sha1 = Attribute("Lower-case hex.")
    md5 = Attribute("Lower-case hex.")

    def open() -> BinaryIO:
        """A seekable binary file at position 0, the caller's to close; also after keep().

        Raises ValueError after discard(), StoreUnavailable, and after keep() the errors of IByteStore.open().
        """

    def discard() -> None:
        """Forget the bytes, and free their room here; of kept ones the store's copy stays.

        Called at the end of each received file.  May be repeated; never raises."""


class IReceiving(Interface):
    """Bytes on their way into a store.

    The methods may be called from different threads, one call after the other.  All but abort() may raise
    StoreFull and StoreUnavailable; after any error the caller calls abort().
    """

    size = Attribute("The number of bytes written so far.")

    def write(data: bytes) -> None:
        """Hash and write a piece, which may be of any length; short ones are joined.

        Raises SizeMismatch for a byte more than was declared.
        """

    def finish() -> IReceivedFile:
        """End receiving; the received file.  Raises SizeMismatch for fewer bytes than were declared."""

    def abort() -> None:
        """Forget what has arrived.  May be repeated, and called after finish(), where it does nothing;
        never raises."""


class IPartial(Interface):
    """A partial upload, opened for one writer; close() lets the next one in.

    The methods may be called from different threads, one call after the other.
    """

    id = Attribute("32 hex digits, random, so that they can be a part of a URL that is not guessed.")
    facts = Attribute("A JSON object as begin() or change() was told; the store reads nothing in it.")
    size = Attribute("The number of bytes that have come.")
    is_gone = Attribute("Whether the bytes were kept by IByteStore.keep() and are no longer here.")

    def write(data: bytes) -> None:
        """Append bytes.  Raises StoreFull, StoreUnavailable; then `size` is as before."""

    def settle() -> None:
        """Return when all bytes are durable."""

    def hold_back() -> None:
        """Have the bytes that follow count only after settle(): close() without it forgets them."""

    def rollback(size: int) -> None:
        """Forget all bytes behind the first `size`."""

    def change(facts: dict[str, Any]) -> None:
        """Replace the facts, durably."""

    def release() -> None:
        """Forget the bytes, which keep() has sent elsewhere; the facts stay."""

    def received() -> IReceivedFile:
        """The settled bytes as a file for keep() of the same store.  discard() leaves the partial upload.

        The digests are those made while this process received; after a restart all bytes are read again.
        """

    def discard() -> None:
        """Forget bytes and facts, and close."""

    def close() -> None:
        """Let the next writer in.  May be repeated; never raises."""


class IPartials(Interface):
    """The partial uploads of a store that this machine holds.

    They are files of a folder: all processes that share it go on with each other's uploads.  Machines that
    share an object store each have a folder of their own, and do not know the others' partial uploads.
    """

    def begin(facts: dict[str, Any]) -> IPartial:
        """A new one, empty and durable, the caller's to close.  Raises StoreUnavailable."""

    def open(partial_id: str) -> IPartial:
        """The one with this id, with all bytes that are sound, the caller's to close.

        Raises PartialNotFound, PartialBusy, StoreUnavailable.
        """

    def facts(partial_id: str) -> dict[str, Any]:
        """The facts of one, also while it is written to.  Raises PartialNotFound."""

    def size(partial_id: str) -> int:
        """The number of bytes of one on the medium, also while it is written to.  Raises PartialNotFound."""

    def __iter__() -> Iterator[str]:
        """The ids of all, in no promised order."""

    def clear(older_than: timedelta) -> int:
        """Remove what killed processes have left of partial uploads that are no more; the number of files."""


class IPresignedUrls(Interface):
    """A byte store whose bytes may be fetched from where they are, by others than this program."""

    def presigned(sha256: str, headers: Mapping[str, str], seconds: int) -> str:
        """A URL that answers GET, also of ranges, with the bytes to every client that has it, for `seconds`.

        `headers` are those that the answer is to have: Content-Type, Content-Disposition and Cache-Control at
        most.  Whether there are such bytes is not asked.  Raises BytesNotFound for what is no digest.
        """


class IByteStore(Interface):
    """Holds bytes under their SHA-256, equal ones once.

    Safe to use from many threads and, for stores that outlive a process, from many processes.
    Every method may raise StoreUnavailable.  Where a sha256 is asked for, text that is not 64
    lower-case hex digits names nothing: it is absent, and never reaches a path or a key.

    Damaged bytes can be moved to quarantine (`quarantine`).  They are then no longer held: absent from
    `in` and from iteration, while open(), size(), stored_at() and verify() raise BytesDamaged, until a
    put() of the same bytes heals them or remove() forgets them.
    """

    verifies_reads = Attribute(
        """Whether open() gives nothing that was not compared with its digest; readers need not do it then."""
    )

    is_shared = Attribute("Whether other processes with a store of the same place hold the same bytes.")
    partials = Attribute("The IPartials.")
    uses_generations = Attribute(
        """Whether bytes are held by digest and generation, of which IGenerations decides.

        Then StoredBytes.generation is set, and who names bytes must see to it that the generation is still
        current when the name is committed (BytesRetired otherwise).
        """
    )

    def put(
        stream: BinaryIO,
        *,
        size: int | None = None,
        sha256: str | None = None,
        sha1: str | None = None,
        md5: str | None = None,
    ) -> StoredBytes:
        """Read `stream` to its end and keep its bytes; return only when they are durable.

        receive(), write(), finish() and keep() in one.  What is declared (`size` in bytes, digests in hex of
        either case) is checked: SizeMismatch or DigestMismatch leave nothing behind.  With `size` declared at
        most `size` + 1 bytes are read.  The caller keeps ownership of `stream`, and what it raises passes
        through unchanged.  Raises StoreFull.
        """

    def receive(size: int | None = None) -> IReceiving:
        """Take bytes in piece by piece, of which nothing is held before keep().

        With `size` (bytes) declared, another count raises SizeMismatch.  Bodies up to GATHER_BYTES (see
        `receiving`) stay in memory until they are kept, and need room only then; for larger ones room is
        looked for at once if the size is declared, and with each piece.  Raises StoreFull.
        """

    def keep(
        received: IReceivedFile, *, sha256: str | None = None, sha1: str | None = None, md5: str | None = None
    ) -> StoredBytes:
        """Hold a file that receive() of this store has received; return only when it is durable.

        The digests that are declared (hex of either case) are checked.  After DigestMismatch, StoreFull and
        other errors the file is as before: the caller's to discard, or to keep once more.  Bytes the store
        already holds stay one copy, sound again if they were damaged, and their age starts anew; while they
        arrive they need room like any others.  A file that
        was kept before is stored again, as a request may be that is repeated after a conflict.
        Raises ValueError after discard().
        """

    def open(sha256: str) -> BinaryIO:
        """A seekable binary file at position 0, the caller's to close; stays readable after a
        remove().  A store of local files returns a real one (`fileno()`, so the kernel can send it).
        Raises BytesNotFound and BytesDamaged."""

    def size(sha256: str) -> int:
        """The number of bytes held.  Raises BytesNotFound and BytesDamaged."""

    def stored_at(sha256: str) -> datetime:
        """The time of the last keep() of the bytes, aware, in UTC.  Raises BytesNotFound and BytesDamaged."""

    def remove(sha256: str, *, stored_before: datetime | None = None) -> bool:
        """Forget the bytes, quarantined or not; whether there were any.

        With `stored_before`, bytes that were claimed at or after it stay (and False is the
        answer); the check and the removal are one step, so a put() at the same moment wins.  A store with
        generations begins the next one first, and leaves bytes that the tree names, which is False too.
        """

    def __contains__(sha256: str) -> bool:
        """Whether bytes are held under this digest."""

    def __iter__() -> Iterator[str]:
        """The sha256 of everything held, ascending, streamed: memory does not grow with the store.

        What is stored or removed meanwhile may or may not show up; all else shows up once.
        """

    def verify(sha256: str, progress: Callable[[int], object] | None = None) -> int:
        """Read all the bytes again and answer how many they are.

        `progress` is called with the size of each piece that was read, and may take its time.  Raises
        BytesDamaged when they do not hash to `sha256` or the medium fails to give them
        back, BytesNotFound when there are none.  Changes nothing.
        """

    def quarantine(sha256: str) -> bool:
        """Move the bytes to quarantine if they are damaged; whether they were moved.

        They are verified first, and what a put() brought in the meantime is left alone, so sound
        bytes are never taken away.  Raises BytesNotFound; False where they are in quarantine already.
        """

    def quarantined() -> Iterator[str]:
        """The sha256 of everything in quarantine that was not stored again since, ascending."""

    def fresh() -> Iterator[str]:
        """The sha256 of bytes that are new since this was last asked: once each as a rule, in any order.

        A hint for who verifies, which may lack some and have some that are gone; those of an iteration
        that is not finished come again, where the store outlives its process.
        """

    def strays() -> Iterator[str]:
        """Names found where the store lives that are not its own, relative, in no promised order.

        Reported for a person to judge: nothing in here removes them.
        """

    def clear_incoming(older_than: timedelta) -> int:
        """Remove the unfinished files that dead writers left at least `older_than` ago; their number.

        What a living writer, in whatever process, still works on is never touched.
        """

    def clear_superseded() -> int:
        """Remove what is left of generations before the current ones, and of uploads in parts whose
        writer died; how many there were.  Walks through the whole of such a store; 0 for all others."""

    def check() -> None:
        """Try, with a byte or two, whether something could be put at this moment.

        Raises StoreFull where reading goes on and only room is missing, StoreUnavailable otherwise.
        """

    def spool() -> BinaryIO:
        """A new empty file, without a name and the caller's to close, where bytes can wait for put().

        It is on the store's own medium where that has room for files; closing it frees its space, and
        so does the death of the process.  Raises StoreFull; writing to it raises plain OSError.
        """

    def room() -> int | None:
        """The bytes that may still be put, as far as that is known now; None: nothing limits them."""

    def installation() -> str | None:
        """The id of the installation whose bytes these are, as the tree that names them carries it.

        None where join() was never called: a new store, or one that an older version has filled.
        """

    def join(installation: str, *, anew: bool = False) -> str:
        """Carry this id from now on, durably, unless there is one; the one that is carried then.

        Of several who do so at the same moment one is first, and all get its id.  `anew` replaces it.
        """

    def recount() -> int:
        """Add up the sizes of held and quarantined bytes, in bytes.

        A quota goes by a running sum, which a killed process can leave too high; this puts it right.
        It walks through the whole store: something for the hour in which a sweep does that anyway.
        """

"""The contracts of the spool and of its exchange with a partner's FTP server, and what they refuse.

Two protocols meet here.  Locally: the drop folder with `tmp`, `new` and `cur`, laid out as
gocept.filestore lays it out.  Remotely: the "Content Drehscheibe" rule that whoever puts files on
the server holds a file called `write` while doing so, and whoever takes them holds `read`.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Protocol

from zope.interface import Attribute, Interface

from librarian.interfaces import LibrarianError

# ruff: noqa: N805  # zope.interface methods are written without self

SPACES = ("tmp", "new", "cur")
WRITE_LOCK = "write"  # held by the side that puts files on the server
READ_LOCK = "read"  # held by the side that takes them away
TEMP_PREFIX = ".librarian-"  # what we have not finished yet, on either side, is called this

Sleep = Callable[[float], None]  # seconds
Kind = Literal["export", "import"]
Names = list[str]  # the interface below has a method called list


class SpoolError(LibrarianError):
    """Anything the spool or its exchange refuses."""


class NotPrepared(SpoolError, LookupError):
    """The folder is not a spool: call prepare() on it once."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not a spool: it lacks tmp, new or cur")
        self.path = path


class UnknownSpace(SpoolError, LookupError):
    """A spool has the spaces tmp, new and cur, and no others."""

    def __init__(self, space: object) -> None:
        super().__init__(f"a spool has no space {space!r}")
        self.space = space


class BadName(SpoolError, ValueError):
    """A name that a spool, or an FTP server, cannot carry safely."""

    def __init__(self, name: object, reason: str) -> None:
        super().__init__(f"{name!r} {reason}")
        self.name = name
        self.reason = reason


class NameTaken(SpoolError, FileExistsError):
    """The space already holds a file of this name, and nobody asked to replace it."""

    def __init__(self, name: str, space: str) -> None:
        super().__init__(f"{space} already has a file called {name!r}")
        self.name = name
        self.space = space


class NotSpooled(SpoolError, FileNotFoundError):
    """The space holds no file of this name."""

    def __init__(self, name: str, space: str) -> None:
        super().__init__(f"{space} has no file called {name!r}")
        self.name = name
        self.space = space


class SpoolBusy(SpoolError):
    """Another run on this machine is exchanging this spool's files right now."""


class BadTarget(SpoolError, ValueError):
    """The settings of a target are incomplete, contradictory, or not what they must be."""


class NotExported(SpoolError, TypeError):
    """The spool takes what comes from a partner; nothing that is delivered to it would be sent."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is an import: what is put into its spool goes nowhere")
        self.name = name


class NoSuchTarget(SpoolError, LookupError):
    """The settings describe no target of this kind and name."""

    def __init__(self, kind: Kind, name: str) -> None:
        super().__init__(f"there is no section [{kind}:{name}]")
        self.kind = kind
        self.name = name


class ExchangeError(SpoolError):
    """The exchange with the FTP server went wrong; `code` is the server's reply code, or None."""

    code: int | None = None


class FTPOSError(ExchangeError, OSError):
    """The network or TLS failed: refused, reset, timed out, unknown host.  Worth another try."""


class CertificateRefused(FTPOSError):
    """The server's certificate is not one we trust.  Trying again will not help."""


class ReplyError(ExchangeError):
    """The server said no; `reply` is what it said."""

    def __init__(self, reply: str) -> None:
        super().__init__(reply)
        self.reply = reply
        self.code = int(reply[:3]) if reply[:3].isdigit() and reply[:3].isascii() else None


class PermanentError(ReplyError):
    """A 5xx reply (RFC 959, 4.2.1): the same command will fail again."""


class NameRefused(PermanentError):
    """The server has the file, and will not give it its final name."""


class LockStays(ExchangeError):
    """The server does not let us remove our own lock file: its partner is locked out."""


class TemporaryError(ReplyError):
    """A 4xx reply, or one that makes no sense: another try may succeed."""


class Locked(ExchangeError):
    """Somebody holds a lock on the server; `lock` is its name, `write` or `read`."""

    def __init__(self, lock: str) -> None:
        super().__init__(f"'{lock}' lockfile exists")
        self.lock = lock


class LockLost(ExchangeError):
    """The lock we held is gone or is somebody else's now; nothing more may be changed."""


class TransferDamaged(ExchangeError):
    """What arrived is not what was sent; `what` is `size` or the name of a digest."""

    def __init__(self, name: str, what: str, sent: object, arrived: object) -> None:
        super().__init__(f"{name}: {what} {sent} was sent, {arrived} arrived")
        self.name = name
        self.what = what


class IFileStore(Interface):
    """A drop folder: files are written in `tmp`, wait in `new`, and rest in `cur`.

    Readers need no lock: a file appears in `new` in one step, whole and durable.  A name is a plain
    file name; the full path that list() returns is taken for one too.  Every method raises BadName,
    UnknownSpace, NotSpooled, or the OSError of a file system that has failed.
    """

    path: Path = Attribute("Where the spool is")

    def prepare() -> None:
        """Make the folder and its three spaces if they are missing; the parent must be there."""

    def create(filename: str, mode: str = "w") -> Any:
        """A file in `tmp`, open for writing; closing makes it durable.

        `mode` is `w`, `wb`, `x` or `xb`, and all mean the same: bytes go in, and text as UTF-8.
        NameTaken if somebody else has begun a file of that name and it is not yet forgotten.
        """

    def writer(filename: str, *, replace: bool = False) -> Any:
        """An ISpoolWriter for a file that will be called `filename` in `new`.

        NameTaken, before a byte is taken, if `new` has a file of that name or another writer is at
        work on one; not if it is to `replace`: then the last to commit wins.
        """

    def move(filename: str, from_space: str, to_space: str, *, replace: bool = False) -> None:
        """Move a file between spaces in one step; into `new` and `cur` only once it is durable.

        NameTaken, and nothing moved, if there is one of that name and not `replace`.
        """

    def copy(filename: str, from_space: str, to_space: str, *, replace: bool = False) -> None:
        """Copy a file between spaces; the copy appears whole and in one step, as with move()."""

    def remove(filename: str, space: str) -> None:
        """Delete a file."""

    def list(space: str) -> Names:
        """The full paths of the files in a space, by name; unfinished ones of our own left out."""

    def archive(filename: str, *, durable: bool = True) -> str:
        """Move a file from `new` to `cur` whatever is there already; its name there.

        A second `a` becomes `a.~2~`, so that neither is lost.  Not `durable`: a power failure may
        put it back into `new`.
        """

    def reap(older_than: timedelta) -> Names:
        """Delete what was begun in `tmp` and left untouched for so long; the names."""

    def expire(older_than: timedelta) -> Names:
        """Delete what has rested in `cur` for longer than that; the names."""

    def unfinished() -> Path:
        """A path in `tmp` that nobody else uses."""

    def reserve(name: str) -> Any:
        """Keep other writers from a name until the answer's release() is called or the process ends.
        NameTaken if another has it, or `new` has a file of that name."""

    def check_free(name: str, space: str, *, replace: bool = False) -> None:
        """Raise NameTaken if a file of this name may not come into the space."""

    def deliver(path: Path, name: str, *, replace: bool = False, numbered: bool = False) -> str:
        """Let the durable file at `path`, on this file system, appear in `new`; its name there.

        With `numbered` a taken name is no error: the file comes in as `name.~2~`.
        """


class ISpoolWriter(Interface):
    """A file on its way into `new`: a context manager that commits, or aborts on an exception.

    At the end of a `with` block a file of that name that came into `new` meanwhile, past the writer's
    reservation, is no error: this one comes in as `name.~2~`.
    """

    name: str = Attribute("What it will be called in `new`")

    def write(data: bytes | str) -> int:
        """Add bytes (text: as UTF-8); how many bytes were added."""

    def join(transaction_manager: Any) -> Any:
        """Leave the decision to the transaction that is running; returns the writer itself.

        The file appears in `new` when the transaction commits, and not at all when it aborts.
        Leaving a `with` block then only closes the file.  A name that is taken fails the vote.
        """

    def commit() -> None:
        """Make the file durable and let it appear in `new`.  NameTaken leaves it uncommitted."""

    def abort() -> None:
        """Forget the file.  Harmless after commit() or abort()."""


class ISpool(Interface):
    """A spool and the target it is exchanged with; there is one for each target of the settings."""

    kind: Kind = Attribute("`export`: files go to the target; `import`: they come from there.")
    name: str = Attribute("Of the section that describes the target.")
    address: str = Attribute("`ftp://USER@HOST:PORT/PATH`; `ftps:` where TLS is asked for.")
    path: str = Attribute("Where the spool is.")

    def state() -> Any:
        """What waits, what was sent, what is stuck and why, and the locks: a SpoolState.

        Takes no lock and writes nothing, so that it can be asked while a run is at work.  A folder or
        ledger that is missing, damaged or not to be read is told in the state's `trouble`.
        """

    def deliver(alias: Any, *, name: str | None = None, replace: bool = False) -> str:
        """Copy the file of an ILibraryFileAlias to `new`, as `name` or by its own; the name there.

        It appears when the transaction commits.  Makes the spool if it is missing.  Raises what
        spool_alias() raises, and NotExported if files come from the target instead.
        """

    def exchange(*, sleep: Sleep | None = None, progress: Any = None) -> Any:
        """One run, as `librarian export` or `import` does it; a Report.  Raises BadTarget."""


class ISpoolSet(Interface):
    """The spools of this installation, read anew from `librarian.spool.targets_file` at each call.

    Every method raises BadTarget, with the reason in a line, if that file cannot be used.
    """

    def __iter__() -> Iterator[ISpool]:
        """All of them, exports first, in the order of the file."""

    def __getitem__(name: str) -> ISpool:  # an interface method has no self
        """The one that exports to the target `name`.  Raises NoSuchTarget."""

    def getByName(name: str, kind: Kind = "export") -> ISpool | None:
        """The one of this kind and name, or None."""


class IProgress(Protocol):
    """Who wants to see a transfer go on.  Sizes are bytes."""

    def begin(self, name: str, size: int, done: int) -> None:
        """A file starts, or goes on where it broke off: `done` bytes are there already."""

    def advance(self, count: int) -> None:
        """So many more bytes have gone over."""

    def finish(self, name: str) -> None:
        """The file has arrived, whole, under its final name."""

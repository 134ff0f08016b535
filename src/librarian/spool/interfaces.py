"""The spool: files on their way to a partner's FTP server, or from it.

A publisher gives copies of its files to partners, and takes files of theirs.  The partners' side is an FTP
server with one directory.  Three things go wrong when this is done with a few lines of code: a partner
takes a file that is not whole yet; a broken connection or a crash loses a file, or sends it twice; two
programs work in one directory at the same time.  This package is about these three.

A *spool* is a folder of this machine with three spaces.  Files are written in `tmp`, wait in `new`, and
rest in `cur` once they have been sent.  They move by rename(2), so what is in `new` is whole and durable.
The layout is that of gocept.filestore 1.0, and programs that use that package may work on the same folder.

A *target* is the partner's directory and how to treat it, described by a section `[export:NAME]` or
`[import:NAME]` of an ini file (settings.Target).  Each target has a spool of its own.

A typical file goes this way.

1. A component calls ISpool.deliver(alias), or a program IFileStore.writer(name).  The name is reserved at
   once: a second writer gets NameTaken before it has written a byte.  The bytes go to `tmp`.  When the
   transaction commits, the file appears in `new`.
2. A run, which is `librarian export` from cron, or with --watch, has the spool to itself on this machine
   (flock(2)); a second run leaves.  It logs in and takes the *lock*: a file called `write` in the partner's
   directory.  This is the rule of the "Content Drehscheibe": the side that puts files holds `write`, the
   side that takes files holds `read`, and each waits for the other.  Our lock file has a nonce in it, so
   that a later run can tell a lock of ours from the partner's.
3. The run sends the file under a temporary name, TEMP_PREFIX and random digits, and goes on where a broken
   connection left off.  Size, and digest where the server offers one, are compared.  Then the file is
   renamed.
4. Before the rename, the run notes in the *ledger* that it is going to ask for it.  If the run dies now,
   the next one finds the note and asks for the temporary name: if that is gone, the file has arrived.
5. The run moves our copy to `cur`, and removes the lock.

An import is the mirror of this: `read` instead of `write`, from the server to `new`, and a file is removed
over there only when it is durable here.

A file can be *stuck*: its name is one that no server carries (BadName), or this server refuses it
(NameRefused).  The others go on.  ISpool.state() tells what waits, what was sent, what is stuck and why,
and whose lock is in the way; the pages at `/spool` show it.

How the names of modules map to those of the other systems: nothing of the spool is in the tree.  `model` is
what lies on disk (the folder, writers, the ledger, the record of the last run), `exchange` and `ftp` are
the runs, `service` has the utilities, `settings` the targets, `feed` copies from the library.

Errors are SpoolError with a second base that says how a caller may treat them.  Of ExchangeError,
FTPOSError and TemporaryError are worth another try; PermanentError (a 5xx reply, RFC 959, 4.2.1) is not.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Protocol

from zope.interface import Attribute, Interface

from librarian.interfaces import IAnnouncedEvent, LibrarianError

# ruff: noqa: N805  # zope.interface methods are written without self

SPACES = ("tmp", "new", "cur")
WRITE_LOCK = "write"  # held by the side that puts files on the server
READ_LOCK = "read"  # held by the side that takes them away
TEMP_PREFIX = ".librarian-"  # of the names of our unfinished files, in `tmp` and on the server

Sleep = Callable[[float], None]  # seconds
Kind = Literal["export", "import"]
Names = list[str]  # the interface below has a method called list


class SpoolError(LibrarianError):
    """Base of the errors of the spool and of its exchange."""


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
    """The space already holds a file of this name, and it is not to be replaced."""

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
    """Another run on this machine is at work on this spool."""


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
    """The server answered with an error; `reply` is its answer, as received."""

    def __init__(self, reply: str) -> None:
        super().__init__(reply)
        self.reply = reply
        self.code = int(reply[:3]) if reply[:3].isdigit() and reply[:3].isascii() else None


class PermanentError(ReplyError):
    """A 5xx reply (RFC 959, 4.2.1): the same command will fail again."""


class NameRefused(PermanentError):
    """The server has the file under its temporary name, and refuses to give it its final one."""


class LockStays(ExchangeError):
    """The server refuses to remove our own lock file; until it is removed, the partner is locked out."""


class TemporaryError(ReplyError):
    """A 4xx reply, or one that makes no sense: another try may succeed."""


class Locked(ExchangeError):
    """Another program holds a lock on the server; `lock` is its name, `write` or `read`."""

    def __init__(self, lock: str) -> None:
        super().__init__(f"'{lock}' lockfile exists")
        self.lock = lock


class LockLost(ExchangeError):
    """The lock we held is gone, or another program holds it: the run may change nothing more."""


class TransferDamaged(ExchangeError):
    """The bytes that arrived are not those that were sent; `what` is `size` or the name of a digest."""

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
        NameTaken if another program has begun a file of that name in the last 36 hours.
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
        """A path in `tmp` that no other writer uses."""

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
        """Remove the file from `tmp`.  Does nothing after commit() or abort()."""


class ISpool(Interface):
    """A spool and the target it is exchanged with; there is one for each target of the settings."""

    kind: Kind = Attribute("`export`: files go to the target; `import`: they come from there.")
    name: str = Attribute("Of the section that describes the target.")
    address: str = Attribute("`ftp://USER@HOST:PORT/PATH`; `ftps:` where TLS is asked for.")
    path: str = Attribute("Where the spool is.")

    def state(start: str = "") -> Any:
        """The files that wait, were sent or are stuck and why, and the locks: a SpoolState.  Of many files
        that wait it has those from the name `start` on, and the name that the next ones begin with.

        Takes no lock and writes nothing, so that it can be asked while a run is at work.  A folder
        that is missing, and a folder or ledger that cannot be read, are told in the state's `trouble`;
        of a ledger that is damaged the unreadable lines are counted.  A missing one is an empty one.
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
    """Is told how transfers go on, to show it.  Sizes are bytes."""

    def begin(self, name: str, size: int, done: int) -> None:
        """A file starts, or goes on where it broke off: `done` bytes are there already."""

    def advance(self, count: int) -> None:
        """So many more bytes have gone over."""

    def finish(self, name: str) -> None:
        """The file has arrived, whole, under its final name."""


class ISpoolEvent(IAnnouncedEvent):
    """Something happened to a file of an export; announced beside any transaction, and perhaps twice where a
    run was killed."""

    name: str = Attribute("The file's, in the spool.")


class ISpoolExported(ISpoolEvent):
    """The partner has the file."""


class ISpoolStuck(ISpoolEvent):
    """The partner's server does not take the file under its name; `data` has its reply."""

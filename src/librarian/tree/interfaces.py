"""The tree: all persistent objects, in one ZODB database.

What is to last is an object below the root of the tree, except for the bytes of files.  Each system has one
*subtree*, a persistent object under its name in the root, and registers an `ISubtree` utility for it, which
makes the empty subtree in a new database.  When the shape of stored objects changes, the system adds a *step*
to its `ISubtree`: at the next start each database runs the steps that it lacks (zope.generations keeps their
number), and a database that is too new for the code is refused (TreeTooNew).  Classes that are moved or
renamed keep their former names declared, so that older databases and copies can be read (`class_names`).

A process has one `ITree`, made from a URI: a file (``file://``), a ZEO server (``zeo://``), or PostgreSQL
(``postgres://``).  A thread works in a *session*, which has one connection; all it sees is of one moment.
`ITree.run` does work in a transaction and repeats it on a conflict, so the work must bear being repeated.
Web requests have the same from Pyramid's transaction manager.  `ITree.run_independently` commits beside the
transaction that is going on, for what must last even if that one is aborted, such as a new password.
`ITree.run_together` does so too, in one commit with what other threads ask for meanwhile: uploads are named
that way, and uses of tokens counted.  With `ITree.postponed` no thread waits for that commit.

A tree in a file belongs to the process that has locked it.  A server shares it on a UNIX socket beside the
file, so that commands work while it runs (`engines.sharing`).

What can go wrong has an error of its own: the database is away for a while (TreeAway, 503 over HTTP), its
disk is full (TreeFull; a reserve lets upkeep free room), its file is damaged (TreeDamaged, TreeShortened,
TreeUnreadable), or is not where it was (TreeMissing: a new and empty tree would be the worse answer).
"""

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from persistent.mapping import PersistentMapping
from zope.generations.interfaces import IInstallableSchemaManager
from zope.interface import Attribute, Interface

from librarian.interfaces import LibrarianError, one_line

# ruff: noqa: N805  # zope.interface methods are written without self

T = TypeVar("T")


class TreeNotOpen(LibrarianError, RuntimeError):
    """Something asked for the tree in a thread that has not opened it."""

    def __init__(self) -> None:
        super().__init__("the tree is not open in this thread; wrap the work in open_library()")


class TreeTooNew(LibrarianError, RuntimeError):
    """The database was written by a later version of this code."""

    def __init__(self, subtree: str, found: int, known: int) -> None:
        super().__init__(
            f"subtree {subtree!r} of the database is at step {found}, but this code knows only {known};"
            " run the newer librarian that wrote it"
        )
        self.subtree = subtree
        self.found = found
        self.known = known


class TreeUnavailable(LibrarianError, RuntimeError):
    """The database cannot be opened: wrong URI, locked by another process, or unreachable."""


class NoTree(TreeUnavailable):
    """There is no tree yet, and none is to be made by the way: `where` is its place, without a password."""

    def __init__(self, where: str) -> None:
        super().__init__(f"there is no library yet at {where}; `librarian serve` makes a new one")
        self.where = where


class TreeMissing(TreeUnavailable):
    """There was a tree, and where it was is none now; a new one would be the end of it.

    `traces` are the files that tell of it.
    """

    def __init__(self, path: Path, state: str, traces: Sequence[Path], advice: str) -> None:
        others = [trace.name for trace in traces if trace != path]
        tell = "tells" if len(others) == 1 else "tell"
        why = f", but {' and '.join(others)} beside it {tell} of a tree" if others else ""
        super().__init__(f"{path} {state}{why}; {advice}")
        self.path = path
        self.traces = tuple(traces)


class TreeAway(TreeUnavailable):
    """The database does not answer at present.  What was asked for may be asked for again; a commit
    that was under way may have come about or not."""

    def __init__(self) -> None:
        super().__init__("the database does not answer at the moment")


class CommitInterrupted(TreeAway):
    """The thread that committed this work together with its own was interrupted: it may have come about or
    not."""

    def __init__(self) -> None:
        LibrarianError.__init__(self, "the commit was interrupted; whether it came about is not known")


class TreeDamaged(TreeUnavailable):
    """The tree's file is damaged, and not only at its end: whole transactions come after the damage."""

    def __init__(self, path: Path, position: int, why: str) -> None:
        super().__init__(
            f"{path} is damaged at byte {position}: {why}; whole transactions follow, so nothing was cut off;"
            " `librarian fsck --tree` tells how many, `librarian restore` brings a backup back"
        )
        self.path = path
        self.position = position


class TreeFull(LibrarianError, OSError):
    """The disk of the tree is full.  `number` is of errno.h."""

    def __init__(self, number: int, message: str = "") -> None:
        super().__init__(number, message or f"the tree has no room: {os.strerror(number)}")


class TreeUnreadable(TreeUnavailable):
    """The tree opens, and an object in it cannot be read, or is not there."""

    def __init__(self, error: BaseException) -> None:
        why = one_line(error)[:200]
        super().__init__(
            f"the tree is damaged: {why}; `librarian fsck --tree` tells where, `librarian restore` brings a"
            " backup back"
        )


class TreeShortened(TreeUnavailable):
    """The tree's file lacks what was on the disk once, as its index tells: no crash takes that away."""

    def __init__(self, path: Path, position: int, why: str, known: int) -> None:
        super().__init__(
            f"{path} is whole up to byte {position} only, and was up to {known} when its index was saved:"
            f" {why}; look for the rest (a copy that was cut short, a damaged disk), bring a backup back with"
            " `librarian restore`, or give up what is missing with `librarian fsck --tree --repair`"
        )
        self.path = path
        self.position = position
        self.known = known


class CannotCopy(LibrarianError, RuntimeError):
    """The tree cannot be copied to, or from, the place that was named."""


class ISubtree(IInstallableSchemaManager):
    """A named utility: the system that keeps its objects under this name in the root."""

    factory = Attribute("A callable that makes the empty subtree, a persistent object.")

    former_names = Attribute(
        """The names that its classes had: "module.Name" -> the class as it is now.

        A class of any kind that pickles hold: persistent ones, and those of their values.  A name stays
        declared for ever, as copies and the history of a database hold it; no other class may get it.
        """
    )


class ITree(Interface):
    """The database of this process, opened by URI."""

    is_elsewhere = Attribute("Whether the database may be on another machine, with a clock of its own.")

    def session() -> AbstractContextManager[PersistentMapping]:
        """Open the tree in this thread for the length of a `with`; its value is the root.

        Sessions nest: an inner one sees what the outer one sees.  Leaving the outermost one
        aborts whatever was not committed.  Raises TreeAway where the database is watched.
        """

    def session_on_demand() -> AbstractContextManager[None]:
        """A session that begins when the root is first asked for; it sees what was committed until then.

        For requests that mostly do without, such as uploads, which are named by run_together().
        """

    def watch(patience_seconds: float) -> None:
        """Never wait for the database from now on, in this process: for servers, once at start.

        session(), run() and run_independently() then raise TreeAway as soon as it is known to be away, and
        what waits for a database that has been silent for `patience_seconds` fails.  Does nothing
        for a database in this process.
        """

    def is_loss(error: BaseException) -> bool:
        """Whether `error`, out of an open session, comes of a watched database that is away.

        After close() every error does: the server ends, and what still runs beside it need not say so.
        """

    def root() -> PersistentMapping:
        """The root in this thread's open session.  Raises TreeNotOpen."""

    def subtree(name: str) -> Any:
        """The subtree called `name` in this thread's open session."""

    def run(work: Callable[[], T]) -> T:
        """Do `work` in a transaction, repeated until one commits, and return what it returned.

        ConflictErrors and lost connections are tried again, at least ten times, with random
        pauses that grow; `work` must bear being repeated.  Any other error aborts and is raised.
        Where the database is watched, its loss is TreeAway at once.
        """

    def run_independently(work: Callable[[], T]) -> T:
        """Like run(), but beside whatever transaction this thread is in, not instead of it.

        `work` sees the committed tree in a connection of its own; what it changes is committed
        even if the caller aborts, and the caller sees it in its next transaction.  Only the tree
        takes part: mail and other joiners of the thread's transaction do not.
        """

    def run_together(work: Callable[[], T]) -> T:
        """Like run_independently(), in one transaction with what other threads ask for at the same time.

        For what many threads do, such as naming an upload.  `work` may be done in another thread, but for the
        principal and in the context (contextvars) of this one, and after that of others in the same
        transaction; it must bear being repeated.  Where it raises an error, the others
        are committed without it, and it is done once more alone, so that it judges what is committed.
        Raises CommitInterrupted where the other thread was interrupted in the commit.
        """

    def postponed(work: Callable[[], T]) -> Callable[[Callable[[Callable[[], T]], object]], None]:
        """Like run_together(), for `work` that no thread waits for.

        The function that is returned begins it, and takes another one, which is called once the outcome is
        known: in the thread that committed, for the principal and in the context of this one, with a function
        that returns what `work` returned or raises its error.  A thread that begins postponed work while none
        commits does so itself, until nothing waits; where very many wait (together.MOST_POSTPONED), it waits.
        """

    def apart() -> AbstractContextManager[None]:
        """Set this thread's session and transaction aside for the length of a `with`.

        A session that is begun inside is one of its own, in a transaction of its own: for an application
        that another one calls in the middle of a request.
        """

    def current_transaction() -> Any:
        """The transaction that this thread's session takes part in: inside run_independently() the one
        made for it, otherwise the thread's own."""

    def host_time() -> datetime:
        """The time on the host that numbers the transactions, aware, in UTC; commits a trifle."""

    def forget_loaded() -> None:
        """Turn unchanged objects of this thread's session into ghosts, to bound memory."""

    def prefetch(objects: Iterable[Any]) -> None:
        """Have persistent objects that will be looked at next fetched together, where each would
        otherwise be a separate question to another process."""

    def check() -> None:
        """Read something from the database itself.  Raises whatever its storage raises."""

    def copy_to(path: Path, progress: Callable[[], object]) -> bytes:
        """Bring the FileStorage at `path`, made if it is missing, up to what is committed now.

        Others may commit meanwhile; the copy is as of one moment.  `progress` is called after each
        transaction.  Returns the id of the last one.  Raises CannotCopy.
        """

    def in_need() -> AbstractContextManager[None]:
        """For upkeep that gets room back: where the disk is full, what run() and run_independently() do in
        this thread within the `with` may use the room that is kept in reserve.  Afterwards the reserve is
        made again, if there is room.
        """

    def pack(days: float) -> None:
        """Forget history older than `days` and objects that nothing refers to."""

    def keep_reserve() -> None:
        """Make the reserve, if this tree is to have one and there is room."""

    def on_change(changed: Callable[[Iterable[bytes] | None], None]) -> None:
        """Have `changed` called with the _p_oid of each object that a commit changes; None: any may have.

        A transaction that begins after the call reads the new state; is_fresh() tells whether every commit
        has been told.  It is called in the committer's thread, under locks: it may not touch the tree, nor
        wait.
        """

    def is_fresh(lasting: bool) -> bool:
        """Whether each commit that was acknowledged anywhere has been told by on_change(); never waits.

        Of what is `lasting`, which can only be deleted or restricted, commits of this machine count, and
        those of others may be told a little later: on ZEO when its server's word arrives, on PostgreSQL after
        50 ms at most.  False also while the database is away.
        """

    def catch_up() -> None:
        """Ask the database: each commit that was acknowledged before this call has then been told by
        on_change().  Raises TreeAway."""

    def share() -> None:
        """Serve the tree to commands on this machine, if its engine admits one process only.

        For servers, once at start.  Raises TreeUnavailable if another process shares it already.
        """

    def close() -> None:
        """End: nothing can be opened afterwards.  What was shared is withdrawn.

        What other threads have open is waited for, a few seconds at most.
        """

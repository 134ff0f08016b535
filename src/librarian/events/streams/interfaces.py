"""Streams of events over HTTP (Server-Sent Events), which a client can resume.

A webhook is for a program that others can reach.  Pages and programs behind a firewall ask for a stream
instead: the answer to ``GET /events`` goes on and on, an event being told when it happens.  An administrator
hears of everything, others of what is theirs, as with webhooks; the data are the same CloudEvents objects.

Events come from the tree, so that it does not matter to which process a client is connected.  While a stream
is open anywhere, and for some time after the last was closed, every event is written into the *recording* of
the tree, in the transaction in which it happens; otherwise none is, and nothing costs anything.  One thread
of each process that has streams looks for new events each second, for all of its streams, and gives them to
the server's loop: a stream has a connection, and no thread.  Streams end after some minutes, so that
permissions are looked at again; clients connect anew by themselves.

The id of an event is that of its transaction and a number: all transactions have one order, in whichever
process they are made.  A client that comes back says the last id that it has (``Last-Event-ID``) and gets
what was after it.  Is that older than the recording, it is first told by an event ``missed``.
"""

from collections.abc import Sequence
from typing import Protocol

from zope.interface import Interface

from librarian.interfaces import LibrarianError

# ruff: noqa: N805  # interface methods have no self


class TooManyStreams(LibrarianError, RuntimeError):
    """This process has as many streams as the setting ``librarian.events.streams_at_most`` allows."""

    def __init__(self, most: int) -> None:
        super().__init__(f"there are {most} streams already")
        self.most = most


class MalformedEventId(LibrarianError, ValueError):
    """A Last-Event-ID is none that was given out here."""

    def __init__(self, stated: str) -> None:
        super().__init__(f"Last-Event-ID: {stated[:80]!r} is no id of an event")
        self.stated = stated


class UnknownKind(LibrarianError, ValueError):
    """A client asks for a kind of event that there is not, of which it would never hear."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"there is no kind of event called {kind[:80]!r}")
        self.kind = kind


class Sink(Protocol):
    """Where a stream goes: to the loop of a server."""

    backlog: int  # bytes that the client has not taken yet

    def put(self, data: bytes) -> bool:
        """Send bytes; False: the client is gone."""

    def end(self) -> None:
        """No more is sent.  May be repeated."""


class IEventStream(Interface):
    """A stream that was asked for."""

    def begin(sink: Sink) -> None:
        """Send what there is, and then each event when it happens, until the sink says that the client is
        gone, or the stream has lasted long enough.  Returns at once."""

    def present() -> bytes:
        """What there is to send now, for servers that cannot go on."""


class IEventStreams(Interface):
    """The streams of this process."""

    def open(
        owner: str, everything: bool, kinds: Sequence[str] = (), last_id: str | None = None
    ) -> IEventStream:
        """A stream of what `owner` owns, or of everything, of these kinds of events (none: of all).

        Raises TooManyStreams, MalformedEventId, UnknownKind."""

    def tick() -> bool:
        """Look for new events once, and give them to the streams; whether there are streams.  The thread of
        the streams calls this."""

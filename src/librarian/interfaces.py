"""Interfaces and errors that every package uses.  This module imports no other of the project.

Librarian keeps files for other programs.  Above are the *systems*, a package each: `naming`, `tracker`,
`spool`, `mirrors`, `machines`.  They do not know each other.  They stand on `library` (files with ids, names
and an end of life) and `people` (who uses them), these on `web` (pages and endpoints), `security` (who may
do what), `store` (the bytes) and `tree` (the object database).  Each begins its `interfaces` with its own
story.

Imports go down only; what a package needs besides it asks for by an interface.  Three of these are here,
since packages of every layer need them.  IClock gives the time, so that tests can move it by hand.
ISettings gives the values of the ini file, a `Section` of them at a time, and lets a test lay others over
them.  IFetcher sends one small request to another host.  They are utilities of zope.component, registered
when a process starts; a test registers others in their place.

Every refusal made on purpose is a LibrarianError.  Most are a ValueError, LookupError or OSError as well, so
that a caller may handle what it knows.  A view turns them into a status, a command into one line
(`one_line`); an error that is none of them is a fault of the program, and its traceback goes to the log.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO, TypeVar

from zope.interface import Attribute, Interface
from zope.interface.interfaces import IInterface

# ruff: noqa: N805  # zope.interface methods are written without self

T = TypeVar("T")


class LibrarianError(Exception):
    """The root of every refusal this project makes on purpose."""


def one_line(error: BaseException) -> str:
    """The message of an error for people: one line, without the number that Python puts before it."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    if not text and isinstance(error, TimeoutError):
        text = "the other side took too long to answer"
    return " ".join(text.split()) or type(error).__name__


class IClock(Interface):
    """The source of the time; tests and doctests register a clock that is moved by hand."""

    def now() -> datetime:
        """The current time, aware, in UTC."""

    def monotonic() -> float:
        """Seconds since an arbitrary moment; no step of the wall clock moves it (CLOCK_MONOTONIC)."""


class IFollowingClock(IClock):
    """A clock that goes as another one, such as that of the database, which all nodes share."""

    def own() -> datetime:
        """The current time by the clock of this machine, aware, in UTC."""

    def follow(ahead: timedelta) -> None:
        """Let now() be `ahead` of own() from now on, which may be negative."""


class SettingsError(LibrarianError, ValueError):
    """A setting has a value that cannot be used, or a name that is not known."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"setting {key}: {why}")
        self.key = key
        self.why = why


class NoSuchOverlay(LibrarianError, LookupError):
    """pop() named an overlay that is not the one on top."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the overlay on top is not {name!r}")
        self.name = name


class ISettingsSection(Interface):
    """A subclass of `Section`, registered under its package's name so that typing errors in an
    ini file are found at start."""


class ISettings(Interface):
    """The settings this process runs with."""

    def section(kind: type[T]) -> T:
        """The values for one `Section` class, overlays applied.  Raises SettingsError."""

    def push(name: str, text: str) -> None:
        """Lay the ini `text` over the settings until ``pop(name)``."""

    def pop(name: str) -> str:
        """Take the topmost overlay, which must be `name`, off again; its text."""


class FetchFailed(LibrarianError, OSError):
    """No answer came: the connection was refused, was cut, or took too long."""

    def __init__(self, method: str, url: str, why: str) -> None:
        super().__init__(f"{method} {url}: {why}")
        self.url = url
        self.why = why


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer, read whole: meant for small bodies.  Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class IFetcher(Interface):
    """Sends one request.  Never uses a proxy from the environment and follows no redirect."""

    def request(method: str, url: str, headers: Mapping[str, str], body: BinaryIO | None = None) -> Fetched:
        """Send `body` from its current position, with a Content-Length if `headers` name one.

        A refused connection is tried again for a few seconds, as a server that restarts needs;
        once bytes may have gone out nothing is tried again.  Raises FetchFailed; and WrongLength where
        `body` holds fewer or more bytes than that Content-Length: the connection is then closed before
        the whole of it has gone out.
        """


class IAnnouncedEvent(Interface):
    """Something happened, and was announced by zope.event.notify() in the transaction in which it happened.

    The transaction may still be aborted, and be repeated: a subscriber that acts outside of the tree does so
    when it has committed.  A subscriber that raises makes what happened fail.
    """

    kind: str = Attribute("What happened, as ``file.added``: the name of the event's IEventKind.")
    subject: str = Attribute(
        "What it happened to, as ``files/17``.  Events of one subject are told in order."
    )
    owner: str | None = Attribute(
        "The id of the principal who owns that; None: only administrators hear of it."
    )
    data: Mapping[str, object] = Attribute("Further facts, for JSON; made when they are asked for.")


class IEventKind(IInterface):
    """The type of the interfaces of events.  Their docstrings say when the event happens.

    A package registers each kind of its own in its ZCML::

        <interface interface=".interfaces.IFileAdded" name="file.added"
                   type="librarian.interfaces.IEventKind" />
    """

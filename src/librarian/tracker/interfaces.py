"""The tracker: a versioned name space of files that many machines share.

A cluster of machines that compile, run or judge programs copies the same files to and fro: inputs, programs,
packages.  The tracker is one server that has all of them under names such as ``/problems/7/in/1.txt``, and a
client on each machine that caches what it has fetched.  It speaks the protocol of *filetracker*, versions 1
and 2, so that programs written for filetracker work unchanged.

A *name* looks like an absolute path; librarian.tracker.client has the rules.  Directories exist as far as
files lie in them.  A *version* is the time when a file was modified, as a whole number of seconds since 1970;
``name@version`` means exactly one content.  Of two versions of one name the greater wins, in whatever order
they arrive; *Overwrite* says what happens to equal ones, where the two versions of the protocol differ.
So machines need no agreement about who puts first, and a put that is repeated does no harm.

What a name held before it was overwritten or deleted is kept as a *past version*: at most
``librarian.tracker.keep_versions`` of a name, each for at most ``keep_for``.  A put releases those of its
name that are beyond the rule, and ``librarian tracker prune`` does so for all names.  The bytes of a version
are a restricted file of the library, held by the tracker, so names with equal content share bytes.

How a PUT goes: the endpoint on the tracker's port parses the path (`protocol`) and finds the principal: the
owner of the API token, or one of two system principals by the client's network (`endpoints`, `settings`).
The view (`views.writing`) reads from the headers what the client declares: version, size, digest, packing.
ITracker.putting() checks the permission, the token's scope for this name (`authorization`) and, in a short
transaction, whether the version would be ignored; then the body need not be read.  Else the bytes go to the
byte store (`uploads`), where gzip is unpacked (a large one while it comes: `unpacking`) and size and digest
are compared with what was declared.  A second transaction, retried on conflict and shared with other puts,
makes an alias and stores the version under its name (`model`); no thread waits for it (`putting`).  The
answer states which version the name holds now.

A GET finds the version in the subtree and sends the bytes, as gzip if the client accepts that
(`views.download`, `views.representations`).  What is missing can be redirected to another tracker
(`fallback`), while a cluster moves from one server to the other.

Every refusal is a TrackerRefusal with the HTTP status that the protocol has for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, BinaryIO, ClassVar

from zope.interface import Interface

from librarian.interfaces import LibrarianError

# ruff: noqa: N805  # zope.interface methods are written without self


class TrackerRefusal(LibrarianError):
    """The tracker refuses a request; `status` is the HTTP status of the answer."""

    status: ClassVar[int] = 400


class BadName(TrackerRefusal, ValueError):
    """No file can have this name."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


class BadRequest(TrackerRefusal, ValueError):
    """A date, a number, a digest or an endpoint of the request is malformed."""


class BadUpload(TrackerRefusal, ValueError):
    """The bytes differ from what was declared in size or digest, or are damaged gzip or too much of it."""


class NoSuchFile(TrackerRefusal, LookupError):
    """No file has this name."""

    status = 404

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no file {name}")
        self.name = name


class NoSuchVersion(TrackerRefusal, LookupError):
    """The name exists or existed; this version of it never did, or is not kept any longer."""

    status = 404

    def __init__(self, name: str, version: int) -> None:
        super().__init__(f"there is no version {version} of {name}")
        self.name = name
        self.version = version


class NoSuchDirectory(TrackerRefusal, LookupError):
    """No file lies below this path.  The protocol answers that with 400."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is not a directory")
        self.path = path


class NoLaterVersion(TrackerRefusal, ValueError):
    """The present version has the last date that can be written, so no later one is possible."""

    status = 409

    def __init__(self, name: str) -> None:
        super().__init__(f"the version of {name} is the last possible one; delete the file first")
        self.name = name


class NameConflict(TrackerRefusal, ValueError):
    """A file has a path that the name needs for a directory, or the other way round."""

    status = 409

    def __init__(self, name: str, other: str) -> None:
        super().__init__(f"{name} cannot be a file: {other} is in the way")
        self.name = name
        self.other = other


class NotAllowed(TrackerRefusal, PermissionError):
    """The principal lacks the permission; `known` tells whether the request had a credential."""

    def __init__(self, known: bool) -> None:
        super().__init__("this may not be done with that token" if known else "a token is needed for this")
        self.known = known

    @property
    def status(self) -> int:  # type: ignore[override]  # 401 asks for a credential, 403 has seen one
        """The HTTP status: 403 for a known principal, else 401 (RFC 9110, section 15.5)."""
        return 403 if self.known else 401


class NotYours(TrackerRefusal, PermissionError):
    """The scopes of the token do not cover this name."""

    status = 403

    def __init__(self, name: str) -> None:
        super().__init__(f"the token used does not reach {name}")
        self.name = name


class WrongMethod(TrackerRefusal):
    """The path does not have this method (RFC 9110, section 15.5.6)."""

    status = 405

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        super().__init__(f"{method[:20]} is not for this; use {' or '.join(allowed)}")
        self.allowed = tuple(allowed)


class UnknownMethod(WrongMethod):
    """No path has this method (RFC 9110, section 15.6.2)."""

    status = 501


class ConditionFailed(TrackerRefusal):
    """The file does not meet the conditions of the request (RFC 9110, section 13.1)."""

    status = 412

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not in the state that the request made a condition")
        self.name = name


class LengthRequired(TrackerRefusal):
    """Neither a Content-Length nor a digest tells where the body ends."""

    status = 411


class TooLarge(TrackerRefusal):
    """The file has more than `limit` bytes, the most that the settings allow."""

    status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(f"a file may have {limit} bytes here")
        self.limit = limit


class UnknownCoding(TrackerRefusal):
    """The Content-Encoding is neither gzip nor identity."""

    status = 415


class EmptyDirectory(TrackerRefusal):
    """The path is that of a directory without files, which must be closed in a transaction before.

    ITracker.put() does so; the error does not leave the service.
    """

    def __init__(self, path: str) -> None:
        super().__init__(f"/{path} is an empty directory")
        self.path = path


class Overwrite(Enum):
    """The rule for puts that overwrite the present version of a name."""

    IF_NEWER = "protocol 1: only a greater version; an equal one is ignored"
    UNLESS_OLDER = "protocol 2: a greater or equal version"
    ALWAYS = "any, which then becomes the newest version"


@dataclass(frozen=True, slots=True)
class Declared:
    """The size and digests that an upload declares; None is not declared.  A wrong one is BadUpload."""

    size: int | None = None  # bytes of the plain file
    sha256: str | None = None  # hex, of the plain file
    packed: bool = False  # whether the stream is gzip
    packed_size: int | None = None  # bytes of the stream


@dataclass(frozen=True, slots=True)
class FileVersion:
    """One version of one name, present or past.  Valid as long as the version is kept."""

    name: str
    version: int  # seconds
    size: int  # bytes
    sha256: str  # hex
    packed_sha256: str | None  # hex, of the same file as gzip, if that is kept too
    packed_size: int  # bytes
    stored: datetime  # aware
    owner: str  # the id of the principal who put it
    superseded: datetime | None = None  # aware; when it was replaced or deleted
    deleted: bool = False  # whether the name was deleted rather than overwritten


@dataclass(frozen=True, slots=True)
class Entry:
    """A child of a directory: a file, or a directory (`file` is None)."""

    name: str  # the last component
    path: str
    file: FileVersion | None


@dataclass(frozen=True, slots=True)
class Pruned:
    """The number of past versions that prune() released, and of their bytes."""

    versions: int
    bytes: int


class ITracker(Interface):
    """A secured utility: the name space.  The tree must be open.  All methods raise BadName and NotYours.

    Writes run in independent transactions, are retried on conflict, and are durable when the call returns;
    the caller's transaction sees them after its next beginning.
    """

    def put(
        name: str, stream: BinaryIO, version: int | None, rule: Overwrite, declared: Declared = ...
    ) -> tuple[FileVersion, bool]:
        """Store the bytes of `stream` as `version` of `name`.

        Returns the version that the name holds now, and whether that is the file just given.  The stream
        is read to its end unless the put is ignored whatever it holds; closing it is up to the caller.
        Without `version` the version is now, or one second after the present one.
        Raises BadUpload, NameConflict, TooLarge, NoLaterVersion and StoreFull; the name is then unchanged.
        """

    def putting(name: str, version: int | None, rule: Overwrite, declared: Declared = ...) -> Any:
        """The same in steps, for a view whose answer waits for the naming without a thread: a
        librarian.tracker.putting.Putting, for the acting principal.  Raises TooLarge."""

    def get(name: str, version: int | None = None, *, deleted: bool = False) -> FileVersion:
        """The present version, or the given one as long as it is kept.

        Versions of a deleted name are found only with `deleted`.  Raises NoSuchFile and NoSuchVersion.
        """

    def open(file: FileVersion) -> Any:
        """The bytes: an open file with read(), close() and iteration; the caller closes it.
        Raises BytesNotFound and BytesDamaged."""

    def delete(name: str, version: int) -> bool:
        """Delete the name unless its version is greater than `version`; returns whether it did.
        Raises NoSuchFile."""

    def listing(directory: str, not_after: int | None = None) -> bytes:
        """The names below `directory` ("/" is the top), relative to it, sorted, in UTF-8, each with a line
        feed; with `not_after` only those whose version is not greater.
        Raises NoSuchDirectory."""

    def entries(directory: str, after: str = "", limit: int = 1000) -> Sequence[Entry]:
        """The direct children of `directory`, by name, beginning behind the name `after`.
        Raises NoSuchDirectory."""

    def history(name: str) -> Sequence[FileVersion]:
        """The present version, if there is one, and the past ones that are kept, newest first.
        Raises NoSuchFile if there is none."""

    def prune(dry_run: bool = False) -> Pruned:
        """Release past versions that the settings do not keep; with `dry_run` only count them."""

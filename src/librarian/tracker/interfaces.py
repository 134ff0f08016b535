"""The tracker: files by name and version, shared by many machines; and what it refuses.

Names are as librarian.tracker.client.names has them: they begin with a slash.  A version is a whole
number of seconds since 1970.
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
    """A request the tracker does not fulfil; `status` is what HTTP calls it."""

    status: ClassVar[int] = 400


class BadName(TrackerRefusal, ValueError):
    """No file can have this name."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


class BadRequest(TrackerRefusal, ValueError):
    """A date, number, digest or endpoint that is none."""


class BadUpload(TrackerRefusal, ValueError):
    """The bytes are not what was declared: another size, another digest, damaged or endless gzip."""


class NoSuchFile(TrackerRefusal, LookupError):
    """Nothing has this name."""

    status = 404

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no file {name}")
        self.name = name


class NoSuchVersion(TrackerRefusal, LookupError):
    """The name is there, or was; this version of it is not, or is no longer kept."""

    status = 404

    def __init__(self, name: str, version: int) -> None:
        super().__init__(f"there is no version {version} of {name}")
        self.name = name
        self.version = version


class NoSuchDirectory(TrackerRefusal, LookupError):
    """No file lies below this path.  (The protocol has 400 for it.)"""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is not a directory")
        self.path = path


class NoLaterVersion(TrackerRefusal, ValueError):
    """The newest version has the last date that can be written, and so none can follow it."""

    status = 409

    def __init__(self, name: str) -> None:
        super().__init__(f"the version of {name} is the last there can be; delete the file first")
        self.name = name


class NameConflict(TrackerRefusal, ValueError):
    """A file stands where the name needs a directory, or the other way round."""

    status = 409

    def __init__(self, name: str, other: str) -> None:
        super().__init__(f"{name} cannot be a file: {other} is in the way")
        self.name = name
        self.other = other


class NotAllowed(TrackerRefusal, PermissionError):
    """Whoever asks may not do this, by where they are and who they are; `known`: that is known."""

    def __init__(self, known: bool) -> None:
        super().__init__("this may not be done with that token" if known else "a token is needed for this")
        self.known = known

    @property
    def status(self) -> int:  # type: ignore[override]  # 401 asks for a token, 403 has seen one
        return 403 if self.known else 401


class NotYours(TrackerRefusal, PermissionError):
    """The token reaches only some names, and this is none of them."""

    status = 403

    def __init__(self, name: str) -> None:
        super().__init__(f"the token used does not reach {name}")
        self.name = name


class WrongMethod(TrackerRefusal):
    """The endpoint exists, and has no such method."""

    status = 405

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        super().__init__(f"{method[:20]} is not for this; use {' or '.join(allowed)}")
        self.allowed = tuple(allowed)


class UnknownMethod(WrongMethod):
    """Nothing here has such a method (RFC 9110, section 15.6.2)."""

    status = 501


class ConditionFailed(TrackerRefusal):
    """The file is not in the state that the request made a condition."""

    status = 412

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not in the state that the request made a condition")
        self.name = name


class LengthRequired(TrackerRefusal):
    """Neither a Content-Length nor a digest says where the body ends."""

    status = 411


class TooLarge(TrackerRefusal):
    """More bytes than this installation takes in one file; `limit` is their number."""

    status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(f"a file may have {limit} bytes here")
        self.limit = limit


class UnknownCoding(TrackerRefusal):
    """A Content-Encoding other than gzip and identity."""

    status = 415


class Overwrite(Enum):
    """When a file gives way to another one of the same name."""

    IF_NEWER = "protocol 1: only to a greater version; an equal one is ignored"
    UNLESS_OLDER = "protocol 2: also to an equal version"
    ALWAYS = "to anything, which then becomes the newest version"


@dataclass(frozen=True, slots=True)
class Declared:
    """What an uploader says of the bytes; whatever is said must be true."""

    size: int | None = None  # bytes of the plain file
    sha256: str | None = None  # hex, of the plain file
    packed: bool = False  # whether the stream is gzip
    packed_size: int | None = None  # bytes of the stream


@dataclass(frozen=True, slots=True)
class FileVersion:
    """One version of one file, present or past.  Valid as long as the version is kept."""

    name: str
    version: int  # seconds
    size: int  # bytes
    sha256: str  # hex
    packed_sha256: str | None  # hex, of the same bytes as gzip, if they are kept so too
    packed_size: int  # bytes
    stored: datetime  # aware
    owner: str  # the id of the principal who put it
    superseded: datetime | None = None  # aware; when it was replaced or deleted
    deleted: bool = False  # whether the name was deleted rather than overwritten


@dataclass(frozen=True, slots=True)
class Entry:
    """What a directory shows: a file, or a directory (`file` is None)."""

    name: str  # the last component
    path: str
    file: FileVersion | None


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a prune() let go."""

    versions: int
    bytes: int


class ITracker(Interface):
    """The name space.  The tree must be open; everything raises BadName and NotYours.

    Writes happen in transactions of their own, are tried again on conflict, and are durable when the
    call returns; the caller's transaction sees them after its next beginning.
    """

    def put(
        name: str, stream: BinaryIO, version: int | None, rule: Overwrite, declared: Declared = ...
    ) -> tuple[FileVersion, bool]:
        """Keep what `stream` holds as `version` of `name`; what the name holds now, and whether
        that is the file just given.

        The stream is read to its end unless it would be ignored anyway, and stays the caller's.
        Without `version` it is the time, or a second after the version that is there.
        Raises BadUpload, NameConflict, TooLarge, and StoreFull; what was there is then untouched.
        """

    def get(name: str, version: int | None = None, *, deleted: bool = False) -> FileVersion:
        """The newest version, or the one asked for as long as it is kept.

        A deleted name has no versions unless `deleted`.  Raises NoSuchFile and NoSuchVersion.
        """

    def open(file: FileVersion) -> Any:
        """Its bytes: an open file with read(), close() and iteration, the caller's to close.
        Raises BytesNotFound and BytesDamaged."""

    def delete(name: str, version: int) -> bool:
        """Delete the name unless its version is greater than `version`; whether it was deleted.
        Raises NoSuchFile."""

    def listing(directory: str, not_after: int | None = None) -> bytes:
        """All names below `directory` ("/" is the top), relative to it, each with a line feed, by
        name, in UTF-8; with `not_after` only those of that version or an older one.
        Raises NoSuchDirectory."""

    def entries(directory: str, after: str = "", limit: int = 1000) -> Sequence[Entry]:
        """What lies directly in `directory`, by name, beginning behind the name `after`.
        Raises NoSuchDirectory."""

    def history(name: str) -> Sequence[FileVersion]:
        """The present version, if there is one, and all that are kept, newest first.
        Raises NoSuchFile if there is neither."""

    def prune(dry_run: bool = False) -> Pruned:
        """Let go of old versions that are beyond the rule of the settings."""

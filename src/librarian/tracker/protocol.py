"""The filetracker protocol, versions 1 and 2, as pure functions: what a request means.

Nothing here knows a server, the tree or the time.  What it cannot understand it refuses, as one of
the TrackerRefusals of the interfaces.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from librarian.tracker.client.errors import InvalidDate, InvalidName
from librarian.tracker.client.names import MAX_VERSION, check_name, split_name
from librarian.tracker.client.wire.dates import date_to_version
from librarian.tracker.interfaces import (
    BadName,
    BadRequest,
    Declared,
    LengthRequired,
    Overwrite,
    TooLarge,
    UnknownCoding,
)

PROTOCOL_VERSIONS = [1, 2]

_SHA256 = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)

# An upload that does not say how large it is unpacked may grow to this, and no further.
UNDECLARED_GROWTH = 100  # times the packed size
UNDECLARED_SIZE = 16 << 20  # bytes; the least that is allowed


class Endpoint(Enum):
    """The first component of a path."""

    FILES = "files"
    LIST = "list"
    HISTORY = "history"
    VERSION = "version"
    TOP = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names: an endpoint and a file name (or, for a list, a directory) in it."""

    endpoint: Endpoint
    name: str  # begins with a slash, unquoted
    version: int | None = None  # from name@version


@lru_cache(maxsize=8192)  # what is asked for once is asked for again; this is 10 us of a hot path
def parse_path(path_info: str) -> Target:
    """Read a WSGI PATH_INFO.  Raises BadName and BadRequest.

    Slashes in front and at the end count for nothing, because a client's base URL may end in one;
    an empty component between others is refused, where filetracker would forget all before it.
    """
    try:
        path = path_info.encode("latin-1").decode("utf-8")
    except UnicodeError:
        raise BadRequest("the path is not UTF-8") from None
    first, _, rest = path.strip("/").partition("/")
    try:
        endpoint = Endpoint(first)
    except ValueError:
        raise BadRequest(
            f"unknown endpoint {first[:40]!r}, expected files, list, history or version"
        ) from None
    if endpoint in (Endpoint.VERSION, Endpoint.TOP) and rest:
        raise BadRequest(f"nothing lies below /{endpoint.value}")
    if not rest:
        return Target(endpoint, "/")
    name, version = checked_name(f"/{rest}")
    return Target(endpoint, name, version)


@lru_cache(maxsize=8192)
def checked_name(name: str) -> tuple[str, int | None]:
    """Name and version of what the client's rules allow.  Raises BadName."""
    try:
        check_name(name)
        return split_name(name)
    except InvalidName as error:
        raise BadName(name, error.reason) from None


def wanted_version(target: Target, query: Mapping[str, str]) -> int | None:
    """The version that a GET asks for: ``?version=5`` or ``name@5``, None for the newest."""
    text = query.get("version")
    if text is None:
        return target.version
    if not _NUMBER.fullmatch(text) or int(text) > MAX_VERSION:
        raise BadRequest(f"version is {text[:40]!r}, not a number of seconds")
    if target.version not in (None, int(text)):
        raise BadRequest("the name asks for one version and the query for another")
    return int(text)


def date_of(query: Mapping[str, str]) -> int | None:
    """``?last_modified=`` as a version, None if it is not there."""
    return _date(query["last_modified"]) if query.get("last_modified") else None


def put_version(
    query: Mapping[str, str], header: str | None, *, is_version_2: bool
) -> tuple[int | None, Overwrite]:
    """The version of an upload, and when it overwrites.

    Protocol 2 has the date in the query, protocol 1 in the Last-Modified `header`, or nowhere: then
    the file always becomes the newest.  `is_version_2`: the upload has other marks of protocol 2 (a
    SHA256-Checksum, a Logical-Size, gzip), and so must have the date.
    """
    version = date_of(query)
    if version is not None:
        return version, Overwrite.UNLESS_OLDER
    if header is not None:
        return _date(header), Overwrite.IF_NEWER
    if is_version_2 or "last_modified" in query:
        raise BadRequest('"?last_modified=" is required')
    return None, Overwrite.ALWAYS


def delete_version(query: Mapping[str, str], header: str | None) -> int:
    """Up to which version a DELETE goes."""
    version = date_of(query)
    if version is None and header is not None:
        version = _date(header)
    if version is None:
        raise BadRequest('"?last_modified=" is required')
    return version


def _date(text: str) -> int:
    try:
        return date_to_version(text)
    except InvalidDate as error:
        raise BadRequest(str(error)) from None


def declared_upload(headers: Mapping[str, str], length: int | None, largest: int) -> Declared:
    """What the headers of an upload say of its body.

    `headers` has lower-case names, `length` is the Content-Length, `largest` (bytes, 0 for any) the
    size of a file that is still taken.  Raises BadRequest, LengthRequired, TooLarge, UnknownCoding.
    """
    coding = headers.get("content-encoding", "identity").strip().lower() or "identity"
    if coding not in ("identity", "gzip", "x-gzip"):
        raise UnknownCoding(f"Content-Encoding is {coding[:40]!r}; send gzip or none")
    packed = coding != "identity"
    sha256, size = _sha256(headers.get("sha256-checksum")), _number(headers.get("logical-size"))
    if length is None and sha256 is None:
        # Some servers cannot tell a chunked body that was cut from one that ended.
        raise LengthRequired("send a Content-Length, or a SHA256-Checksum that proves the body whole")
    if not packed:
        if None not in (size, length) and size != length:
            raise BadRequest(f"Logical-Size is {size}, but Content-Length is {length}")
        size = length if size is None else size
    if largest and size is not None and size > largest:
        raise TooLarge(largest)
    return Declared(size=size, sha256=sha256, packed=packed, packed_size=length if packed else None)


def most_unpacked(declared: Declared, largest: int) -> int:
    """How many bytes a gzip upload may unpack to before it is refused."""
    if declared.size is not None:
        return declared.size
    most = max(UNDECLARED_SIZE, UNDECLARED_GROWTH * (declared.packed_size or 0))
    return min(most, largest) if largest else most


def _sha256(text: str | None) -> str | None:
    if text is None:
        return None
    if not _SHA256.fullmatch(text.strip()):
        raise BadRequest("SHA256-Checksum is not 64 hex digits")
    return text.strip().lower()


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        raise BadRequest(f"Logical-Size is {text[:40]!r}, not a number of bytes")
    return int(found[0])

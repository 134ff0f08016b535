"""The filetracker protocol, versions 1 and 2, as pure functions from paths, queries and headers.

They use neither server nor tree nor clock.  A malformed request raises a TrackerRefusal.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from librarian.tracker.client.interfaces import InvalidDate, InvalidName
from librarian.tracker.client.versioned_names import MAX_VERSION, check_name, split_name
from librarian.tracker.client.wire.version_dates import date_to_version
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

# A smaller file is sent plain, and its gzip form is not kept: either goes out in the first round trip of a
# connection (RFC 6928: ten segments), and keeping it would double the files and names of an upload.
SMALLEST_PACKED = 8 << 10  # bytes

# Limits of an upload that does not state its unpacked size.
UNDECLARED_GROWTH = 100  # times the packed size
UNDECLARED_SIZE = 16 << 20  # bytes; this much may come of any upload


class Endpoint(Enum):
    """The first component of a path."""

    FILES = "files"
    LIST = "list"
    HISTORY = "history"
    VERSION = "version"
    TOP = ""


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed path: an endpoint and the name of a file, or of a directory for a list."""

    endpoint: Endpoint
    name: str  # begins with a slash, unquoted
    version: int | None = None  # from name@version


@lru_cache(maxsize=8192)  # the same paths are requested again; parsing takes 10 us of each request
def parse_path(path_info: str) -> Target:
    """Read a WSGI PATH_INFO.  Raises BadName and BadRequest.

    Slashes at both ends are ignored, because a client's base URL may end in one.  An empty component
    between others is refused; filetracker drops all components before it.
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
    """Name and version, by the rules of the client.  Raises BadName."""
    try:
        check_name(name)
        return split_name(name)
    except InvalidName as error:
        raise BadName(name, error.reason) from None


def wanted_version(target: Target, query: Mapping[str, str]) -> int | None:
    """The version that a GET asks for, as ``?version=5`` or ``name@5``; None for the present one.

    Raises BadRequest.
    """
    text = query.get("version")
    if text is None:
        return target.version
    if not _NUMBER.fullmatch(text) or int(text) > MAX_VERSION:
        raise BadRequest(f"version is {text[:40]!r}, not a number of seconds")
    if target.version not in (None, int(text)):
        raise BadRequest("the name asks for one version and the query for another")
    return int(text)


def date_of(query: Mapping[str, str]) -> int | None:
    """``?last_modified=`` as a version; None if it is absent.  Raises BadRequest."""
    return _date(query["last_modified"]) if query.get("last_modified") else None


def put_version(
    query: Mapping[str, str], header: str | None, *, is_version_2: bool
) -> tuple[int | None, Overwrite]:
    """The version of an upload, and the rule by which it overwrites.

    Protocol 2 has the date in the query; protocol 1 has it in the Last-Modified `header`, or not at all:
    then the file becomes the newest version.  `is_version_2`: the upload has a header that only protocol 2
    has (SHA256-Checksum, Logical-Size), so the date is required.  Raises BadRequest.
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
    """The greatest version that a DELETE deletes.  Raises BadRequest."""
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


def declared_upload(
    headers: Mapping[str, str], length: int | None, largest: int, *, is_proven: bool = False
) -> Declared:
    """The size and digests that the headers of an upload declare for its body.

    `headers` has lower-case names; `length` is the Content-Length; `largest` is the limit of a file's size
    (bytes; 0: none).  `is_proven`: the server finds out whether a body without a length is whole.

    Raises BadRequest, LengthRequired, TooLarge, UnknownCoding.
    """
    coding = headers.get("content-encoding", "identity").strip().lower() or "identity"
    if coding not in ("identity", "gzip", "x-gzip"):
        raise UnknownCoding(f"Content-Encoding is {coding[:40]!r}; send gzip or none")
    packed = coding != "identity"
    sha256, size = _sha256(headers.get("sha256-checksum")), _number(headers.get("logical-size"))
    if length is None and sha256 is None and not is_proven:
        # Some WSGI servers do not tell a chunked body that was cut off from one that ended (RFC 9112, 8).
        raise LengthRequired("send a Content-Length, or a SHA256-Checksum that proves the body whole")
    if not packed:
        if None not in (size, length) and size != length:
            raise BadRequest(f"Logical-Size is {size}, but Content-Length is {length}")
        size = length if size is None else size
    if largest and size is not None and size > largest:
        raise TooLarge(largest)
    return Declared(size=size, sha256=sha256, packed=packed, packed_size=length if packed else None)


def most_unpacked(declared: Declared, largest: int) -> int:
    """The most bytes that a gzip upload may unpack to.  `largest` as in declared_upload()."""
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

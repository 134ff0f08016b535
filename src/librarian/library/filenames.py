"""Filenames and media types: what is allowed, and how a name is quoted in a URL."""

import mimetypes
import re
import unicodedata
from urllib.parse import quote, unquote

from librarian.library.interfaces import InvalidContentType, InvalidFilename

#: An alias id in a URL: decimal, without a sign and leading zeros.
ID = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)

LONGEST_NAME = 255  # bytes of UTF-8: what common file systems store
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105  # RFC 9110, 5.6.2
_MEDIA_TYPE = re.compile(rf"{_TOKEN}/{_TOKEN}(?:[ \t]*;[ \t!-~]*)?", re.ASCII)


def check_filename(filename: str) -> str:
    """`filename` itself, at most 255 bytes of UTF-8.  Raises InvalidFilename."""
    if filename in ("", ".", ".."):
        raise InvalidFilename(filename, f"{filename!r} names no file")
    if "/" in filename:
        raise InvalidFilename(filename, "'/' separates names")
    # Cc: control; Cs: a lone surrogate; Zl, Zp: line ends.  Headers and logs cannot carry them.
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in filename):
        raise InvalidFilename(filename, "control characters are not allowed")
    if len(filename.encode()) > LONGEST_NAME:
        raise InvalidFilename(filename, f"longer than {LONGEST_NAME} bytes in UTF-8")
    return filename


def check_content_type(content_type: str) -> str:
    """`content_type` itself if it is a media type (RFC 9110, section 8.3.1).  Raises InvalidContentType."""
    if len(content_type) > LONGEST_NAME or not _MEDIA_TYPE.fullmatch(content_type):
        raise InvalidContentType(content_type)
    return content_type


def media_type_for(filename: str) -> str:
    """The media type that a name's extension suggests, or application/octet-stream."""
    return mimetypes.guess_type(filename)[0] or "application/octet-stream"


def quoted(path: str) -> str:
    """The canonical spelling of a path, percent-encoded (RFC 3986, section 2.1), for URLs and tokens."""
    return quote(path, safe="/~+")


def canonical_path(path: str) -> str:
    """The canonical spelling of a path that is percent-encoded already."""
    return quoted(unquote(path))

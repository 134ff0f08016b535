"""Names and versions: ``/problems/7/in/1.txt@1273000000``.

A name looks like an absolute path.  A version is the time when the file was modified, a whole number of
seconds since 1970; it follows the name after an ``@``.  The rules and their messages are those of
filetracker 1.x.  Components that are empty, ``.`` or too long, and control characters, are refused as well,
because names become paths in caches: two names could have one path there, or a name none.
"""

import re

from librarian.tracker.client.interfaces import InvalidName

MAX_COMPONENT = 254  # bytes in UTF-8: one less than file systems allow, because caches append a mark
MAX_NAME = 2048  # bytes in UTF-8; keeps paths and URLs within common limits
MAX_VERSION = 253_402_300_799  # seconds: the end of the year 9999, the last of an RFC 2822 date (section 3.3)

_VERSION = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def split_name(name: str) -> tuple[str, int | None]:
    """``"/a@5"`` -> ``("/a", 5)``, ``"/a"`` -> ``("/a", None)``.  Raises InvalidName, a ValueError."""
    unversioned, mark, version = name.rpartition("@")
    if not mark:
        return name, None
    if not _VERSION.fullmatch(version):
        raise InvalidName(name, f"version must be int, not {version!r}")
    return unversioned, int(version)


def versioned_name(unversioned_name: str, version: int) -> str:
    """``("/a", 5)`` -> ``"/a@5"``."""
    return f"{unversioned_name}@{version}"


def printable(text: str) -> str:
    """`text` for a terminal: control characters as ``\\x1b``, octets that were not UTF-8 as ``\\udce9``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def check_name(name: object, allow_version: bool = True) -> None:
    """Raise InvalidName, a ValueError, unless `name` may name a file."""
    if not isinstance(name, str):
        raise InvalidName(name, f"not string: {name!r}")
    *directories, last = name.split("/")
    _check_path(name, directories, last)
    if "@" in last and not allow_version:
        raise InvalidName(name, "version not allowed in this API call")
    unversioned, version = split_name(name)
    reason = _bad_characters(unversioned) or _bad_component(unversioned)
    if reason:
        raise InvalidName(name, reason)
    if version is not None and not 0 <= version <= MAX_VERSION:
        raise InvalidName(name, f"version must be between 0 and {MAX_VERSION}, not {version}")


def checked_split(name: str) -> tuple[str, int | None]:
    """check_name() and split_name()."""
    check_name(name)
    return split_name(name)


def _check_path(name: str, directories: list[str], last: str) -> None:
    if not name:
        raise InvalidName(name, "empty name")
    if not directories or directories[0]:
        raise InvalidName(name, "does not start with /")
    if ".." in directories or last == "..":
        raise InvalidName(name, ".. in path")
    if "@" in "".join(directories):
        raise InvalidName(name, "@ in path")
    if last.count("@") > 1:
        raise InvalidName(name, "multiple versions")


def _bad_characters(name: str) -> str | None:
    """The rule that the characters break, or None."""
    if _CONTROL.search(name):
        return "control character in path"
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "not encodable as UTF-8"
    return f"longer than {MAX_NAME} bytes" if size > MAX_NAME else None


def _bad_component(name: str) -> str | None:
    """The rule that a component breaks, or None."""
    for component in name.split("/")[1:]:
        if not component:
            return "empty component in path"
        if component in (".", ".."):
            return f"{component} in path"
        if len(component.encode()) > MAX_COMPONENT:
            return f"component longer than {MAX_COMPONENT} bytes"
    return None

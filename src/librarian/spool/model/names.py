"""Rules for the names that a spool and an FTP server can carry."""

import unicodedata

from librarian.spool.interfaces import READ_LOCK, TEMP_PREFIX, WRITE_LOCK, BadName

MAX_BYTES = 255  # of UTF-8: what ext4, xfs, zfs and most FTP servers allow


def check_name(name: object) -> str:
    """`name` if it is a plain file name, else BadName.

    Control characters are those of ASCII and Latin-1 (Unicode category Cc): in an FTP command a
    newline would begin the next one.  Line and paragraph separators are refused with them.
    """
    if not isinstance(name, str):
        raise BadName(name, "is not a file name")
    if name in {"", ".", ".."}:
        raise BadName(name, "names no file")
    if "/" in name:
        raise BadName(name, "leads out of the spool")
    if any(unicodedata.category(char) in {"Cc", "Zl", "Zp"} for char in name):
        raise BadName(name, "has control characters")
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        raise BadName(name, "is not UTF-8") from None
    if len(encoded) > MAX_BYTES:
        raise BadName(name, f"is longer than {MAX_BYTES} bytes")
    if name.startswith(TEMP_PREFIX):
        raise BadName(name, "is a name for unfinished files")
    return name


def readable(text: str) -> str:
    """`text` without lone surrogates: names and replies of servers may hold bytes that are no UTF-8."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def check_remote_name(name: object) -> str:
    """`name` if it may be given to a file on the FTP server, else BadName.

    A file called like a lock would lock the server for ever, whatever the server's idea of upper
    and lower case.  Servers differ in what they do to blanks at either end; some take a backslash
    for a slash, and ``~`` for a home directory.  All these are refused rather than guessed at.
    """
    name = check_name(name)
    if name.casefold() in {WRITE_LOCK, READ_LOCK}:
        raise BadName(name, "is the name of a lock")
    if name == "~":
        raise BadName(name, "means a home directory to some servers")
    if name != name.strip():
        raise BadName(name, "begins or ends with a blank")
    if "\\" in name:
        raise BadName(name, "has a backslash")
    return name

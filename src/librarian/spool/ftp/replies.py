"""Parsers of servers' replies: codes, times, facts, digests."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

NO_SUCH_COMMAND = {500, 501, 502, 504}  # RFC 959, 4.2.2; 501 for OPTS and HASH of some servers
NO_SUCH_FILE = {550}
NO_FILES = {450, 550}  # how some servers say that a directory is empty

_ITSELF = {"cdir", "pdir"}  # RFC 3659, 7.5.1
_SIZE = re.compile(r"[0-9]{1,18}", re.ASCII)  # of a SIZE reply; more digits are no file's
DIGEST_SIZES = {"sha512": 128, "sha256": 64, "sha1": 40, "md5": 32}  # hex characters


def digest_command(features: Mapping[str, str]) -> tuple[str, str] | None:
    """(hashlib's name, command) by which a server with these features tells digests best."""
    if "HASH" in features:  # draft-bryan-ftpext-hash: the algorithm with the star is in force
        chosen = re.search(r"([\w-]+)\*", features["HASH"])
        algorithm = chosen[1].replace("-", "").lower() if chosen else ""
        if algorithm in DIGEST_SIZES:
            return algorithm, "HASH"
    known = {"XSHA512": "sha512", "XSHA256": "sha256", "XSHA1": "sha1", "XSHA": "sha1", "XMD5": "md5"}
    return next(((algorithm, command) for command, algorithm in known.items() if command in features), None)


def find_digest(algorithm: str, reply: str) -> str | None:
    """The hex digest in a reply, in lower case; None if there is none of the algorithm's length."""
    digits = DIGEST_SIZES[algorithm]
    found = re.search(rf"(?<![0-9A-Fa-f])[0-9A-Fa-f]{{{digits}}}(?![0-9A-Fa-f])", reply)
    return found[0].lower() if found else None


def parse_size(reply: str) -> int | None:
    """The bytes in a reply to SIZE (RFC 3659, 4), or None if it makes no sense."""
    found = _SIZE.fullmatch(reply[4:].strip())
    return int(found[0]) if found else None


def parse_time(text: str) -> datetime | None:
    """A time of RFC 3659, 2.3 (`YYYYMMDDHHMMSS[.sss]`, UTC), or None if it is none."""
    try:
        return datetime.strptime(text.strip()[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def parse_listing(lines: list[str]) -> dict[str, dict[str, str]]:
    """The facts of an MLSD listing (RFC 3659, 7) by name, their keys in lower case.

    The directory itself and the one above it are left out, whatever they are called.
    """
    entries = ((name, _facts(text)) for text, _, name in (line.partition(" ") for line in lines if line))
    return {name: facts for name, facts in entries if facts.get("type", "").lower() not in _ITSELF}


def _facts(text: str) -> dict[str, str]:
    pairs = (fact.partition("=") for fact in text.split(";") if fact)
    return {key.lower(): value for key, _, value in pairs}

"""A parser of request heads (RFC 9112): their syntax, host, framing and persistence.

Pure functions, for any server: bytes in, a Head out, or RequestRefused.  They are strict where two readers
of the same bytes could understand different things (request smuggling, RFC 9112, 11.2): a front end and
this server must agree on where a request ends and which host it is for.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from types import MappingProxyType
from typing import NamedTuple

from librarian.serving.interfaces import RequestRefused

MOST_FIELDS = 500  # lines of a head
LONGEST_LENGTH = 19  # digits of a Content-Length: more than any disk holds
LARGE = 1 << 18  # bytes of a body that is received by the byte store while it arrives
LONGEST_KNOWN = 2048  # bytes of fields that are remembered

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_FIRST_LINE = re.compile(rb"(" + TOKEN + rb") ([\x21-\x7e]+) HTTP/([0-9]\.[0-9])")
_NAME = re.compile(TOKEN)
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_ABSOLUTE = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://([^/?]*)(.*)")
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|[A-Za-z0-9._~\-]{1,253})(?::([0-9]{0,5}))?")
_DIGITS = re.compile(r"[0-9]+")

#: Lower-case name and the values of all its lines, in their order; texts are Latin-1.
Fields = Mapping[str, Sequence[str]]


class Meaning(NamedTuple):
    """The meaning of a head's fields for the server."""

    fields: Fields
    host: str | None  # host or host:port; None: an HTTP/1.0 client does not say
    length: int  # bytes of the body; 0 for one that is chunked
    chunked: bool
    keeps_open: bool  # whether the client wants to send more on this connection
    expects_continue: bool  # whether it waits for 100 before it sends its body


class Head(NamedTuple):
    """The parsed head of a request."""

    method: str
    target: str  # as it was sent
    version: str  # 1.0 or 1.1
    host: str | None  # of the target if that names one, else of the Host field
    path: str  # percent-encoded; "*" for the server itself
    query: str  # what follows the first question mark
    meaning: Meaning


DROPS = "/+drop/"  # behind it links have limits of their own
_ASKED_FIRST = ("upload-", "tus-")  # the names of fields begin with these


def asks_first(head: Head, unpacks_gzip: bool = False) -> bool:
    """Whether the application is asked before the body is read (see BODY_TAKER in web.interfaces).

    `unpacks_gzip`: also of large gzip bodies, whose length is known."""
    if unpacks_gzip and head.method == "PUT" and head.meaning.length > LARGE:
        coding = tokens(head.meaning.fields.get("content-encoding", ()))
        if coding in (["gzip"], ["x-gzip"]):
            return True
    return head.path.startswith(DROPS) or any(name.startswith(_ASKED_FIRST) for name in head.meaning.fields)


def is_judged_first(meaning: Meaning, has_begun: bool) -> bool:
    """Whether the application judges the head before the body is read (see HEAD_ALONE in web.interfaces): the
    client waits for that, or the body is large.  Of one without a length that is not known yet.

    `has_begun`: the body has begun to come."""
    return meaning.length > LARGE or (meaning.expects_continue and not has_begun)


def parse_head(head: bytes) -> Head:
    """Read the first line and the fields; an empty line at the end may be there.  Raises RequestRefused."""
    first, _end, block = head.removesuffix(b"\r\n\r\n").removesuffix(b"\r\n").partition(b"\r\n")
    found = _FIRST_LINE.fullmatch(first)
    if found is None:
        raise RequestRefused("The first line is none of HTTP/1.1.")
    method, target, version = (part.decode("ascii") for part in found.groups())
    if version not in ("1.0", "1.1"):
        raise RequestRefused("HTTP/1.1 and HTTP/1.0 are spoken here.", 505)
    if method != method.upper():
        raise RequestRefused("Methods are written in capital letters.")
    meaning = _known_meaning(block, version) if len(block) <= LONGEST_KNOWN else meaning_of(block, version)
    host, path = split_target(method, target)
    path, _mark, query = path.partition("?")
    # RFC 9112, 3.2.2: the host in the target counts, if there is one.
    return Head(method, target, version, meaning.host if host is None else host, path, query, meaning)


def meaning_of(block: bytes, version: str) -> Meaning:
    """The meaning of a head's lines, without the first.  Raises RequestRefused."""
    fields = parse_fields(block.split(b"\r\n") if block else ())
    host = stated_host(version, fields)
    length, chunked = framing(version, fields)
    waits = expects_continue(version, fields) and (chunked or length > 0)
    return Meaning(fields, host, length, chunked, keeps_open(version, fields), waits)


# A client that keeps its connection sends the same fields with each request, so that reading them anew would
# be the larger part of a small download's cost.  At most 512 KiB are kept.
_known_meaning = lru_cache(maxsize=256)(meaning_of)


def parse_fields(lines: Sequence[bytes]) -> Fields:
    """The fields, a line each; a line that goes on with the one before is refused (RFC 9112, 5.2)."""
    if len(lines) > MOST_FIELDS:
        raise RequestRefused(f"There are more than {MOST_FIELDS} header fields.", 431)
    fields: dict[str, list[str]] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise RequestRefused("A header field cannot be read.")
        fields.setdefault(name.decode("ascii").lower(), []).append(value.strip(b" \t").decode("latin-1"))
    return MappingProxyType({name: tuple(values) for name, values in fields.items()})


def stated_host(version: str, fields: Fields) -> str | None:
    """The Host field, which HTTP/1.1 must have once (RFC 9112, 3.2)."""
    found = fields.get("host", ())
    if not found and version == "1.0":
        return None
    if len(found) != 1:
        raise RequestRefused("HTTP/1.1 takes one Host field.")
    return checked_authority(found[0])


def checked_authority(text: str) -> str:
    """``host`` or ``host:port``; a host in brackets is an IPv6 address.  Raises RequestRefused."""
    found = _AUTHORITY.fullmatch(text)
    if found is None or int(found[2] or 0) > 65535:
        raise RequestRefused("The host is not host:port.")
    if found[1] is not None:
        try:
            IPv6Address(found[1])
        except AddressValueError:
            raise RequestRefused("The host in brackets is no IPv6 address.") from None
    return text


def split_target(method: str, target: str) -> tuple[str | None, str]:
    """Host (None: the target does not say) and path with query of a request's target (RFC 9112, 3.2)."""
    if method == "CONNECT":
        raise RequestRefused("This is no proxy.", 501)
    if "#" in target:
        raise RequestRefused("A request's target has no fragment.")
    if target.startswith("/"):
        return None, target
    if target == "*" and method == "OPTIONS":
        return None, target
    found = _ABSOLUTE.fullmatch(target)
    if found is None or found[1].lower() not in ("http", "https"):
        raise RequestRefused("The target is neither a path nor a URL of http.")
    path = found[3]
    return checked_authority(found[2]), path if path.startswith("/") else f"/{path}"


def framing(version: str, fields: Fields) -> tuple[int, bool]:
    """The length of the body in bytes, and whether it is chunked instead (RFC 9112, 6)."""
    codings, lengths = fields.get("transfer-encoding"), fields.get("content-length")
    if codings is None:
        return (0 if lengths is None else checked_length(lengths)), False
    if lengths is not None:
        raise RequestRefused("Content-Length and Transfer-Encoding contradict each other.")
    if version == "1.0":
        raise RequestRefused("HTTP/1.0 has no Transfer-Encoding.")
    stated = tokens(codings)
    if any(coding != "chunked" for coding in stated):
        raise RequestRefused("Of transfer codings chunked is known.", 501)
    if len(stated) != 1:
        raise RequestRefused("Transfer-Encoding is chunked, once.")
    return 0, True


def checked_length(values: Sequence[str]) -> int:
    """A Content-Length: one line of digits, and no larger than a disk can be."""
    text = values[0]
    if len(values) != 1 or _DIGITS.fullmatch(text) is None:
        raise RequestRefused("Content-Length is one number of bytes.")
    text = text.lstrip("0") or "0"
    if len(text) > LONGEST_LENGTH:
        raise RequestRefused(f"Content-Length has more than {LONGEST_LENGTH} digits.")
    return int(text)


def keeps_open(version: str, fields: Fields) -> bool:
    """Whether the connection is to persist behind the answer (RFC 9112, 9.3)."""
    options = tokens(fields.get("connection", ()))
    if "close" in options:
        return False
    return version == "1.1" or "keep-alive" in options


def expects_continue(version: str, fields: Fields) -> bool:
    """Whether Expect asks for 100; another expectation cannot be met (RFC 9110, 10.1.1)."""
    expected = tokens(fields.get("expect", ()))
    if version == "1.0" or not expected:
        return False
    if any(each != "100-continue" for each in expected):
        raise RequestRefused("Of expectations 100-continue is known.", 417)
    return True


def tokens(values: Sequence[str]) -> list[str]:
    """The members of a field that is a list of words, in small letters."""
    members = (member.strip(" \t").lower() for value in values for member in value.split(","))
    return [member for member in members if member]

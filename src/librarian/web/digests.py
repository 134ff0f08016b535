"""Digest fields (RFC 9530).  http-sf reads the dictionaries they are written in (RFC 9651, section 3.2);
it is kept by an author of that RFC."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

from http_sf import parse

from librarian.web.interfaces import MalformedDigest

MAX_FIELD_LENGTH = 4000  # characters; a dozen digests fit
# What can be checked here, by the names registered for HTTP, and the lengths in bytes.  RFC 9530,
# section 5, calls md5 and sha (which is SHA-1) insecure: against accidents they still tell.
_CHECKABLE = {"sha-512": 64, "sha-256": 32, "sha": 20, "md5": 16}
CONTENT_FIELDS = ("Content-Digest", "Content-MD5")  # about the bytes of this request
WHOLE_FIELDS = ("Repr-Digest", "Digest")  # about the whole file
ALL_FIELDS = (*CONTENT_FIELDS, *WHOLE_FIELDS)


def declared_digests(field: str) -> dict[str, str]:
    """The digests in a Repr-Digest or Content-Digest field that can be checked here.

    Keys are the algorithms as the field names them, `sha-512`, `sha-256`, `sha` and `md5`; values are
    lower-case hex.  Algorithms unknown here are left out, as the RFC has it: an empty result means that
    nothing was declared that could prove the bytes whole.  Raises MalformedDigest.
    """
    digests = {}
    for algorithm, (value, _parameters) in _dictionary(field).items():
        if algorithm not in _CHECKABLE:
            continue
        if not isinstance(value, bytes):
            raise MalformedDigest(field, f"the value of {algorithm} is not a byte sequence")
        if len(value) != _CHECKABLE[algorithm]:
            raise MalformedDigest(field, f"{algorithm} has {_CHECKABLE[algorithm]} bytes, not {len(value)}")
        digests[algorithm] = value.hex()
    return digests


def promised_digests(environ: Mapping[str, Any], names: Collection[str] = ALL_FIELDS) -> dict[str, str]:
    """All digests a request declares of its body: what declared_digests() says of Content-Digest and
    Repr-Digest, and the older Digest (RFC 3230, section 4.3.2) and Content-MD5 (RFC 1864).

    Without a Content-Range the content's digest and the representation's are the same; where the body is a
    part of a file, `names` picks the fields about the one or the other.  Raises
    MalformedDigest, also where digests contradict each other, and where none of those declared can
    be checked here: a client that declares one means to be protected by it.
    """
    found: dict[str, str] = {}
    declared = False
    for name, read in _readers().items():
        key = f"HTTP_{name.upper().replace('-', '_')}"
        if name in names and key in environ:
            declared = True
            _join(found, read(environ[key]), name)
    trailers = {each.strip().lower() for each in environ.get("HTTP_TRAILER", "").split(",")}
    if trailers & {"content-digest", "repr-digest", "digest", "content-md5"}:
        raise MalformedDigest(environ["HTTP_TRAILER"], "a digest in a trailer is not read; send it before")
    if declared and not found:
        raise MalformedDigest("", f"none that can be checked; known are {', '.join(_CHECKABLE)}")
    return found


def _readers() -> dict[str, Callable[[str], dict[str, str]]]:
    structured = dict.fromkeys(("Content-Digest", "Repr-Digest"), declared_digests)
    return {**structured, "Digest": _old, "Content-MD5": _md5}


def _join(found: dict[str, str], more: Mapping[str, str], name: str) -> None:
    for algorithm, digest in more.items():
        if found.setdefault(algorithm, digest) != digest:
            raise MalformedDigest(name, f"{name} and another field contradict each other about {algorithm}")


def _old(field: str) -> dict[str, str]:
    """``SHA-256=...,md5=...``, in Base64; names in any case."""
    found: dict[str, str] = {}
    for member in field[:MAX_FIELD_LENGTH].split(","):
        algorithm, _equals, value = member.strip().partition("=")
        if algorithm.lower() in _CHECKABLE:
            _join(found, {algorithm.lower(): _hex(field, algorithm.lower(), value)}, "Digest")
    return found


def _md5(field: str) -> dict[str, str]:
    return {"md5": _hex(field, "md5", field.strip())}


def _hex(field: str, algorithm: str, value: str) -> str:
    try:
        digest = b64decode(value.encode("ascii"), validate=True)
    except ValueError:  # binascii.Error and UnicodeEncodeError are both one
        raise MalformedDigest(field, f"{algorithm} is no Base64") from None
    if len(digest) != _CHECKABLE[algorithm]:
        raise MalformedDigest(field, f"{algorithm} has {_CHECKABLE[algorithm]} bytes, not {len(digest)}")
    return digest.hex()


def wants_sha256(field: str) -> bool:
    """Whether a Want-Repr-Digest field (RFC 9530, section 4) gives sha-256 a weight from 1 to 10.

    The field is a preference: a malformed one wants nothing, and never makes a request fail.
    """
    try:
        weight, _parameters = _dictionary(field).get("sha-256", (0, {}))
    except MalformedDigest:
        return False
    return type(weight) is int and 1 <= weight <= 10  # a bare `sha-256` is the boolean True, no weight


def repr_digest(sha256: str) -> str:
    """The value of a Repr-Digest field (RFC 9530, section 3) for bytes with this sha256 (hex)."""
    return f"sha-256=:{b64encode(bytes.fromhex(sha256)).decode('ascii')}:"


def _dictionary(field: str) -> dict[str, Any]:
    if len(field) > MAX_FIELD_LENGTH:
        raise MalformedDigest(field, f"longer than {MAX_FIELD_LENGTH} characters")
    try:
        return cast(dict[str, Any], parse(field.encode("ascii"), tltype="dictionary"))
    except ValueError as error:  # StructuredFieldError and UnicodeEncodeError are both one
        raise MalformedDigest(field, str(error)) from error

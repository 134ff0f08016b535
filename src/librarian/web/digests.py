"""Digest fields: RFC 9530.  http-sf reads the structured fields they are written in (RFC 9651);
it is kept by an author of that RFC."""

from base64 import b64encode
from typing import Any, cast

from http_sf import parse

from librarian.web.interfaces import MalformedDigest

MAX_FIELD_LENGTH = 4000  # characters; a dozen digests fit
# What can be checked here, by the names registered for HTTP, and the lengths in bytes.  RFC 9530 calls
# md5 and sha (which is SHA-1) insecure: against accidents they still tell.
_CHECKABLE = {"sha-256": 32, "sha": 20, "md5": 16}


def declared_digests(field: str) -> dict[str, str]:
    """What a Repr-Digest or Content-Digest field says of bytes that can be checked here.

    Keys are the algorithms as the field names them, `sha-256`, `sha` and `md5`; values are lower-case
    hex.  Algorithms unknown here are left out, as the RFC has it: an empty result means that nothing
    was declared that could prove the bytes whole.  Raises MalformedDigest.
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


def wants_sha256(field: str) -> bool:
    """Whether a Want-Repr-Digest field gives sha-256 a weight from 1 to 10.

    The field is a preference: a malformed one wants nothing, and never makes a request fail.
    """
    try:
        weight, _parameters = _dictionary(field).get("sha-256", (0, {}))
    except MalformedDigest:
        return False
    return type(weight) is int and 1 <= weight <= 10  # a bare `sha-256` is the boolean True, no weight


def repr_digest(sha256: str) -> str:
    """The value of a Repr-Digest field for bytes with this sha256 (hex)."""
    return f"sha-256=:{b64encode(bytes.fromhex(sha256)).decode('ascii')}:"


def _dictionary(field: str) -> dict[str, Any]:
    if len(field) > MAX_FIELD_LENGTH:
        raise MalformedDigest(field, f"longer than {MAX_FIELD_LENGTH} characters")
    try:
        return cast(dict[str, Any], parse(field.encode("ascii"), tltype="dictionary"))
    except ValueError as error:  # StructuredFieldError and UnicodeEncodeError are both one
        raise MalformedDigest(field, str(error)) from error

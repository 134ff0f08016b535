"""Declarations of a request about its body are checked, or refused: on every endpoint, for every view.

A digest is compared while the body is read, whichever view reads it.  The views of resumable uploads compare
those of their pieces themselves (see parts).
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from io import RawIOBase
from typing import Any

from librarian.store.interfaces import DigestMismatch
from librarian.web.digests import promised_digests
from librarian.web.interfaces import BODY_TAKER, CALLED_AGAIN, HEAD_ALONE, MalformedDigest
from librarian.web.requests.parts import WITHOUT_BODY, part_field, refuse_ranges
from librarian.web.requests.received import FORM, ReceivedInput, check_received

_HASHES = {"sha-512": "sha512", "sha-256": "sha256", "sha": "sha1", "md5": "md5"}
_PROMISE = "librarian.promise"  # in the WSGI environ
_READ = "librarian.body_read"  # in the WSGI environ: the body may have been read


class PromisedBody(RawIOBase):
    """A request body that ends in DigestMismatch, before its last bytes are given out, if it is not
    what was promised."""

    def __init__(self, stream: Any, size: int | None, digests: Mapping[str, str]) -> None:
        super().__init__()
        self.stream = stream
        self._size = size
        self._promised = digests
        self._begin()

    def _begin(self) -> None:
        self._left = self._size
        self._hashes = {name: hashlib.new(_HASHES[name], usedforsecurity=False) for name in self._promised}

    def rewind(self) -> None:
        """Have it read from its start.  Raises what rewind() raises."""
        rewind(self.stream)
        self._begin()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes (-1: all); at the end the digests are compared.  Raises DigestMismatch."""
        wanted = size
        if self._left is not None:
            wanted = self._left if size < 0 else min(size, self._left)
        block: bytes = self.stream.read(wanted) if wanted else b""
        for digest in self._hashes.values():
            digest.update(block)
        if self._left is not None:
            self._left -= len(block)
        if self._left == 0 or (self._left is None and (size < 0 or (size and not block))):
            self._check()
        return block

    def readinto(self, buffer: Any) -> int:
        """As read(), into `buffer`; the number of bytes."""
        block = self.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def _check(self) -> None:
        for name, promised in self._promised.items():
            found = self._hashes[name].hexdigest()
            if found != promised:
                raise DigestMismatch(_HASHES[name], promised, found)


def hold_to_promises(environ: dict[str, Any]) -> None:
    """Have the body checked against its headers' digests when it is read.

    Raises MalformedDigest, HTTPBadRequest; DigestMismatch where the body is at hand already.
    """
    if environ["REQUEST_METHOD"] in WITHOUT_BODY:
        return
    refuse_ranges(environ)
    if part_field(environ) is not None:
        return
    digests = promised_digests(environ)
    environ[_PROMISE] = digests
    if not digests or FORM in environ:  # a form was compared while it arrived
        return
    if BODY_TAKER in environ or HEAD_ALONE in environ:  # it has not come yet
        return
    size = _size(environ)
    stream = environ["wsgi.input"]
    if isinstance(stream, ReceivedInput):
        stream.hold_to(by_hash(digests))
        if size == 0 or environ.get("webob.is_body_seekable"):
            stream.check()
    elif environ.get("webob.is_body_seekable"):
        stream.seek(0)
        _read_through(PromisedBody(stream, size, digests))
        stream.seek(0)
    elif size == 0:
        PromisedBody(stream, size, digests).read()
    else:
        environ["wsgi.input"] = PromisedBody(stream, size, digests)


def check_part(headers: Iterable[tuple[str, str]], file: Any) -> None:
    """The same for a file in a form, whose part has headers of its own; `file` is left at its start.

    Raises MalformedDigest, DigestMismatch.
    """
    stated = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers}
    digests = promised_digests(stated)
    received = getattr(file, "received", None)
    if received is not None:
        check_received(received, by_hash(digests))
    elif digests:
        file.seek(0)
        _read_through(PromisedBody(file, None, digests))
    file.seek(0)


def take_over(environ: dict[str, Any], algorithms: Collection[str]) -> dict[str, str]:
    """The promised digests of these algorithms, lower-case hex by the names that HTTP has for them.

    The caller compares them; the body, not read yet, then only does so with the others.
    """
    digests: dict[str, str] = environ.get(_PROMISE, {})
    stream = environ["wsgi.input"]
    left = {name: digest for name, digest in digests.items() if name not in algorithms}
    if isinstance(stream, ReceivedInput):
        stream.hold_to(by_hash(left))
    elif isinstance(stream, PromisedBody):
        environ["wsgi.input"] = PromisedBody(stream.stream, _size(environ), left)
    return {name: digest for name, digest in digests.items() if name in algorithms}


def begin_body(environ: dict[str, Any]) -> None:
    """Have the body read from its start; for views that may store it once more.

    Only what was read before is rewound: a server's stream need not begin at its position 0.
    """
    if environ.get(_READ) or CALLED_AGAIN in environ:
        with suppress(AttributeError, OSError):  # of a stream that cannot be rewound nothing more comes
            rewind(environ["wsgi.input"])
    environ[_READ] = True


def rewind(stream: Any) -> None:
    """Set a body back to its start.  Raises AttributeError or OSError where that cannot be done."""
    own = getattr(stream, "rewind", None)
    if own is None:
        stream.seek(0)
    else:
        own()


def promises(environ: Mapping[str, Any]) -> Mapping[str, str]:
    """All digests that were promised of the body."""
    found: Mapping[str, str] = environ.get(_PROMISE, {})
    return found


def promised_hashes(environ: Mapping[str, Any]) -> Mapping[str, str]:
    """The digests that the headers promise of the body, by hashlib's names; none if a field is malformed,
    which hold_to_promises() refuses."""
    try:
        return by_hash(promised_digests(environ))
    except MalformedDigest:
        return {}


def by_hash(digests: Mapping[str, str]) -> dict[str, str]:
    """Digests by hashlib's names for what HTTP calls `sha-256` and so on."""
    return {_HASHES[name]: digest for name, digest in digests.items()}


def _size(environ: Mapping[str, Any]) -> int | None:
    stated = environ.get("CONTENT_LENGTH") or ""
    return int(stated) if stated.isascii() and stated.isdigit() else None


def _read_through(body: PromisedBody) -> None:
    while body.read(1 << 18):
        pass

"""The body of an upload and the headers that describe it."""

import gzip
import os
import tempfile
import zlib
from dataclasses import dataclass
from typing import BinaryIO, cast

from librarian.net.exact_bodies import DeclaredBody
from librarian.net.interfaces import WrongLength
from librarian.tracker.client.copying import copy_hashing
from librarian.tracker.client.interfaces import FileChanged

_SAMPLE = 64 * 1024  # bytes of a file that are packed on trial
_WORTH_PACKING = 0.9  # of the sample's size
_IN_MEMORY = 1024 * 1024  # bytes of a packed upload that are kept in memory rather than in a file


@dataclass(frozen=True)
class Upload:
    """A body, positioned at its beginning, and its headers; closing the body is up to the caller."""

    body: BinaryIO
    headers: dict[str, str]
    sha256: str  # hex, of the plain file


def prepare_upload(file: BinaryIO, *, may_pack: bool) -> Upload:
    """The upload of an open file, as gzip if that is allowed and makes it notably smaller.

    Of a file that grows meanwhile it is what the file holds now; `file` itself is the body if it is not
    packed.  Raises FileChanged if the file becomes shorter.
    """
    size = os.fstat(file.fileno()).st_size
    try:
        if may_pack and _is_worth_packing(file):
            body, sha256 = _pack(file, size)
            headers = {"Content-Encoding": "gzip", "Logical-Size": str(size)}
            size = body.seek(0, os.SEEK_END)
        else:
            sha256, _size = copy_hashing(_beginning(file, size), None)
            body, headers = file, {}
    except WrongLength as error:
        raise FileChanged(str(error)) from None
    body.seek(0)
    headers |= {
        "SHA256-Checksum": sha256,
        "Content-Length": str(size),
        "Content-Type": "application/octet-stream",
    }
    return Upload(body, headers, sha256)


def _is_worth_packing(file: BinaryIO) -> bool:
    sample = file.read(_SAMPLE)
    file.seek(0)
    return len(zlib.compress(sample, 1)) < _WORTH_PACKING * len(sample)


def _beginning(file: BinaryIO, size: int) -> BinaryIO:
    """The next `size` bytes of a file that may grow."""
    return cast(BinaryIO, DeclaredBody(file, size, may_grow=True))


def _pack(file: BinaryIO, size: int) -> tuple[BinaryIO, str]:
    """The next `size` bytes of the file as gzip, and the sha256 in hex of what went in.

    A temporary file, because the original server must be told the packed size beforehand.
    """
    draft = tempfile.SpooledTemporaryFile(_IN_MEMORY, prefix="tracker-")  # noqa: SIM115  # the caller closes it
    with gzip.GzipFile(fileobj=cast(BinaryIO, draft), mode="wb", compresslevel=4, mtime=0) as packer:
        sha256, _size = copy_hashing(_beginning(file, size), cast(BinaryIO, packer))
    return cast(BinaryIO, draft), sha256

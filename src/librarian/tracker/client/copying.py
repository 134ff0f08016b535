"""Bytes of local files: copied and hashed."""

import hashlib
import os
import shutil
from typing import BinaryIO, Protocol

BUFFER = 256 * 1024  # bytes


class Readable(Protocol):
    """The part of a stream that is used: read() returns up to `size` bytes, b"" at its end."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes, all for -1; b"" at the end."""


def copy_hashing(source: Readable, target: BinaryIO | None) -> tuple[str, int]:
    """Copy to the end, or only read if there is no target; sha256 in hex and size in bytes."""
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(BUFFER):
        digest.update(chunk)
        if target is not None:
            target.write(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def copy_bytes(source: BinaryIO, target: BinaryIO) -> None:
    """Copy a file in the kernel, sharing its blocks where the file system can (reflink)."""
    target.flush()
    try:
        while os.copy_file_range(source.fileno(), target.fileno(), 1 << 30):
            pass
    except OSError:  # another file system, or one that cannot: go on from where it stopped
        shutil.copyfileobj(source, target, BUFFER)


def file_digest(path: str) -> str:
    """The sha256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

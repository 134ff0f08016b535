"""Small steps on a local file system that either happen whole or do not happen."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, Protocol

BUFFER = 256 * 1024  # bytes


class Readable(Protocol):
    """All that is asked of a stream: up to `size` bytes, b"" at its end."""

    def read(self, size: int = -1, /) -> bytes: ...


def make_directory(path: str) -> None:
    """Make `path` and what is above it; only its owner may look inside.

    A neighbour may remove a directory that is empty for a moment, while we are at the one below it.
    """
    for _attempt in range(100):
        try:
            os.makedirs(path, 0o700, exist_ok=True)
        except FileNotFoundError:
            continue
        except FileExistsError:
            if os.path.lexists(path) and not os.path.isdir(path):
                raise  # a file, and not a directory that was there and is gone
            continue
        return
    os.makedirs(path, 0o700, exist_ok=True)


def remove_empty_directories(path: str, root: str) -> None:
    """Remove `path` and what is above it up to, not including, `root`, while they are empty."""
    while path != root and path.startswith(root):
        try:
            os.rmdir(path)
        except OSError:
            return  # not empty, or already gone
        path = os.path.dirname(path)


@contextmanager
def replacing(
    path: str, *, version: int | None = None, temporary: str | None = None, durable: bool = False
) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` in one step when the block ends without an error.

    Before that it is written in the directory `temporary` (by default the one of `path`), which
    must be on the same file system.  `version` becomes its modification time.  `durable` makes
    file and name survive a loss of power.  After an error nothing is left and `path` is untouched.
    """
    directory = os.path.dirname(path) or "."
    draft = os.path.join(temporary or directory, f".{secrets.token_hex(12)}.part")
    with open(draft, "xb") as file:
        try:
            yield file
            file.flush()
            if version is not None:
                os.utime(file.fileno(), (version, version))
            if durable:
                os.fsync(file.fileno())
            move_into_place(draft, path)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(draft)
            raise
    if durable:
        sync_directory(directory)


def move_into_place(draft: str, path: str) -> None:
    """Rename; makes the directory again if a neighbour's clean-up took it while it was empty."""
    for _attempt in range(100):
        try:
            os.replace(draft, path)
            return
        except FileNotFoundError:
            if not os.path.exists(draft):
                raise
            make_directory(os.path.dirname(path))
    os.replace(draft, path)


def sync_directory(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


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

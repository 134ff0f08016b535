"""The index beside a FileStorage: a cache, used only if it is whole and belongs to this file.

FileStorage looks at five records of an index and believes the rest; one zeroed page in it then breaks
every start, or hides objects.  So what is saved ends with a seal: a digest of all that comes before it, and
a digest of both ends of the data that it describes.  FileStorage's own reader stops before the seal.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

from librarian.durable import FILE_MODE, sync_directory, sync_file

SEAL = b"\nlibrarian-index1"
DIGEST_BYTES = 32
SEAL_BYTES = len(SEAL) + 8 + 2 * DIGEST_BYTES
ENDS_BYTES = 1 << 16  # how much of each end of the data is digested


def save_index(index: Any, size: int, path: Path, data: Path) -> None:
    """Save a FileStorage's index of the first `size` bytes of `data`, durably or not at all."""
    unfinished = path.with_name(f"{path.name}.index_tmp")
    try:
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
        unfinished.chmod(FILE_MODE)
        index.save(size, str(unfinished))
        digest = _digest(unfinished, unfinished.stat().st_size)
        with unfinished.open("ab") as file:
            file.write(SEAL + size.to_bytes(8) + _ends(data, size) + digest)
        sync_file(unfinished)
        unfinished.replace(path)
        sync_directory(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)


def why_unfit(path: Path, data: Path) -> str:
    """The reason not to use an index, a phrase; empty if it can be used."""
    try:
        with path.open("rb") as file:
            length = os.fstat(file.fileno()).st_size - SEAL_BYTES
            if length < 0:
                return "it is cut short"
            file.seek(length)
            seal = file.read()
        if not seal.startswith(SEAL):
            return "it has no seal: an older version wrote it, or it is cut short"
        size = int.from_bytes(seal[len(SEAL) : len(SEAL) + 8])
        ends, digest = seal[-2 * DIGEST_BYTES : -DIGEST_BYTES], seal[-DIGEST_BYTES:]
        if _digest(path, length) != digest:
            return "it is damaged"
        if data.stat().st_size < size or _ends(data, size) != ends:
            return "it is of another state of the file"
    except OSError as error:
        return f"it cannot be read: {error}"
    return ""


def described(path: Path, data: Path) -> int:
    """The number of bytes of the data that a believable index describes; 0 if there is none."""
    return 0 if why_unfit(path, data) else known(path)


def known(path: Path) -> int:
    """The length of the data file in bytes when this index was saved; 0 without a readable, sealed index."""
    try:
        with path.open("rb") as file:
            length = os.fstat(file.fileno()).st_size - SEAL_BYTES
            file.seek(max(length, 0))
            seal = file.read()
        if seal.startswith(SEAL) and _digest(path, length) == seal[-DIGEST_BYTES:]:
            return int.from_bytes(seal[len(SEAL) : len(SEAL) + 8])
    except OSError:
        return 0  # no such file, or an I/O error
    return 0


def _digest(path: Path, length: int) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while length and (piece := file.read(min(length, 1 << 20))):
            digest.update(piece)
            length -= len(piece)
    return digest.digest()


def _ends(data: Path, size: int) -> bytes:
    with data.open("rb") as file:
        digest = hashlib.sha256(file.read(min(size, ENDS_BYTES)))
        file.seek(max(size - ENDS_BYTES, 0))
        digest.update(file.read(min(size, ENDS_BYTES)))
    return digest.digest()

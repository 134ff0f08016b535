"""What the tests of the byte stores share."""

import hashlib
import io
import os
import subprocess
import tempfile
import unittest
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from zope.interface import implementer

from librarian.interfaces import IClock
from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import IByteStore

MIB = 1 << 20
NOON = datetime(2005, 9, 17, 12, tzinfo=UTC)


@implementer(IClock)
class HandClock:
    """Shows what it was set to."""

    def __init__(self, time: datetime = NOON) -> None:
        self.time = time

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()


def pattern(length: int) -> bytes:
    """Bytes of a given length that repeat only every few dozen."""
    return (b"The quick brown fox jumps over %d lazy dogs. " % length * (length // 40 + 1))[:length]


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class DiskStoreTestCase(unittest.TestCase):
    """A disk store in a folder of its own, `root`, with a clock to move by hand."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.root = self.folder / "store"
        self.clock = HandClock()
        self.store: IByteStore = DiskStore(self.root, self.clock)

    def put(self, data: bytes) -> str:
        return self.store.put(io.BytesIO(data)).sha256

    def read(self, sha256: str) -> bytes:
        with self.store.open(sha256) as file:
            return file.read()

    def path(self, sha256: str) -> Path:
        return self.root / sha256[:2] / sha256[2:4] / sha256

    def damage(self, sha256: str) -> None:
        """Flip a bit, as a medium that rots would: without a new modification time."""
        path = self.path(sha256)
        data, times = path.read_bytes(), path.stat()
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def files(self) -> list[str]:
        """Every file below the root, whatever it is."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if not path.is_dir())

    def mount(self, size: str) -> Path:
        """A file system of a given size (as mount(8) spells it) until the end of the test."""
        volume = self.folder / "volume"
        volume.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(volume)]
        with suppress(OSError):
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                self.addCleanup(subprocess.run, ["umount", "--lazy", str(volume)], check=True)
                return volume
        raise unittest.SkipTest("this user may not mount file systems here")

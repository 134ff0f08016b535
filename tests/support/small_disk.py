"""A small disk to fill up, where one may be mounted."""

import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from tools.runner.left_out import left_out


class SmallDisk:
    """A file system of `mib` MiB in memory while `test` lasts, which is skipped where there is none."""

    def __init__(self, test: unittest.TestCase, mib: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="librarian-small-disk-"))
        test.addCleanup(self.folder.rmdir)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(self.folder)]
        if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
            test.skipTest(left_out("a disk that is full", "nothing may be mounted here"))
        test.addCleanup(subprocess.run, ["umount", "-l", str(self.folder)], check=True)
        self._filler = self.folder / "filler"

    def fill(self, leave: int = 0) -> None:
        """Leave no more than so many bytes free."""
        with self._filler.open("ab", buffering=0) as file:
            while (free := shutil.disk_usage(self.folder).free - leave) > 0:
                try:
                    file.write(bytes(min(free, 1 << 20)))
                except OSError:
                    return

    def relieve(self) -> None:
        """Free what fill() took."""
        self._filler.unlink(missing_ok=True)

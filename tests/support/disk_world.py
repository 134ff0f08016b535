"""The world of tests in memory, with its bytes in a folder."""

import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from zope.component import getUtility
from zope.interface.interfaces import IMethod

from librarian.interfaces import IClock
from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import IByteStore


def bytes_on_disk(test: unittest.TestCase, store: Any, root: Path | None = None) -> Path:
    """Have `store`, which the application knows, act as a DiskStore until the test ends; its folder."""
    if root is None:
        folder = tempfile.TemporaryDirectory()
        test.addCleanup(folder.cleanup)
        root = Path(folder.name) / "bytes"
    disk = DiskStore(root, getUtility(IClock))
    for name, attribute in IByteStore.namesAndDescriptions():
        if IMethod.providedBy(attribute) and not name.startswith("__"):
            patch = mock.patch.object(store, name, getattr(disk, name))
            patch.start()
            test.addCleanup(patch.stop)
    return root


def files_below(root: Path) -> list[str]:
    """What is held, and what was left in ``incoming``."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

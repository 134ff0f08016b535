"""The folder that a server's processes share: those of killed servers go, those of living ones stay."""

import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from librarian.serving.workers import folder
from librarian.serving.workers.folder import Folder


class Folders(unittest.TestCase):
    def setUp(self) -> None:
        self.base = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(mock.patch.object(folder, "IN_MEMORY", self.base))

    def test_the_next_server_removes_what_a_killed_one_has_left(self) -> None:
        killed, living = Folder(), Folder()
        self.addCleanup(living.remove)
        assert killed._lock is not None
        os.close(killed._lock)  # as the kernel does
        found = Folder()
        self.assertEqual(set(self.base.iterdir()), {living.path, found.path})
        found.remove()
        self.assertEqual(list(self.base.iterdir()), [living.path])

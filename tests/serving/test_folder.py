"""The folder that a server's processes share: those of killed servers go, those of living ones stay."""

import fcntl
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

    def test_a_server_that_starts_at_the_same_moment_leaves_the_folder_alone(self) -> None:
        begun: list[Folder] = []
        flock = fcntl.flock
        another = iter((Folder,))

        def after_another_has_started(file: int, how: int) -> None:
            begun.extend(make() for make in another)
            flock(file, how)

        with mock.patch.object(fcntl, "flock", after_another_has_started):
            begun.append(Folder())
        self.assertEqual([(each.path / "lock").exists() for each in begun], [True, True])
        for each in begun:
            each.remove()
        self.assertEqual(list(self.base.iterdir()), [])

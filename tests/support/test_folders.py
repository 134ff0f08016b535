"""Removing a folder in which another process is at work."""

import os
import socket
import tempfile
from pathlib import Path
from unittest import TestCase
from unittest.mock import patch

from tests.support.folders import remove_folder


class Removing(TestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        agent = socket.socket(socket.AF_UNIX)
        self.addCleanup(agent.close)
        agent.bind(str(self.folder / "S.agent"))

    def test_a_socket_that_its_owner_removes_meanwhile(self) -> None:
        unlink = os.unlink

        def twice(path: str, *, dir_fd: int | None = None) -> None:
            unlink(path, dir_fd=dir_fd)
            unlink(path, dir_fd=dir_fd)  # ours comes second, and finds nothing

        with patch("os.unlink", twice):
            remove_folder(self.folder)
        self.assertFalse(self.folder.exists())

    def test_a_file_that_comes_in_meanwhile(self) -> None:
        rmdir, late = os.rmdir, [self.folder / "late"]

        def after_one_more(path: str, *, dir_fd: int | None = None) -> None:
            while late:
                late.pop().touch()
            rmdir(path, dir_fd=dir_fd)

        with patch("os.rmdir", after_one_more):
            remove_folder(self.folder)
        self.assertFalse(self.folder.exists())

    def test_what_may_not_be_removed_is_an_error(self) -> None:
        with patch("os.unlink", side_effect=PermissionError), self.assertRaises(PermissionError):
            remove_folder(self.folder)
        remove_folder(self.folder)

"""Troubles of the machine end a command in one line."""

import errno
import subprocess
import sys
import unittest
import warnings
from tempfile import TemporaryDirectory
from unittest import mock

import click
from click.testing import CliRunner

from librarian.commands import main
from librarian.interfaces import LibrarianError
from librarian.tree.engines import sharing
from librarian.tree.interfaces import TreeUnavailable
from librarian.tree.opening import open_database


class OneLine(unittest.TestCase):
    def told(self, error: Exception) -> str:
        @click.command()
        def failing() -> None:
            raise error

        with mock.patch.object(main.LibrarianGroup, "get_command", lambda *arguments: failing):
            result = CliRunner().invoke(main.librarian, ["gc"])
        self.assertEqual(result.exit_code, 1)
        return result.output.splitlines()[-1]  # before it, what others warn of

    def test_errors(self) -> None:
        for error, line in (
            (TimeoutError(), "the other side took too long to answer"),
            (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
            (PermissionError(errno.EACCES, "Permission denied", "/srv"), "/srv: Permission denied"),
            (LibrarianError("two\n lines"), "two lines"),
            (LibrarianError(), "LibrarianError"),
        ):
            with self.subTest(line=line):
                self.assertEqual(self.told(error), f"Error: {line}")

    def test_a_warning_of_setuptools_is_hidden_and_others_are_not(self) -> None:
        with warnings.catch_warnings(record=True) as caught, mock.patch.object(main, "librarian"):
            warnings.simplefilter("always")
            main.main()
            warnings.warn("pkg_resources is deprecated as an API. See https://", UserWarning, stacklevel=1)
            warnings.warn("another", UserWarning, stacklevel=1)
        self.assertEqual([str(each.message) for each in caught], ["another"])

    def test_a_server_that_does_not_answer(self) -> None:
        """Another process has the lock, and no process answers at the socket."""
        with TemporaryDirectory() as folder, mock.patch.object(sharing, "PATIENCE_SECONDS", 0.2):
            hold = (
                f"import sys; from zc.lockfile import LockFile; held = LockFile({folder + '/Data.fs.lock'!r})"
            )
            holder = subprocess.Popen(
                [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {hold}; print(); input()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            self.addCleanup(holder.kill)
            assert holder.stdout is not None
            holder.stdout.readline()
            with self.assertRaisesRegex(TreeUnavailable, "another process has it open, and does not answer"):
                open_database(f"file://{folder}/Data.fs")
            holder.communicate()

"""Connections counted by descriptors, and a listener that finds none left."""

import errno
import resource
import unittest
from types import SimpleNamespace
from typing import Any
from unittest import mock

from librarian.serving.admission import BESIDE_CONNECTIONS, FEWEST, Admission, allow_descriptors

INFINITE = resource.RLIM_INFINITY


class Limits(unittest.TestCase):
    def allowed(self, soft: int, hard: int, refuses: bool = False) -> int:
        self.obtained = soft

        def set_limit(kind: int, limits: tuple[int, int]) -> None:
            if refuses:
                raise ValueError("not allowed to raise maximum limit")
            self.obtained = limits[0]

        with (
            mock.patch("resource.getrlimit", return_value=(soft, hard)),
            mock.patch("resource.setrlimit", set_limit),
        ):
            return allow_descriptors(1000)

    def test_each_has_two(self) -> None:
        needed = 2000 + BESIDE_CONNECTIONS
        for soft, hard, connections, obtained in (
            (1024, 1 << 20, 1000, needed),
            (1024, INFINITE, 1000, needed),
            (1 << 16, 1 << 16, 1000, 1 << 16),
            (INFINITE, INFINITE, 1000, INFINITE),
            (512, 1024, (1024 - BESIDE_CONNECTIONS) // 2, 1024),
            (64, 64, FEWEST, 64),
        ):
            with self.subTest(soft=soft, hard=hard):
                self.assertEqual((self.allowed(soft, hard), self.obtained), (connections, obtained))

    def test_a_limit_that_cannot_be_raised_is_what_counts(self) -> None:
        self.assertEqual(self.allowed(512, 4096, refuses=True), (512 - BESIDE_CONNECTIONS) // 2)


class Accepting(unittest.TestCase):
    def test_it_pauses_after_the_last_descriptor_only(self) -> None:
        error = OSError(errno.EMFILE, "Too many open files")

        def accept() -> Any:
            raise error

        listener = SimpleNamespace(accept=accept, readable=lambda: True)
        Admission(listener)
        self.assertTrue(listener.readable())
        with self.assertLogs("librarian.serving.admission", "ERROR") as logged:
            self.assertIsNone(listener.accept())
            self.assertIsNone(listener.accept())
        self.assertEqual(len(logged.output), 1)
        self.assertFalse(listener.readable())
        error = OSError(errno.EPERM, "no")
        self.assertRaises(PermissionError, listener.accept)

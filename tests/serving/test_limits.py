"""Connections counted by descriptors."""

import resource
import unittest
from unittest import mock

from librarian.serving.limits import BESIDE_CONNECTIONS, EACH, FEWEST, allow_descriptors

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

    def test_each_has_its_descriptors(self) -> None:
        needed = 1000 * EACH + BESIDE_CONNECTIONS
        for soft, hard, connections, obtained in (
            (1024, 1 << 20, 1000, needed),
            (1024, INFINITE, 1000, needed),
            (1 << 16, 1 << 16, 1000, 1 << 16),
            (INFINITE, INFINITE, 1000, INFINITE),
            (512, 1024, (1024 - BESIDE_CONNECTIONS) // EACH, 1024),
            (64, 64, FEWEST, 64),
        ):
            with self.subTest(soft=soft, hard=hard):
                self.assertEqual((self.allowed(soft, hard), self.obtained), (connections, obtained))

    def test_a_limit_that_cannot_be_raised_is_what_counts(self) -> None:
        self.assertEqual(self.allowed(512, 4096, refuses=True), (512 - BESIDE_CONNECTIONS) // EACH)

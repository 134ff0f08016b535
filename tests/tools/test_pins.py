"""tools.pins reads versions.cfg, compares, and is silent without an index."""

import unittest
from unittest.mock import patch

from tools import pins

TEXT = "[buildout]\nx = 1\n[versions]\n# why\nZODB = 6.4\nsetuptools = 80.8.0\nodd line\n"


class Pins(unittest.TestCase):
    def test_they_are_read(self) -> None:
        self.assertEqual(list(pins.pins(TEXT)), [("ZODB", "6.4"), ("setuptools", "80.8.0")])
        ours = dict(pins.pins((pins.CHECKOUT / "versions.cfg").read_text("utf-8")))
        self.assertGreater(len(ours), 100)
        self.assertEqual(set(pins.BEHIND) - set(ours), set())

    def test_they_are_compared(self) -> None:
        pinned = list(pins.pins(TEXT))
        newer = {"ZODB": "6.5", "setuptools": "83"}
        self.assertEqual(pins.judge(pinned, newer.get), (["ZODB 6.4: the index has 6.5"], 2))
        self.assertEqual(pins.judge(pinned, {"ZODB": "6.4"}.get), ([], 1))
        lines, _asked = pins.judge(pinned, {"setuptools": "80.8.0"}.get)
        self.assertEqual(lines, ["setuptools 80.8.0 is the newest: BEHIND need not name it"])

    def test_without_an_index(self) -> None:
        with patch("subprocess.run", side_effect=OSError):
            self.assertIsNone(pins.newest("ZODB"))

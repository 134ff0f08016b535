"""The programs that pages tell people to run are programs that the build makes."""

import configparser
import re
import unittest
from pathlib import Path

PAGES = [*Path("docs").glob("*.md"), *Path().glob("*.md")]
NAMED = re.compile(r"(?<![\w/.])bin/([\w-]+)")


class Scripts(unittest.TestCase):
    def test_every_program_under_bin_is_built(self) -> None:
        build = configparser.ConfigParser(interpolation=None)
        build.read("buildout.cfg")
        built = {name for section in build.values() for name in section.get("scripts", "").split()}
        built |= {section["interpreter"] for section in build.values() if "interpreter" in section}
        for page in PAGES:
            with self.subTest(page.name):
                self.assertEqual(set(NAMED.findall(page.read_text("utf-8"))) - built, set())

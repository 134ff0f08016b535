"""What ``pserve`` of a checkout says of an ini file before it starts; the program itself: tests.server."""

import tempfile
import unittest
from pathlib import Path

from pyramid.scripts.pserve import PServeCommand

from librarian.interfaces import SettingsError
from librarian.serving.pserve import look_at_ini

APP, SERVER = "[app:main]\nuse = egg:librarian\n", "[server:main]\nuse = egg:librarian#endpoints\n"


class Ini(unittest.TestCase):
    def setUp(self) -> None:
        self.path = Path(self.enterContext(tempfile.TemporaryDirectory())) / "x.ini"

    def look(self, *options: str, fragment: str = "") -> None:
        # With --reload another process sets up the logging, which here would stay as it is after the test.
        look_at_ini(PServeCommand(["pserve", "--reload", f"{self.path}{fragment}", *options]).args)

    def refused(self, *options: str) -> str:
        with self.assertRaises(SettingsError) as caught:
            self.look(*options)
        self.assertIn("x.ini", str(caught.exception))
        return str(caught.exception)

    def test_what_can_be_read(self) -> None:
        composite = "[composite:main]\nuse = egg:Paste#urlmap\n"
        for text, options, fragment in (
            (APP + SERVER, (), ""),
            (composite + SERVER, (), ""),
            (APP.replace("main", "b") + SERVER, ("-n", "b"), ""),
            ((APP + SERVER).replace("main", "b"), (), "#b"),
            (APP + SERVER.replace("main", "b"), ("--server-name", "b"), ""),
            (APP, ("--server", "wsgiref"), ""),
            (APP.replace("egg:", "%(kind)s:") + SERVER, ("kind=egg",), ""),
            (APP + SERVER + "[app:other]\nx = %(nothing)s\n", (), ""),
        ):
            with self.subTest(text, options=options):
                self.path.write_text(text)
                self.look(*options, fragment=fragment)

    def test_what_cannot(self) -> None:
        for text, said in (
            (b"x = 1\n[app:main\n", "no section headers"),
            (b"\xff\xfe\x00", "can't decode"),
            (b"", "has no section [app:main]"),
            (APP.encode(), "has no section [server:main]"),
            (SERVER.encode(), "has no section [app:main]"),
            ((APP + APP).encode(), "already exists"),
            ((APP + "x = %(nothing)s\n" + SERVER).encode(), "nothing"),
        ):
            with self.subTest(text):
                self.path.write_bytes(text)
                self.assertIn(said, self.refused())
        self.path.write_text(APP + SERVER)
        self.assertIn("has no section [app:b]", self.refused("-n", "b"))
        self.path.unlink()
        self.assertIn("No such file", self.refused())

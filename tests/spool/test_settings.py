"""Targets: what an ini file may say."""

import tempfile
import unittest
from pathlib import Path
from typing import Any

from librarian.spool.interfaces import BadTarget
from librarian.spool.settings import Target, read_password, read_targets

GOOD = """\
[DEFAULT]
data = %(here)s/var

[app:main]
use = egg:librarian

[export:cds]
store_dir = %(data)s/spool
host = ftp.example.com
port = 2121
user = publisher
password_env = CDS_PASSWORD
path = /in
tls = explicit
tries = 7
bandwidth = 100k
lock_wait = 2.5
keep = 14d

[formatter_plain]
format = %(asctime)s

[import:agency]
store_dir = %(here)s/spool
host = ftp.example.org
"""


class TestTargets(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.ini = self.folder / "site.ini"

    def read(self, text: str, **environ: str) -> dict[str, Target]:
        self.ini.write_text(text)
        return read_targets(self.ini, "export", environ)

    def refused(self, text: str, **environ: str) -> str:
        with self.assertRaises(BadTarget) as caught:
            self.read(text, **environ)
        return str(caught.exception)

    def test_good(self) -> None:
        (target,) = self.read(GOOD, CDS_PASSWORD="50%").values()
        self.assertEqual(target.store_dir, self.folder / "var" / "spool")
        self.assertEqual(
            (target.port, target.tries, target.bandwidth, target.lock_wait), (2121, 7, 100000, 2.5)
        )
        self.assertEqual((target.password, target.tls, target.keep), ("50%", "explicit", 14 * 86400))
        self.assertEqual(list(read_targets(self.ini, "import", {})), ["agency"])

    def test_a_password_is_never_shown(self) -> None:
        (target,) = self.read(GOOD, CDS_PASSWORD="tops3cret").values()
        self.assertNotIn("tops3cret", repr(target))
        self.assertNotIn("tops3cret", target.key)

    def test_password_file(self) -> None:
        (self.folder / "pw").write_text("secret \nnot this\n")
        targets = self.read("[export:x]\nstore_dir=s\nhost=h\npassword_file=%(here)s/pw\n")
        self.assertEqual(targets["x"].password, "secret ")
        self.assertRaises(BadTarget, read_password, self.folder / "none")

    def test_refused(self) -> None:
        start = "[export:x]\nstore_dir=s\nhost=h\n"
        cases = {
            "[export:x]\nhost=h\n": "[export:x] lacks store_dir",
            "[export:x]\n": "[export:x] lacks store_dir and host",
            "[export:x]\nstore_dir=s\nhost=\n": "host is missing",
            start + "password=x\n": "password_file or password_env",
            start + "password_env=NOT_SET\n": "no NOT_SET",
            start + "password_file=/does/not/exist\n": "cannot read the password file",
            start + "port=ftp\n": "port is 'ftp', but must be a whole number",
            start + "port=70000\n": "from 1 to 65535",
            start + "tls=yes\n": "no, explicit or implicit",
            start + "verify=hash\n": "digest or size",
            start + "tries=0\n": "at least 1",
            start + "bandwidth=0\n": "more than 0",
            start + "bandwidth=fast\n": "bandwidth: 'fast' is no size",
            start + "keep=long\n": "keep: 'long' is no duration",
            start + "colour=red\n": "unknown setting 'colour'",
            start + start: "already exists",
            start + "path=%(nowhere)s\n": "nowhere",
            "no section": "cannot read",
        }
        for text, reason in cases.items():
            with self.subTest(reason=reason):
                self.assertIn(reason, self.refused(text))

    def test_commands_cannot_be_smuggled_in(self) -> None:
        for field in ("host", "user", "password", "path"):
            values: dict[str, Any] = {"host": "h", field: "x\r\nDELE y"}
            with self.assertRaises(BadTarget):
                Target(Path("s"), **values)

    def test_one_spool_for_two_targets(self) -> None:
        twice = "[export:x]\nstore_dir=/s/\nhost=h\n[export:y]\nstore_dir=/s/../s\nhost=g\n"
        self.assertIn("give each its own", self.refused(twice))

    def test_missing_file(self) -> None:
        self.assertRaises(BadTarget, read_targets, self.folder / "none.ini", "export")

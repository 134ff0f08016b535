"""A backup while files come in, brought back as a library on FileStorage; on engines of several processes.

The embedded engine goes through the same in tests/commands/test_operations.py.
"""

import json
import shutil
import tempfile
import unittest
from pathlib import Path
from threading import Event, Thread
from typing import Any

from tests.support.layers import Engines
from tests.support.servers.engines import Engine

MOVED = {"librarian.database_uri": "file://{}/tree/Data.fs", "librarian.byte_store": "{}/bytes"}


class Backups(unittest.TestCase):
    layer = Engines

    def test_made_under_uploads_and_brought_back(self) -> None:
        for engine in Engines.engines[1:]:
            with self.subTest(engine=engine.name):
                self.there_and_back(engine)

    def there_and_back(self, engine: Engine) -> None:
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        before = [engine.put(f"before{n}.txt", f"no. {n}".encode() * 30).json() for n in range(10)]
        stop, problems = Event(), list[int]()

        def upload() -> None:
            number = 0
            while not stop.wait(0.02):
                number += 1
                answer = engine.put(f"meanwhile{number}.txt", b"%d" % number * 100, server=number)
                if answer.status != 201:
                    problems.append(answer.status)

        thread = Thread(target=upload)
        thread.start()
        try:
            made = self.command(engine, "backup", str(folder / "backup"), "--json")
        finally:
            stop.set()
            thread.join()
        self.assertEqual((problems, made["damaged"]), ([], []))
        self.command(engine, "restore", str(folder / "backup"), "--to", str(folder / "to"), "--json")
        found = self.command(engine, "fsck", "--json", "-c", str(self.moved(engine, folder)))
        self.assertEqual((found["errors"], found["seen"]["contents"]), (0, made["contents"]))
        for described in before:
            sha256 = described["sha256"]
            path = folder / "to" / "bytes" / sha256[:2] / sha256[2:4] / sha256
            self.assertEqual(path.stat().st_size, described["size"])

    def command(self, engine: Engine, *arguments: str) -> dict[str, Any]:
        """The last line of JSON that a command prints which ends well."""
        done = engine.first.command(*arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def moved(self, engine: Engine, folder: Path) -> Path:
        """An ini file for the library that was brought back."""
        lines = []
        for line in engine.first.ini.read_text(encoding="utf-8").splitlines():
            key = line.partition("=")[0].strip()
            lines.append(f"{key} = {MOVED[key].format(folder / 'to')}" if key in MOVED else line)
        (folder / "moved.ini").write_text("\n".join(lines), encoding="utf-8")
        return folder / "moved.ini"

"""The first start, by pserve as by our own command: what is said, and that nothing else is."""

import os
import signal
import subprocess
import sys
import unittest

from tests.support.layers import Server
from tests.support.servers.forked import with_path
from tests.support.servers.librarian import ServerProcess

PSERVE = "from pyramid.scripts.pserve import main; main()"


class FirstStart(unittest.TestCase):
    layer = Server  # for its kind: it starts servers of its own

    def setUp(self) -> None:
        self.server = ServerProcess()
        self.addCleanup(self.server.remove)
        self.environ = with_path(os.environ)
        del self.environ["PYTHONWARNINGS"]

    def start_by_pserve(self) -> list[str]:
        """The lines a server prints from its start until it is ready; it is ended then."""
        command = [sys.executable, "-c", PSERVE, str(self.server.ini)]
        with self.server.log.open("w") as log:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=self.environ
            )
        said = []
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                if line == "ready\n":
                    break
                said.append(line)
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        return said

    def test_pserve_tells_the_first_password_once_and_every_endpoint(self) -> None:
        first, second = self.start_by_pserve(), self.start_by_pserve()
        self.assertRegex("".join(first), r"admin password +\S{12,}\n")
        self.assertNotIn("admin password", "".join(second))
        endpoints = {line.split()[0] for line in second if "http://" in line}
        self.assertLessEqual({"app", "public", "restricted", "restricted-upload", "upload"}, endpoints)

    def test_no_start_warns_of_what_its_user_cannot_change(self) -> None:
        self.start_by_pserve()
        self.assertNotIn("Warning", self.server.log.read_text())
        command = [sys.executable, "-c", "import librarian.app, librarian.commands.main"]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environ, check=True)
        self.assertEqual(done.stderr, "")

"""Pyramid's own command serves the same ini file."""

import signal
import socket
import subprocess
import sys
import unittest

from tests.support.servers.forked import with_path
from tests.support.servers.librarian import ServerProcess

CHECKOUTS = "from librarian.serving.pserve import main; main()"  # bin/pserve
RUN = "import sys; from pyramid.scripts.pserve import main; sys.exit(main(sys.argv))"


class Served(unittest.TestCase):
    def test_commands_work_beside_it_and_it_ends_as_serve_does(self) -> None:
        server = ServerProcess()
        self.addCleanup(server.remove)
        with server.log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", RUN, str(server.ini)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=with_path(server.environ),
            )
        self.addCleanup(process.kill)
        assert process.stdout is not None
        told = dict(line.split()[-2:] for line in iter(process.stdout.readline, "ready\n"))
        added = server.request("PUT", told["upload"] + "a.txt", body=b"by pserve")
        found = server.component(f"print(library[{added.json()['id']}].read().decode())")
        self.assertEqual(found, "by pserve\n")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(30), 0)
        process.stdout.close()
        self.assertFalse((server.folder / "tree" / "Data.fs.sock").exists())

    def test_a_port_that_is_taken_is_found_before_anything_is_made(self) -> None:
        server = ServerProcess()
        self.addCleanup(server.remove)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            free, listen = "ops.listen = 127.0.0.1:0", f"ops.listen = 127.0.0.1:{port}"
            server.ini.write_text(server.ini.read_text().replace(free, listen))
            # pserve fills in what its command line says; the file has it too.
            server.ini.write_text(server.ini.read_text().replace("127.0.0.1:0", "%(address)s:0"))
            done = subprocess.run(
                [sys.executable, "-c", CHECKOUTS, str(server.ini), "address=127.0.0.1"],
                capture_output=True,
                text=True,
                env=with_path(server.environ),
                timeout=60,
                check=False,
            )
        self.assertEqual(done.returncode, 1)
        self.assertEqual(
            done.stderr.splitlines()[-1],
            f"Error: endpoint ops cannot listen on 127.0.0.1 port {port}: Address already in use",
        )
        self.assertNotIn("Traceback", done.stderr)
        self.assertFalse((server.folder / "tree").exists())
        self.assertFalse((server.folder / "bytes").exists())

"""`librarian check-config`: all that is wrong, at once, and nothing is made."""

import json
import socket
import ssl
import tempfile
import threading
import unittest
from contextlib import suppress
from pathlib import Path
from unittest import mock

from click.testing import CliRunner, Result

from librarian.commands.main import librarian
from tests.support.servers.certificates import Authority

APP = "[app:main]\nuse = egg:librarian\n"
NAMES = ("app", "public", "upload", "restricted", "restricted-upload", "tracker", "ops")
SERVER = "[server:main]\nuse = egg:librarian#endpoints\n"


def listening(**ports: int) -> str:
    """Settings by which these endpoints listen on these ports, and no other does."""
    stated = {name: f"127.0.0.1:{ports[name]}" if name in ports else "" for name in NAMES}
    return "".join(f"librarian.endpoint.{name}.listen = {address}\n" for name, address in stated.items())


FREE = listening(**dict.fromkeys(NAMES, 0))


def greet(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Answer TLS handshakes until the listener is closed."""
    with suppress(OSError):
        while True:
            connection, _peer = listener.accept()
            with suppress(OSError), connection, context.wrap_socket(connection, server_side=True):
                pass


class CheckConfig(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="librarian-check-")))
        self.ini = self.folder / "site.ini"

    def check(self, settings: str, server: str = SERVER) -> Result:
        self.ini.write_text(f"{APP}{settings}{server}")
        return CliRunner().invoke(librarian, ["check-config", "-c", str(self.ini), "--json"])

    def findings(self, settings: str, server: str = SERVER) -> dict[str, str]:
        """What is wrong -> its severity and the reason; an exit status that fits them."""
        done = self.check(settings, server)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(done.exit_code, int(any(line["severity"] == "error" for line in lines)), done.output)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["site.ini"])
        return {line["what"]: f"{line['severity']}: {line['why']}" for line in lines}

    def test_nothing_is_wrong(self) -> None:
        self.assertEqual(self.findings(FREE), {})

    def test_settings_all_at_once(self) -> None:
        settings = (
            f"{FREE}librarian.byte_stor = x\nlibrarian.use_https = perhaps\nlibrarian.token_lifetime = long\n"
            "librarian.accel_redirect = /x\nlibrarian.trusted_proxies = 0.0.0.0/0 ::/0\n"
        )
        found = self.findings(settings, f"{SERVER}threads = many\nworkers = none\ncolour = red\n")
        self.assertEqual(
            sorted(found),
            [
                "[server:main] colour",
                "[server:main] threads",
                "[server:main] workers",
                "librarian.accel_redirect",
                "librarian.byte_stor",
                "librarian.token_lifetime",
                "librarian.trusted_proxies",
                "librarian.use_https",
            ],
        )

    def test_ports(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            found = self.check(listening(app=port, public=port))
            self.assertEqual(found.exit_code, 1)
            self.assertIn(f"endpoint app has port {port} already", found.stdout)
            self.assertEqual(found.stdout.count("Address already in use"), 2)
            with mock.patch("librarian.commands.checking.listening.is_served", return_value=True):
                own = self.findings(listening(app=port))
        self.assertEqual(own, {})

    def test_folders(self) -> None:
        found = self.findings(
            f"{FREE}librarian.byte_store = {__file__}/bytes\nlibrarian.access_log = {__file__}/log/a.log\n"
            f"librarian.mail.queue = {__file__}\nlibrarian.byte_store_keep_free = 900T\n"
            f"librarian.database_uri = file://{__file__}/tree/Data.fs\nlibrarian.make_database = false\n"
        )
        no_folder = f"error: {__file__} is no folder"
        self.assertEqual(found["librarian.access_log"], no_folder)
        self.assertEqual(found["librarian.mail.queue"], no_folder)
        self.assertIn("no room", found["librarian.byte_store"])
        self.assertIn("make_database is off", found["librarian.database_uri"])

    def test_one_of_tree_and_bytes_is_missing(self) -> None:
        tree, bytes_ = self.folder / "var" / "tree", self.folder / "var" / "bytes"
        tree.mkdir(parents=True)
        (tree / "Data.fs").touch()
        self.assertIn("is a disk not mounted?", self.check(FREE).stdout)
        (tree / "Data.fs").unlink()
        bytes_.mkdir()
        (bytes_ / "installation").write_text("0" * 32)
        self.assertIn("is a disk not mounted?", self.check(FREE).stdout)

    def test_urls(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
            port, free = one.getsockname()[1], other.getsockname()[1]
        found = self.findings(
            f"{listening(public=free, upload=0)}librarian.download_url = files\n"
            f"librarian.upload_url = http://localhost:{free}/\n"
        )
        self.assertIn("is no URL", found["librarian.download_url"])
        self.assertIn("address of endpoint public, not of upload", found["librarian.upload_url"])
        found = self.findings(f"{listening(public=free)}librarian.download_url = http://127.0.0.1:{port}/\n")
        self.assertIn("nothing answers", found["librarian.download_url"])

    def test_engines_that_do_not_answer(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
        for uri in (f"postgres://joe:secret@127.0.0.1:{port}/x", f"zeo://127.0.0.1:{port}"):
            with self.subTest(uri):
                found = self.findings(f"{FREE}librarian.database_uri = {uri}\n")
                self.assertIn("error: does not answer: ", found["librarian.database_uri"])
                self.assertNotIn("secret", found["librarian.database_uri"])
        found = self.findings(f"{FREE}librarian.database_uri = oracle://x/y\n")
        self.assertIn("no engine 'oracle'", found["librarian.database_uri"])

    def test_a_certificate_that_clients_refuse(self) -> None:
        with (
            tempfile.TemporaryDirectory() as keys,
            socket.create_server(("127.0.0.1", 0)) as listener,
            socket.create_server(("127.0.0.1", 0)) as other,
        ):
            port, free = listener.getsockname()[1], other.getsockname()[1]
            other.close()
            context = Authority(Path(keys)).context("127.0.0.1")
            thread = threading.Thread(target=greet, args=[listener, context], daemon=True)
            thread.start()
            url = f"librarian.download_url = https://127.0.0.1:{port}/\n"
            found = self.findings(f"{listening(public=free)}{url}")
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
        self.assertIn(f"the certificate of 127.0.0.1 port {port} is refused", found["librarian.download_url"])
        self.assertIn("warning: is empty", found["librarian.trusted_proxies"])

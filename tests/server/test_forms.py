"""Forms with files on a real server: written once, refused early, nothing left of what is not kept."""

import os
import time
import unittest
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from tests.server.support import connected, read_to_end
from tests.support.servers.librarian import ServerProcess

MIB = 1 << 20
PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n'
END = b"\r\n--x--\r\n"


def bytes_written(server: ServerProcess) -> int:
    lines = Path(f"/proc/{server.pid}/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


class Forms(unittest.TestCase):
    server: ClassVar[ServerProcess]

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = ServerProcess(f"librarian.byte_store_quota = {200 * MIB}", {"TMPDIR": "/nonexistent"})
        cls.addClassCleanup(cls.server.remove)
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()

    def head(self, path: str, length: int, *fields: str) -> bytes:
        lines = [
            f"POST {path} HTTP/1.1",
            f"Host: {urlsplit(self.server.urls['app']).netloc}",
            f"Authorization: Basic {self.basic()}",
            "Content-Type: multipart/form-data; boundary=x",
            f"Content-Length: {length}",
            "Connection: close",
            *fields,
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def basic(self) -> str:
        return b64encode(f"admin:{self.server.admin_password}".encode()).decode()

    def incoming(self) -> list[str]:
        return [path.name for path in (self.server.byte_store / "incoming").iterdir()]

    def held(self) -> int:
        return sum(1 for path in self.server.byte_store.glob("??/??/*"))

    def test_a_file_is_written_once_and_not_to_the_temporary_folder(self) -> None:
        for path in ("/+upload", "/tree/"):
            body = PART % b"f.bin" + os.urandom(20 * MIB) + END
            before, held = bytes_written(self.server), self.held()
            with closing(connected(self.server.urls["app"])) as connection:
                connection.sendall(self.head(path, len(body)) + body)
                answer = read_to_end(connection)
            self.assertTrue(answer.startswith(b"HTTP/1.1 201 "), answer)
            self.assertLess((bytes_written(self.server) - before) / len(body), 1.02)
            self.assertEqual((self.held(), self.incoming()), (held + 1, []))

    def test_a_malformed_form_is_refused_while_it_comes(self) -> None:
        body = PART % b"f.bin" + bytes(MIB) + b"\r\n--x!\r\n" + bytes(MIB)
        with closing(connected(self.server.urls["app"])) as connection:
            connection.sendall(self.head("/tree/", 90 * MIB) + body)
            answer = connection.recv(1 << 12)
        self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), answer)
        self.wait_for_nothing()

    def test_a_client_that_goes_away_leaves_nothing(self) -> None:
        with closing(connected(self.server.urls["app"])) as connection:
            connection.sendall(self.head("/tree/", 90 * MIB) + PART % b"f.bin" + bytes(5 * MIB))
            while not self.incoming():
                time.sleep(0.01)
        self.wait_for_nothing()

    def test_one_that_may_not_add_leaves_nothing(self) -> None:
        body = PART % b"f.bin" + bytes(5 * MIB) + END
        for fields, status in (("Origin: http://elsewhere.example", 403), ("Cookie: librarian=stale", 403)):
            with closing(connected(self.server.urls["app"])) as connection:
                held = self.held()
                connection.sendall(self.head("/tree/", len(body), fields) + body)
                answer = read_to_end(connection)
            self.assertTrue(answer.startswith(b"HTTP/1.1 %d " % status), answer)
            self.assertEqual((self.held(), self.incoming()), (held, []))

    def test_who_asks_first_is_told(self) -> None:
        for length, status in ((201 * MIB, 507), (MIB, 100), (1000, 100)):
            with closing(connected(self.server.urls["app"])) as connection:
                connection.sendall(self.head("/tree/", length, "Expect: 100-continue"))
                answer = connection.recv(1 << 12)
            self.assertTrue(answer.startswith(b"HTTP/1.1 %d " % status), answer)

    def wait_for_nothing(self) -> None:
        for _turn in range(1000):
            if not self.incoming():
                return
            time.sleep(0.01)
        self.fail(f"left behind: {self.incoming()}")

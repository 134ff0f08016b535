"""nginx in front, as examples/nginx.conf has it: it sends the bytes, and nothing else differs."""

import getpass
import http.client
import json
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from tests.support.servers.librarian import ServerProcess

EXAMPLE = Path("examples/nginx.conf")
SECRET = secrets.token_hex(32)
PROOF = "X-Librarian-Front-End"
SETTINGS = """\
librarian.trusted_proxies = 127.0.0.1
librarian.use_https = true
librarian.secure_download_url = https://files.example.org/
librarian.accel_redirect = /+bytes/
librarian.accel_secret = {secret}
"""
CONF = """\
daemon off; user {user}; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; default_type application/octet-stream;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  include {folder}/librarian.conf;
}}
"""

# What a client may go by; a response that lacks one, or has another value, is another response.
HEADERS = (
    "Accept-Ranges",
    "Cache-Control",
    "Content-Disposition",
    "Content-Length",
    "Content-Range",
    "Content-Security-Policy",
    "Content-Type",
    "Cross-Origin-Resource-Policy",
    "ETag",
    "Last-Modified",
    "Referrer-Policy",
    "X-Content-Type-Options",
)

Answer = tuple[int, dict[str, str], bytes]


class Plugged(http.client.HTTPConnection):
    """A connection over a UNIX socket, so that nginx needs no port."""

    def __init__(self, path: Path) -> None:
        super().__init__("files.example.org", timeout=30)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self._path)


def ask(connection: http.client.HTTPConnection, method: str, path: str, headers: dict[str, str]) -> Answer:
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    found = {name: response.headers[name] for name in HEADERS if name in response.headers}
    return response.status, found, body


class Nginx:
    """A server of its own settings, and nginx in front of it."""

    server: ClassVar[ServerProcess]
    folder: ClassVar[Path]
    socket: ClassVar[Path]
    process: ClassVar[subprocess.Popen[bytes]]

    @classmethod
    def program(cls) -> str | None:
        return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

    @classmethod
    def missing(cls) -> str | None:
        return None if cls.program() else "nginx is not installed"

    @classmethod
    def setUp(cls) -> None:
        cls.server = cls.make_server()
        cls.server.start()
        cls.folder = Path(tempfile.mkdtemp(prefix="librarian-nginx-"))
        cls.socket = cls.folder / "socket"
        cls._write_configuration()
        command = [str(cls.program()), "-p", str(cls.folder), "-c", str(cls.folder / "nginx.conf")]
        subprocess.run([*command, "-t"], capture_output=True, check=True)
        cls.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        for _turn in range(300):
            if cls.socket.exists():
                return
            time.sleep(0.1)
        raise TimeoutError("nginx does not listen")

    @classmethod
    def make_server(cls) -> ServerProcess:
        """The server behind it, which is not started yet."""
        return ServerProcess(SETTINGS.format(secret=SECRET))

    @classmethod
    def tearDown(cls) -> None:
        cls.process.terminate()
        cls.process.wait(30)
        cls.server.stop()
        cls.server.remove()
        shutil.rmtree(cls.folder)

    @classmethod
    def example(cls) -> str:
        """What the operator copies."""
        return EXAMPLE.read_text(encoding="utf-8")

    @classmethod
    def _write_configuration(cls) -> None:
        text = cls.example()
        lines = [line for line in text.splitlines() if "ssl_certificate" not in line]
        text = "\n".join(lines).replace("listen 443 ssl;", f"listen unix:{cls.socket};")
        text = text.replace("/var/lib/librarian/bytes/", f"{cls.server.folder}/bytes/")
        for name, port in (("public", 8000), ("app", 6543)):
            text = text.replace(f"127.0.0.1:{port}", urlsplit(cls.server.urls[name]).netloc)
        # There is no TLS on the socket, but what is said of it is what the example says.
        text = text.replace("X-Forwarded-Proto $scheme", "X-Forwarded-Proto https")
        text = text.replace("CHANGE-ME-openssl-rand-hex-32", SECRET)
        (cls.folder / "librarian.conf").write_text(text, encoding="utf-8")
        (cls.folder / "nginx.conf").write_text(CONF.format(user=getpass.getuser(), folder=cls.folder))


class BehindNginx(unittest.TestCase):
    layer: ClassVar[type] = Nginx

    def setUp(self) -> None:
        self.server = Nginx.server
        self.socket = Nginx.socket

    def put(self, data: bytes, name: str, endpoint: str = "upload") -> int:
        answer = self.server.request("PUT", self.server.urls[endpoint] + name, body=data)
        self.assertEqual(answer.status, 201)
        return int(json.loads(answer.data)["id"])

    def by_nginx(self, method: str, path: str, host: str = "files.example.org", **headers: str) -> Answer:
        stated = {"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return ask(Plugged(self.socket), method, path, stated)

    def directly(self, method: str, path: str, **headers: str) -> Answer:
        """Beside nginx, from the same address, which is a trusted front end's."""
        parts = urlsplit(self.server.urls["public"])
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        return ask(
            connection, method, path, {name.replace("_", "-"): value for name, value in headers.items()}
        )

    def wait_until_compared(self, path: str) -> None:
        """Wait until its bytes have been compared with their digest, of which the answer tells."""
        deadline = time.monotonic() + 30
        while "immutable" not in self.directly("HEAD", path)[1]["Cache-Control"]:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_nothing_else_differs(self) -> None:
        data = bytes(range(256)) * 2000
        path = f"/{self.put(data, 'a%20b.bin')}/a%20b.bin"
        status, headers, body = self.directly("GET", path)
        self.assertEqual((status, body), (200, data))
        self.wait_until_compared(path)
        etag, modified = headers["ETag"], headers["Last-Modified"]
        cases: list[tuple[str, dict[str, str]]] = [
            ("GET", {}),
            ("HEAD", {}),
            ("GET", {"Range": "bytes=0-99"}),
            ("GET", {"Range": "bytes=511000-"}),
            ("GET", {"Range": "bytes=-7"}),
            ("GET", {"Range": "bytes=600000-"}),
            ("GET", {"Range": "bytes=5-9", "If_Range": etag}),
            ("GET", {"Range": "bytes=5-9", "If_Range": '"another"'}),
            ("GET", {"If_None_Match": etag}),
            ("GET", {"If_None_Match": '"another"', "If_Modified_Since": modified}),
            ("GET", {"If_Modified_Since": modified}),
            ("GET", {"If_Match": '"another"'}),
            ("GET", {"Accept_Encoding": "gzip"}),
        ]
        for method, stated in cases:
            with self.subTest(method=method, stated=stated):
                self.assertEqual(self.by_nginx(method, path, **stated), self.directly(method, path, **stated))

    def test_several_ranges(self) -> None:
        path = f"/{self.put(bytes(range(250)) * 10, 'a.bin')}/a.bin"
        status, headers, body = self.by_nginx("GET", path, Range="bytes=0-9,100-109")
        self.assertEqual((status, headers["Content-Type"].partition(";")[0]), (206, "multipart/byteranges"))
        self.assertIn(bytes(range(10)), body)
        self.assertIn(bytes(range(100, 110)), body)

    def test_nginx_sends_the_bytes(self) -> None:
        path = f"/{self.put(b'data', 'f.bin')}/f.bin"
        url = self.server.urls["public"].rstrip("/") + path
        answer = self.server.request("GET", url, headers={PROOF: SECRET})
        self.assertEqual((answer.status, answer.data), (200, b""))
        self.assertTrue(answer.headers["X-Accel-Redirect"].startswith("/+bytes/"))
        self.assertEqual(self.by_nginx("GET", answer.headers["X-Accel-Redirect"])[0], 404)

    def test_a_client_beside_it_gets_bytes(self) -> None:
        path = f"/{self.put(b'data', 'f.bin')}/f.bin"
        url = self.server.urls["public"].rstrip("/") + path
        for proof in (
            None,
            "",
            "wrong",
            SECRET[:-1],
            SECRET + "0",
            SECRET.upper(),
            f"{SECRET}, {SECRET}",
            "\xff",
        ):
            with self.subTest(proof=proof):
                answer = self.server.request("GET", url, headers={} if proof is None else {PROOF: proof})
                self.assertEqual((answer.status, answer.data), (200, b"data"))
                self.assertNotIn("X-Accel-Redirect", answer.headers)

    def test_forwarded_headers_of_clients_are_replaced(self) -> None:
        path = f"/{self.put(b'data', 'f.bin')}/f.bin"
        for proof in ("", "wrong", SECRET):
            with self.subTest(proof=proof):
                status, _headers, body = self.by_nginx("GET", path, **{PROOF: proof})
                self.assertEqual((status, body), (200, b"data"))
        # The web application's server has no location for bytes, so nothing is handed over there.
        answer = self.by_nginx("GET", "/+bytes/x", "library.example.org", **{PROOF: SECRET})
        self.assertEqual(answer[0], 404)

    def test_a_token_that_is_good_once(self) -> None:
        data = b"secret" * 1000
        alias_id = self.put(data, "plan.txt", "restricted-upload")
        made = self.server.command("tokens", "create", str(alias_id), "--uses", "1")
        self.assertEqual(made.returncode, 0, made.stderr)
        target = urlsplit(made.stdout.strip())
        path, host = f"{target.path}?{target.query}", target.netloc
        self.assertEqual(host, f"i{alias_id}.restricted.files.example.org")
        self.assertEqual(self.by_nginx("GET", target.path, host)[0], 404)
        self.assertEqual(self.by_nginx("GET", path, "files.example.org")[0], 200)
        self.assertEqual(self.by_nginx("GET", path, host)[0], 404)

    def test_another_files_host(self) -> None:
        path = f"/{self.put(b'data', 'f.bin')}/f.bin"
        self.assertEqual(self.by_nginx("GET", path, "i7.restricted.files.example.org")[0], 404)

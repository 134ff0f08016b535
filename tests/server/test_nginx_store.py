"""nginx fetches the bytes from an object store, as examples/nginx-object-store-*.conf have it: nothing else
differs, and what was fetched once is served while the store is away."""

import re
from pathlib import Path
from unittest import SkipTest
from urllib.parse import urlsplit

from tests.server import test_nginx as nginx
from tests.support.layers import Swift
from tests.support.servers.librarian import ServerProcess
from tools.runner.left_out import left_out

HTTP = Path("examples/nginx-object-store-http.conf")
LOCATION = Path("examples/nginx-object-store-location.conf")
OWN_LOCATION = re.compile(r"    location /\+bytes/ \{.*?\n    \}\n", re.DOTALL)
MIB = 1 << 20


class Front(nginx.Nginx):
    """nginx and a server whose bytes are in a bucket."""

    @classmethod
    def make_server(cls) -> ServerProcess:
        """The server behind it, which is not started yet."""
        Swift.swift.make_bucket("behind-nginx")
        server = ServerProcess(nginx.SETTINGS.format(secret=nginx.SECRET), environ=Swift.swift.settings())
        place = f"s3://behind-nginx/lib?endpoint={Swift.swift.url}&folder={server.folder}/s3"
        more = f"{place}\nlibrarian.byte_cache = {server.folder}/cache"
        server.ini.write_text(server.ini.read_text().replace(str(server.byte_store), more))
        return server

    @classmethod
    def example(cls) -> str:
        """The three files that the operator copies, as one."""
        own = LOCATION.read_text(encoding="utf-8")
        text, count = OWN_LOCATION.subn(lambda _found: own, super().example())
        assert count == 1, "nginx.conf has the location that is replaced"
        text = HTTP.read_text(encoding="utf-8") + text
        text = text.replace("/var/cache/nginx/librarian", f"{cls.folder}/cache")
        return text.replace("127.0.0.1:8080", urlsplit(Swift.swift.url).netloc)


class BeforeSwift(nginx.BehindNginx):
    layer = Swift

    @classmethod
    def setUpClass(cls) -> None:
        if why := Front.missing():
            raise SkipTest(left_out("nginx", why))
        Front.setUp()
        cls.addClassCleanup(Front.tearDown)  # once, however often the runner leaves the class

    def setUp(self) -> None:
        self.server = Front.server
        self.socket = Front.socket

    def directly(self, method: str, path: str, **headers: str) -> nginx.Answer:
        """Without Accept-Ranges in a 206, out of which nginx takes it: RFC 9110, section 14.3, wants none."""
        status, found, body = super().directly(method, path, **headers)
        if status == 206 and "If_Range" not in headers:
            found.pop("Accept-Ranges", None)
        return status, found, body

    def test_nginx_sends_the_bytes(self) -> None:
        path = f"/{self.put(b'data', 'f.bin')}/f.bin"
        url = self.server.urls["public"].rstrip("/") + path
        answer = self.server.request("GET", url, headers={nginx.PROOF: nginx.SECRET})
        self.assertEqual((answer.status, answer.data), (200, b""))
        told = answer.headers["X-Accel-Redirect"]
        self.assertTrue(told.startswith("/+bytes/behind-nginx/lib/bytes/"), told)
        self.assertEqual(self.by_nginx("GET", told)[0], 503)  # for no client, also with a signature

    def test_slices_and_the_store_away(self) -> None:
        data = bytes(range(251)) * (3 * MIB // 251)
        path = f"/{self.put(data, 'f.bin')}/f.bin"
        unseen = f"/{self.put(b'unseen', 'g.bin')}/g.bin"
        status, headers, body = self.by_nginx("GET", path, Range="bytes=1048570-1048585")
        self.assertEqual((status, body), (206, data[1_048_570:1_048_586]))
        self.assertEqual(headers["Content-Range"], f"bytes 1048570-1048585/{len(data)}")
        whole = self.by_nginx("GET", path)
        self.assertEqual((whole[0], whole[2] == data), (200, True))
        with Swift.swift.without("proxy"):
            self.assertEqual(self.by_nginx("GET", path), whole)
            status, headers, body = self.by_nginx("GET", unseen)
            self.assertEqual((status, headers["Cache-Control"]), (503, "no-store"))
            self.assertEqual(body, b"The bytes of this file cannot be read at present.\n")
        self.assertEqual(self.by_nginx("GET", unseen)[2], b"unseen")

    def test_one_object_with_two_names_has_the_headers_of_each(self) -> None:
        first = f"/{self.put(b'twice', 'a.txt')}/a.txt"
        second = f"/{self.put(b'twice', 'b.html')}/b.html"
        for path in (first, second, first):
            self.assertEqual(self.by_nginx("GET", path), self.directly("GET", path))

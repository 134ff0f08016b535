"""Request targets in absolute form (RFC 9112, 3.2.2): what they claim to talk to opens no other space."""

import unittest
from urllib.parse import urlsplit

from tests.server.support import exchange
from tests.support.layers import Server

SECRET = b"the secret plan"


class AbsoluteForm(unittest.TestCase):
    layer = Server

    def setUp(self) -> None:
        self.server = Server.server

    def put(self, endpoint: str, data: bytes) -> str:
        url: str = self.server.request("PUT", self.server.urls[endpoint] + "f.txt", body=data).json()["url"]
        return url

    def ask(self, target: str, endpoint: str = "public", host: str = "localhost") -> bytes:
        """The whole answer of an endpoint to a request line with `target`."""
        request = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        return exchange(self.server.urls[endpoint], request.encode())

    def test_a_file_is_found_by_its_path(self) -> None:
        url = self.put("upload", b"for all")
        for target in (url, urlsplit(url).path, f"http://any.example{urlsplit(url).path}"):
            self.assertTrue(self.ask(target).endswith(b"for all"), target)

    def test_naming_the_restricted_port_or_a_host_opens_nothing(self) -> None:
        url = self.put("restricted-upload", SECRET)
        path = urlsplit(url).path
        own_host = f"i{path.split('/')[1]}.restricted.127.0.0.1"
        self.assertTrue(self.ask(url, "restricted").endswith(SECRET))
        for target in (url, f"http://{own_host}{path}", f"https://{own_host}{path}", f"//{own_host}{path}"):
            for host in ("localhost", own_host, urlsplit(url).netloc):
                answer = self.ask(target, host=host)
                self.assertRegex(answer, rb"^HTTP/1\.[01] 4\d\d ", (target, host))
                self.assertNotIn(SECRET, answer)

    def test_the_host_of_the_target_is_the_one_that_is_judged(self) -> None:
        """RFC 9112, 3.2.2: what the Host field says beside it counts for nothing."""
        path = urlsplit(self.put("restricted-upload", SECRET)).path
        answer = self.ask(f"http://evil.example{path}", "restricted", host="localhost")
        self.assertRegex(answer, rb"^HTTP/1\.[01] 421 ")
        answer = self.ask(f"http://localhost{path}", "restricted", host="evil.example")
        self.assertTrue(answer.endswith(SECRET), answer)

    def test_a_file_has_no_host_but_its_own(self) -> None:
        path = urlsplit(self.put("upload", b"for all")).path
        answer = self.ask(f"http://i1.restricted.127.0.0.1{path}", host="localhost")
        self.assertRegex(answer, rb"^HTTP/1\.[01] 404 ")

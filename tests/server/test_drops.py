"""Upload links on a real server: limits before the bytes and in the midst of them."""

import base64
import hashlib
import socket
import unittest
from urllib.parse import urlsplit

import urllib3

from tests.support.layers import Server


class Limits(unittest.TestCase):
    layer = Server

    def setUp(self) -> None:
        self.http = urllib3.PoolManager(retries=False)
        self.addCleanup(self.http.clear)

    def link(self, **terms: object) -> str:
        server = Server.server
        headers = urllib3.make_headers(basic_auth=f"admin:{server.admin_password}")
        answer = self.http.request("POST", f"{server.urls['app']}+upload-links", headers=headers, json=terms)
        self.assertEqual(answer.status, 201, answer.data)
        path = urlsplit(answer.json()["url"]).path
        return f"{server.urls['public']}{path.lstrip('/')}"

    def exchange(self, url: str, head: str, body: bytes = b"") -> str:
        """What the server says to a request whose body may be incomplete."""
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
            connection.sendall(f"PUT {parts.path} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode() + body)
            return connection.recv(4096).decode()

    def test_too_large_is_refused_before_it_is_sent(self) -> None:
        url = self.link(max_size="100kB")
        self.assertIn(" 413 ", self.exchange(f"{url}/a.bin", "Content-Length: 100001"))

    def test_too_large_is_refused_at_the_limit(self) -> None:
        url = self.link(max_size="1MB")
        chunk = b"%x\r\n" % 600_000 + b"x" * 600_000 + b"\r\n"
        self.assertIn(" 413 ", self.exchange(f"{url}/a.bin", "Transfer-Encoding: chunked", chunk * 2))

    def test_what_fits_is_taken(self) -> None:
        url = self.link(max_size="1MB", uses="3")
        for data in (b"x", b"x" * 1_000_000):
            answer = self.http.request("PUT", f"{url}/a.bin", body=data)
            self.assertEqual((answer.status, answer.json()["size"]), (201, len(data)))
        fields = {"file": ("b.txt", b"y" * 1_000_000, "text/plain")}
        answer = self.http.request("POST", url, fields=fields)
        self.assertEqual((answer.status, answer.json()["filename"]), (201, "b.txt"))
        self.assertEqual(self.http.request("PUT", f"{url}/a.bin", body=b"x").status, 404)

    def test_with_a_digest_of_the_bytes(self) -> None:
        url, digest = self.link(uses="3"), base64.b64encode(hashlib.sha256(b"x").digest()).decode()
        fields = {"Repr-Digest": f"sha-256=:{digest}:"}
        self.assertEqual(self.http.request("PUT", f"{url}/a.bin", body=b"x", headers=fields).status, 201)
        self.assertEqual(self.http.request("PUT", f"{url}/a.bin", body=b"y", headers=fields).status, 400)

    def test_a_form_beyond_the_limit(self) -> None:
        url = self.link(max_size="1MB")
        fields = {"file": ("b.txt", b"y" * 1_000_001, "text/plain")}
        self.assertEqual(self.http.request("POST", url, fields=fields).status, 413)

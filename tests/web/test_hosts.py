"""DNS rebinding: pages whose own name points at this machine, and the endpoints that trust its network."""

import unittest
from typing import Any

from librarian.web.requests.hosts import is_known, is_loopback
from tests.support.layers import Functional
from tests.support.servers.in_process import request
from tests.support.world import overlay

SEARCH = "/search?digest=" + "0" * 40
TRUSTING = {"upload": 9090, "restricted-upload": 9095, "restricted": 8005, "tracker": 9999}


class Endpoints(unittest.TestCase):
    layer = Functional

    def ask(self, port: int, host: str, method: str = "GET", path: str = SEARCH) -> Any:
        body = b"planted" if method == "PUT" else b""
        return request(method, f"http://localhost:{port}{path}", {"Host": host}, body)

    def test_a_rebound_name_reads_nothing(self) -> None:
        for name, port in TRUSTING.items():
            for host in (f"evil.example:{port}", "localhost.evil.example", "127.0.0.1.evil.example", ""):
                with self.subTest(name, host=host):
                    answer = self.ask(port, host)
                    self.assertEqual(answer.status, "421 Misdirected Request")
                    self.assertIn("allowed_hosts", answer.json["error"])

    def test_a_rebound_name_changes_nothing(self) -> None:
        for port in (9090, 9095):
            self.assertEqual(self.ask(port, "evil.example", "PUT", "/x.txt").status_int, 421)
        self.assertEqual(self.ask(9090, "localhost", "PUT", "/x.txt").status_int, 201)

    def test_a_person_gets_a_page(self) -> None:
        headers = {"Host": "evil.example", "Accept": "text/html"}
        answer = request("GET", "http://localhost:8005/", headers)
        self.assertEqual((answer.status_int, answer.content_type), (421, "text/html"))

    def test_own_names_and_addresses_are_allowed(self) -> None:
        for host in (
            "localhost",
            "LOCALHOST:8005",
            "127.0.0.1:8005",
            "[::1]:8005",
            "192.0.2.7",
            "i7.restricted.localhost",
        ):
            self.assertNotEqual(self.ask(8005, host).status_int, 421, host)

    def test_public_endpoints_answer_to_every_name(self) -> None:
        for port in (6543, 8000):
            self.assertEqual(self.ask(port, "files.example.org", path="/robots.txt").status_int, 200)

    def test_names_can_be_allowed(self) -> None:
        with overlay("[librarian]\nallowed_hosts = lib.internal .example.org"):
            for host in ("lib.internal:8005", "a.example.org", "A.b.Example.Org", "127.0.0.1"):
                self.assertEqual(self.ask(8005, host).status_int, 200, host)
            for host in ("x.lib.internal", "example.org", "evilexample.org"):
                self.assertEqual(self.ask(8005, host).status_int, 421, host)

    def test_on_other_addresses_any_name_does_until_some_are_listed(self) -> None:
        with overlay("[librarian.endpoint.restricted]\nlisten = 192.0.2.1:8005"):
            self.assertEqual(self.ask(8005, "lib.internal").status_int, 200)
            with overlay("[librarian]\nallowed_hosts = other.internal"):
                self.assertEqual(self.ask(8005, "lib.internal").status_int, 421)


class Names(unittest.TestCase):
    def test_which_addresses_are_this_machine(self) -> None:
        for listen in ("127.0.0.1:0", "localhost:8005", "[::1]:8005", "127.8.8.8:1"):
            self.assertTrue(is_loopback(listen), listen)
        for listen in ("0.0.0.0:8005", "[::]:1", "192.0.2.1:8005", "lib.internal:8005", ""):
            self.assertFalse(is_loopback(listen), listen)

    def test_malformed_ones_are_unknown(self) -> None:
        for host in (
            "",
            ":",
            "[",
            "[::1",
            "a b",
            "localhost@evil.example",
            "evil.example#localhost",
            "\u017flocalhost.",
        ):
            self.assertFalse(is_known(host, ()), host)
        self.assertTrue(is_known("localhost.", ()))

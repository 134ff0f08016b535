"""Headers of front ends: believed from those we know, invisible otherwise."""

import unittest
from ipaddress import ip_network
from typing import Any

from pyramid.request import Request
from zope.component import getGlobalSiteManager

from librarian.interfaces import ISettings, SettingsError
from librarian.settings import Settings
from librarian.web.requests.proxies import SPOKEN_FOR, believe_proxies
from librarian.web.settings import ProxySettings


class Proxies(unittest.TestCase):
    def ask(self, trusted: str, remote: str, **headers: str) -> Any:
        """The environ as the application sees it."""
        settings = Settings({"librarian.trusted_proxies": trusted})
        registry = getGlobalSiteManager()
        registry.registerUtility(settings, ISettings)
        self.addCleanup(registry.unregisterUtility, settings, ISettings)
        request = Request.blank("/", environ={"REMOTE_ADDR": remote}, headers=headers)
        believe_proxies(lambda request: None, registry)(request)
        return request.environ

    def test_untrusted_proxies_are_ignored(self) -> None:
        every = {name.removeprefix("HTTP_").replace("_", "-"): "https" for name in SPOKEN_FOR}
        for trusted in ("", "10.0.0.1"):
            environ = self.ask(trusted, "192.0.2.7", **every)
            self.assertEqual([name for name in SPOKEN_FOR if name in environ], [])
            self.assertEqual((environ["wsgi.url_scheme"], environ["REMOTE_ADDR"]), ("http", "192.0.2.7"))

    def test_the_scheme_in_each_of_its_spellings(self) -> None:
        for headers in ({"X-Forwarded-Proto": "https"}, {"X-Scheme": "HTTPS"}, {"Front-End-Https": "on"}):
            with self.subTest(headers):
                self.assertEqual(self.ask("127.0.0.1", "127.0.0.1", **headers)["wsgi.url_scheme"], "https")

    def test_malformed_schemes(self) -> None:
        environ = self.ask("127.0.0.1", "127.0.0.1", **{"X-Forwarded-Proto": "gopher"})
        self.assertEqual(environ["wsgi.url_scheme"], "http")

    def test_the_client_is_the_last_that_is_not_ours(self) -> None:
        cases = {
            "198.51.100.1": "198.51.100.1",
            "6.6.6.6, 198.51.100.1": "198.51.100.1",  # the first is what the client made up
            "198.51.100.1, 10.0.0.2": "198.51.100.1",
            "2001:db8::1": "2001:db8::1",
            "nonsense": "10.0.0.1",
            "6.6.6.6, nonsense": "10.0.0.1",
            "": "10.0.0.1",
        }
        for forwarded, client in cases.items():
            with self.subTest(forwarded):
                environ = self.ask("10.0.0.0/8", "10.0.0.1", **{"X-Forwarded-For": forwarded})
                self.assertEqual(environ["REMOTE_ADDR"], client)

    def test_a_malformed_network_stops_the_start(self) -> None:
        with self.assertRaises(SettingsError):
            Settings({"librarian.trusted_proxies": "10.0.0.0/99"}).section(ProxySettings)
        read = Settings({"librarian.trusted_proxies": "::1"}).section(ProxySettings)
        self.assertEqual(read.trusted_proxies, (ip_network("::1/128"),))

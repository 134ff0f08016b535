"""Where files are by the settings alone: no installation is ever taken for another one."""

import unittest

from librarian.interfaces import SettingsError
from librarian.library.settings import LibrarySettings
from librarian.settings import Settings


class ByTheEndpoints(unittest.TestCase):
    def urls(self, **values: str) -> list[str]:
        listens = {
            f"librarian.endpoint.{name.replace('_', '-')}.listen": text for name, text in values.items()
        }
        found = Settings(listens).section(LibrarySettings)
        return [
            found.download_url,
            found.upload_url,
            found.restricted_download_url,
            found.restricted_upload_url,
        ]

    def test_the_usual_ports(self) -> None:
        ports = (8000, 9090, 8005, 9095)
        self.assertEqual(self.urls(), [f"http://127.0.0.1:{port}/" for port in ports])

    def test_the_ports_of_the_ini_file(self) -> None:
        found = self.urls(
            public="10.0.0.5:80", upload="[::1]:81", restricted="lib:82", restricted_upload="lib:83"
        )
        self.assertEqual(
            found, ["http://10.0.0.5:80/", "http://[::1]:81/", "http://lib:82/", "http://lib:83/"]
        )

    def test_listening_on_all_addresses_is_reached_at_loopback(self) -> None:
        found = self.urls(public="0.0.0.0:80", upload="[::]:81")
        self.assertEqual(found[:2], ["http://127.0.0.1:80/", "http://[::1]:81/"])

    def test_port_zero_stays_in_the_url(self) -> None:
        self.assertEqual(self.urls(upload="127.0.0.1:0")[1], "http://127.0.0.1:0/")

    def test_a_closed_endpoint_keeps_its_default_address(self) -> None:
        self.assertEqual(self.urls(public="")[0], "http://127.0.0.1:8000/")

    def test_stated_urls_are_kept(self) -> None:
        settings = Settings(
            {
                "librarian.endpoint.public.listen": "127.0.0.1:1",
                "librarian.download_url": "http://files.example.org/",
            }
        )
        found = settings.section(LibrarySettings)
        self.assertEqual(
            (found.download_url, found.secure_base),
            ("http://files.example.org/", "https://files.example.org/"),
        )

    def test_overlays_count_at_once(self) -> None:
        settings = Settings({})
        self.assertEqual(settings.section(LibrarySettings).upload_url, "http://127.0.0.1:9090/")
        settings.push("bound", "[librarian.endpoint.upload]\nlisten = 127.0.0.1:7")
        self.assertEqual(settings.section(LibrarySettings).upload_url, "http://127.0.0.1:7/")

    def test_malformed_addresses(self) -> None:
        with self.assertRaisesRegex(
            SettingsError, r"librarian\.endpoint\.upload\.listen: 'here' is not host:port"
        ):
            self.urls(upload="here")

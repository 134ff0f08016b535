"""The front end sends the bytes for requests that carry the secret; the client's address does not count."""

import unittest

from librarian.interfaces import SettingsError
from librarian.settings import Settings
from librarian.web.settings import PROOF, AccelSettings

KEY = "0123456789abcdef" * 4


class Proof(unittest.TestCase):
    def test_the_secret_proves_it(self) -> None:
        settings = AccelSettings("/+bytes/", KEY)
        self.assertTrue(settings.proved_by({PROOF: KEY}))

    def test_nothing_else_does(self) -> None:
        settings = AccelSettings("/+bytes/", KEY)
        for stated in ("", KEY[1:], KEY + "0", KEY.upper(), f"{KEY},{KEY}", "\xff", "\u20ac"):
            with self.subTest(stated):
                self.assertFalse(settings.proved_by({PROOF: stated, "REMOTE_ADDR": "127.0.0.1"}))
        self.assertFalse(settings.proved_by({}))

    def test_an_empty_secret_proves_nothing(self) -> None:
        self.assertFalse(AccelSettings().proved_by({PROOF: ""}))
        self.assertFalse(AccelSettings("", KEY).proved_by({PROOF: KEY}))


class Checked(unittest.TestCase):
    def test_settings_that_cannot_work(self) -> None:
        for accel in (
            {"accel_redirect": "/+bytes/"},
            {"accel_redirect": "+bytes", "accel_secret": KEY},
            {"accel_redirect": "/+bytes/", "accel_secret": "short"},
            {"accel_redirect": "/+bytes/", "accel_secret": "CHANGE-ME-openssl-rand-hex-32"},
            {"accel_redirect": "/+bytes/", "accel_secret": "CHANGE ME and something longer"},
        ):
            with self.subTest(accel), self.assertRaises(SettingsError) as caught:
                Settings({f"librarian.{name}": value for name, value in accel.items()}).section(AccelSettings)
            self.assertIn("librarian.accel_", str(caught.exception))

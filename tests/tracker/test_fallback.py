"""Redirections to the fallback of a tracker."""

from email.utils import formatdate
from urllib.parse import parse_qsl, quote, urlsplit

from librarian.interfaces import SettingsError
from librarian.settings import Settings
from librarian.tracker.settings import TrackerSettings
from tests.support.world import overlay
from tests.tracker.http_case import HttpCase


class FallbackTests(HttpCase):
    def test_only_reads_of_missing_files(self) -> None:
        with overlay("[librarian.tracker]\nfallback_url = http://old.example:9999/"):
            for method in ("GET", "HEAD"):
                answer = self.ask(method, "/files/a%20b?version=5")
                self.assertEqual(answer.status_int, 307)
                location, _, query = answer.headers["Location"].partition("?")
                self.assertEqual(location, "http://old.example:9999/files/a%20b")
                self.assertEqual(dict(parse_qsl(query))["version"], "5")
            self.assertEqual(self.put("/a%20b", 5, b"x").status_int, 200)
            self.assertEqual(self.ask("GET", "/files/a%20b").status_int, 200)
            self.assertEqual(
                self.ask("DELETE", f"/files/c?last_modified={quote(formatdate(5))}").status_int, 404
            )
            self.assertEqual(self.ask("GET", "/list/nothing").status_int, 400)

    def follow(self, *endpoints: str) -> list[int]:
        """The statuses on the way of a client that is redirected by trackers with these fallbacks in turn."""
        statuses, path = [], "/files/a%20b?version=5"
        for fallback in endpoints:
            with overlay(f"[librarian.tracker]\nfallback_url = {fallback}"):
                answer = self.ask("GET", path)
            statuses.append(answer.status_int)
            parts = urlsplit(answer.headers.get("Location", ""))
            path = f"{parts.path}?{parts.query}"
        return statuses

    def test_a_fallback_that_is_the_tracker_itself(self) -> None:
        here = "http://127.0.0.1:9999"
        self.assertEqual(self.follow(here, f"{here}/"), [307, 404])

    def test_two_trackers_that_are_each_others_fallback(self) -> None:
        statuses = self.follow("http://b.example", "http://a.example", "http://b.example")
        self.assertEqual(statuses, [307, 307, 404])

    def test_a_chain_of_three(self) -> None:
        self.assertEqual(self.follow("http://b.example", "http://c.example", "http://d.example"), [307] * 3)

    def test_refused_urls(self) -> None:
        for url in ("http://user:secret@old.example", "http://secret@old.example", "ftp://old.example",
                    "old.example:9999", "http://", "http://old.example:port", "http://old.example/?secret",
                    "http://[secret"):  # fmt: skip
            with self.subTest(url), self.assertRaises(SettingsError) as caught:
                Settings({"librarian.tracker.fallback_url": url}).section(TrackerSettings)
            self.assertIn("librarian.tracker.fallback_url: it ", str(caught.exception))
            self.assertNotIn("secret", str(caught.exception))

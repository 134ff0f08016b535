"""What an upload gets that says nothing of its expiry, by each way in."""

from typing import Any
from urllib.parse import quote, urljoin

from zope.component import getUtility

from librarian.interfaces import ISettings, SettingsError
from librarian.library.settings import ExpirySettings
from librarian.testing.world import overlay
from tests.support.servers.in_process import request
from tests.web.support import APP, GOOD, PeopleInTheWorld

UPLOAD = "http://localhost:9090"


class DefaultExpiry(PeopleInTheWorld):
    def put(self, expires: str | None = None, status: int = 201) -> Any:
        fields = {} if expires is None else {"Librarian-Expires": expires}
        answer = request("PUT", f"{UPLOAD}/a.txt", fields, b"data")
        self.assertEqual(answer.status_int, status, answer.text)
        return answer.json

    def test_an_upload_that_says_nothing(self) -> None:
        self.assertIsNone(self.put()["expires"])
        with overlay("[librarian]\ndefault_expiry: never"):
            self.assertEqual(self.put()["expires"], "never")
            self.assertIsNone(self.put("unreferenced")["expires"])
        with overlay("[librarian]\ndefault_expiry: 30d"):
            self.assertEqual(self.put()["expires"], "2026-03-31T12:00:00+00:00")
            self.assertEqual(self.put("never")["expires"], "never")

    def test_how_long_from_now(self) -> None:
        self.assertEqual(self.put("2w")["expires"], "2026-03-15T12:00:00+00:00")
        for wrong in ("2026", "3 days", "d", "-1d", "999999w", "soon"):
            self.assertIn("Librarian-Expires", self.put(wrong, 400)["error"])

    def test_the_page_says_it_and_takes_another(self) -> None:
        self.log_in("bob")
        page = self.bobs.get("/+upload")
        self.assertIn("kept while something refers to it; if nothing does, about a week", page.text)
        form = page.forms[0]
        self.assertEqual(form["expires"].value, "unreferenced")
        form["expires"], form["file"] = "7d", [("a.txt", b"data", "text/plain")]
        about = form.submit().follow()
        self.assertIn("2026-03-08", about.text)
        with overlay("[librarian]\ndefault_expiry: 30d"):
            self.assertEqual(self.bobs.get("/+upload").forms[0]["expires"].value, "30d")

    def test_an_upload_in_pieces(self) -> None:
        with overlay("[librarian]\ndefault_expiry: never"):
            fields = {"Tus-Resumable": "1.0.0", "Upload-Length": "4", "Upload-Metadata": "filename YS50eHQ="}
            begun = request("POST", f"{UPLOAD}/+uploads", fields)
            piece = {
                "Tus-Resumable": "1.0.0",
                "Upload-Offset": "0",
                "Content-Type": "application/offset+octet-stream",
            }
            request("PATCH", urljoin(UPLOAD, begun.location), piece, b"data")
        found = request("GET", f"{APP}/files?list=all", {"Authorization": self.basic("amy", GOOD)})
        self.assertEqual(found.json["files"], [])
        self.world.index()
        found = request("GET", f"{APP}/+search?q={quote('a')}", {"Authorization": self.basic("amy", GOOD)})
        self.assertEqual([file["expires"] for file in found.json["files"]], ["never"])

    def test_settings_that_are_none(self) -> None:
        for wrong in ("soon", "10m", "-3d"):
            with overlay(f"[librarian]\ndefault_expiry: {wrong}"), self.assertRaises(SettingsError):
                getUtility(ISettings).section(ExpirySettings)

"""Files of a byte store in the network: redirected to, handed to a front end, or sent from here."""

import tempfile
import unittest
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import transaction
from zope.component import getUtility
from zope.interface import alsoProvides, noLongerProvides

from librarian.interfaces import ISettings, SettingsError
from librarian.library.counts.service import DownloadCounter
from librarian.library.interfaces import ILibraryFileAliasSet, IVerifiedReads
from librarian.library.operations import Library
from librarian.settings import Settings
from librarian.store.interfaces import BytesNotFound, IPresignedUrls
from librarian.testing import application
from librarian.web.access_log.lines import combined
from librarian.web.access_log.log_file import LogFile
from librarian.web.access_log.middleware import AccessLogged
from librarian.web.settings import RedirectSettings
from tests.support.layers import Functional
from tests.support.servers import in_process as http

DATA = bytes(range(256)) * 8
SECRET = "0123456789abcdef"
PROVED = {"X-Librarian-Front-End": SECRET}
ETAG = "ETag"


class Elsewhere(unittest.TestCase):
    """The world's store, as if it were one in the network; `made` has what URLs were made with."""

    layer = Functional

    def setUp(self) -> None:
        self.store: Any = Functional.world.store
        self.made: list[tuple[Mapping[str, str], int]] = []
        self.store.presigned = self.presigned
        self.addCleanup(delattr, self.store, "presigned")
        alsoProvides(self.store, IPresignedUrls)
        self.addCleanup(noLongerProvides, self.store, IPresignedUrls)
        self.opened: list[str] = []
        opening = patch.object(type(self.store), "open", self.opening(type(self.store).open))
        opening.start()
        self.addCleanup(opening.stop)

    def presigned(self, sha256: str, headers: Mapping[str, str], seconds: int) -> str:
        self.made.append((headers, seconds))
        return f"https://store.example.org/bucket/bytes/{sha256}.0?signed=1&for=2"

    def opening(self, opened: Any) -> Any:
        def noted(store: Any, sha256: str) -> Any:
            self.opened.append(sha256)
            return opened(store, sha256)

        return noted

    def settings(self, **values: str) -> None:
        lines = "\n".join(f"{name} = {value}" for name, value in values.items())
        getUtility(ISettings).push("elsewhere", f"[librarian]\n{lines}")
        self.addCleanup(getUtility(ISettings).pop, "elsewhere")

    def add(
        self,
        name: str = "f.bin",
        mimetype: str = "text/plain",
        *,
        data: bytes = DATA,
        restricted: bool = False,
    ) -> Any:
        files = getUtility(ILibraryFileAliasSet)
        alias = files.create(name, len(data), BytesIO(data), mimetype, restricted=restricted)
        transaction.commit()
        return alias

    def get(self, alias: Any, method: str = "GET", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return http.request(method, alias.http_url, named)

    def get_restricted(self, **headers: str) -> Any:
        alias = self.add(restricted=True)
        return http.request("GET", f"http://localhost:8005/{alias.id}/{alias.filename}", headers)


class Redirecting(Elsewhere):
    def setUp(self) -> None:
        super().setUp()
        self.settings(redirect_downloads="true", redirect_from="1000", redirect_lifetime="5m")

    def test_the_client_fetches_it_with_the_headers_of_the_file(self) -> None:
        alias = self.add("page.html", "text/html")
        answer = self.get(alias)
        self.assertEqual((answer.status_int, answer.headers["Cache-Control"]), (307, "no-store"))
        expected = f"https://store.example.org/bucket/bytes/{alias.content.sha256}.0?signed=1&for=2"
        self.assertEqual(answer.headers["Location"], expected)
        headers, seconds = self.made[0]
        self.assertEqual(seconds, 300)
        self.assertEqual(sorted(headers), ["Cache-Control", "Content-Disposition", "Content-Type"])
        self.assertTrue(headers["Content-Disposition"].startswith("attachment"), headers)
        self.assertEqual(self.opened, [])

    def test_a_range_is_asked_of_the_store(self) -> None:
        self.assertEqual(self.get(self.add(), Range="bytes=5-9").status_int, 307)

    def test_what_the_store_sends_is_counted_from_the_access_log(self) -> None:
        alias, path = self.add(), self.logged()
        self.get(alias)
        for part in ("bytes=0-99", f"bytes=100-{len(DATA) - 1}", "bytes=0-9"):  # whole once, and a piece more
            self.get(alias, Range=part)
        self.get(alias, "HEAD")
        self.assertEqual(DownloadCounter(Library()).count(path).downloads, 2)

    def logged(self) -> Path:
        """The log that the application writes from now on."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        log = LogFile(Path(folder.name) / "access.log")
        self.addCleanup(log.close)
        application.connect(AccessLogged(Functional.world.app, log, combined))
        self.addCleanup(application.connect, Functional.world.app)
        return log.path

    def test_what_the_store_cannot_judge_is_answered_here(self) -> None:
        alias = self.add()
        etag = self.get(alias, "HEAD").headers[ETAG]
        cases: list[tuple[dict[str, str], int]] = [
            ({"If_None_Match": etag}, 304),
            ({"If_Match": '"another"'}, 412),
            ({"Range": "bytes=5-9", "If_Range": etag}, 206),
            ({"Range": "bytes=5-9", "If_Range": '"another"'}, 200),
            ({"Range": "bytes=0-1,5-9"}, 206),
            ({"Range": "bytes=9999-"}, 416),
            ({"Range": "lines=1-2"}, 200),
        ]
        for headers, status in cases:
            with self.subTest(headers):
                self.assertEqual(self.get(alias, **headers).status_int, status)

    def test_small_and_restricted_files_are_sent_from_here(self) -> None:
        self.assertEqual(self.get(self.add(data=b"small")).status_int, 200)
        self.assertEqual(self.get_restricted().body, DATA)
        self.assertEqual(self.made, [])

    def test_a_head_and_a_condition_fetch_nothing(self) -> None:
        alias = self.add()
        answer = self.get(alias, "HEAD")
        self.assertEqual((answer.status_int, answer.headers["Content-Length"]), (200, str(len(DATA))))
        self.assertEqual(self.get(alias, If_None_Match=answer.headers[ETAG]).status_int, 304)
        self.assertEqual(self.opened, [])

    def test_a_head_of_what_the_store_has_lost_is_unavailable(self) -> None:
        alias = self.add()
        self.store.remove(alias.content.sha256)
        with self.assertRaises(BytesNotFound):
            self.store.size(alias.content.sha256)
        self.assertEqual(self.get(alias, "HEAD").status_int, 503)

    def test_always_verified_files_are_never_fetched_elsewhere(self) -> None:
        self.settings(verify_reads="always", redirect_downloads="true", redirect_from="1")
        self.assertEqual(self.get(self.add(data=DATA * 64)).status_int, 200)


class ByFrontEnd(Elsewhere):
    def setUp(self) -> None:
        super().setUp()
        accel = {"accel_redirect": "/+bytes/", "accel_secret": SECRET}
        self.settings(redirect_downloads="true", redirect_from="1", **accel)

    def test_it_is_told_a_url_below_its_own_location(self) -> None:
        alias = self.add()
        answer = self.get(alias, **PROVED)
        self.assertEqual((answer.status_int, answer.body), (200, b""))
        path = f"/+bytes/bucket/bytes/{alias.content.sha256}.0?signed=1&for=2"
        self.assertEqual(answer.headers["X-Accel-Redirect"], path)
        self.assertEqual(answer.headers[ETAG], f'"{alias.content.sha256}"')
        self.assertEqual(answer.headers["X-File-Cache-Control"].partition(",")[0], "public")
        self.assertNotIn("Cache-Control", answer.headers)
        self.assertEqual(self.opened, [])

    def test_a_client_that_proves_nothing_gets_no_such_answer(self) -> None:
        answer = self.get(self.add(), X_Librarian_Front_End="guessed")
        self.assertEqual(answer.status_int, 307)
        self.assertNotIn("X-Accel-Redirect", answer.headers)

    def test_restricted_files_are_handed_over_too_as_they_do_not_leave(self) -> None:
        answer = self.get_restricted(**PROVED)
        self.assertEqual(answer.headers["X-File-Cache-Control"], "private, no-store")

    def test_what_it_would_answer_otherwise_is_sent_from_here(self) -> None:
        alias = self.add()
        for headers in ({"Range": "bytes=0-1,5-9"}, {"Range": "bytes=5-9", "If_Range": f'"{"0" * 64}"'}):
            with self.subTest(headers):
                answer = self.get(alias, **headers, **PROVED)
                self.assertNotIn("X-Accel-Redirect", answer.headers)
                self.assertNotEqual(answer.body, b"")


class Checked(unittest.TestCase):
    def test_lifetimes_that_no_store_grants(self) -> None:
        for lifetime in ("0s", "8d"):
            with self.subTest(lifetime), self.assertRaises(SettingsError):
                Settings({"librarian.redirect_lifetime": lifetime}).section(RedirectSettings)


class Believed(Elsewhere):
    """A store that verifies what it gives; `verifies_reads` says so."""

    def test_its_bytes_are_not_read_again(self) -> None:
        patched = patch.object(type(self.store), "verifies_reads", True)
        patched.start()
        self.addCleanup(patched.stop)
        alias = self.add(data=DATA * 64)
        answer = self.get(alias)
        self.assertEqual(answer.headers["Cache-Control"], "public, max-age=31536000, immutable")
        getUtility(IVerifiedReads).finish()
        self.assertEqual(self.opened, [alias.content.sha256])

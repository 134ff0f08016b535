"""Files in pieces below an upload link, request by request."""

from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any
from unittest import mock

import transaction
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.library.drops.interfaces import IUploadLinks
from librarian.library.drops.model import UploadLink
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.operations import Library
from librarian.library.upkeep.garbage.collector import GarbageCollector
from librarian.library.uploads.interfaces import IResumableUploads
from librarian.library.uploads.service import ResumableUploads
from librarian.people.credentials.person_principal import PersonPrincipal
from librarian.people.interfaces import IPersonSet
from librarian.security.interaction import acting_as
from librarian.web.interfaces import BodyRefused
from tests.library.uploads.support import APP, DATA, PIECE, TUS, UploadsTestCase, metadata


class BelowALink(UploadsTestCase):
    def link(self, by: str = "bob", **terms: Any) -> str:
        """The URL of a new link."""
        with self.owner(by):
            url: str = getUtility(ILibraryFileAliasSet).createUploadToken(**terms)
        transaction.begin()  # to see what was committed beside this thread's transaction
        return url

    def owner(self, name: str) -> AbstractContextManager[object]:
        return acting_as(PersonPrincipal(removeSecurityProxy(getUtility(IPersonSet))[name]))

    def creation(self, link: str, status: int = 201, length: int | None = len(DATA), **names: str) -> Any:
        told = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
        fields = {**TUS, **told, "Upload-Metadata": metadata(**(names or {"filename": "f.txt"}))}
        answer = self.ask("POST", f"{link}/+uploads", fields)
        self.assertEqual(answer.status_int, status, answer.text)
        return answer

    def uses(self) -> list[int]:
        transaction.begin()
        return [link.uses for link in self.world.tree.subtree("upload links").listed()]

    def under_way(self) -> int:
        return len(list(getUtility(IResumableUploads).all()))

    def unfinished(self) -> int:
        return len([facts for _id, facts, _size in getUtility(IResumableUploads).all() if not facts.named])

    def test_a_file_in_two_pieces(self) -> None:
        link = self.link(keep=timedelta(hours=2))
        url = self.creation(link).location
        self.assertTrue(url.startswith(f"{link}/+uploads/"))
        self.assertEqual(self.status(self.piece(url, 0, DATA[:5])), 204)
        self.assertEqual((self.offset(url), self.uses(), self.files()), (5, [0], []))
        self.world.clock.move(hours=3)
        last = self.piece(url, 5, DATA[5:])
        self.assertEqual((last.status_int, set(last.json)), (200, {"filename", "size", "sha256"}))
        self.assertEqual((self.uses(), self.files()), ([1], [("f.txt", len(DATA))]))
        [alias] = self.world.tree.subtree("library").aliases.values()
        self.assertEqual((alias.owner, alias.restricted), ("person:bob", True))
        self.assertEqual(alias.expires, self.world.clock.now() + timedelta(hours=2))

    def test_a_lost_answer_is_given_again_though_the_link_is_used_up(self) -> None:
        link = self.link()
        url = self.creation(link).location
        last = self.piece(url, 0, DATA)
        self.assertEqual(self.offset(url), len(DATA))
        self.assertEqual(self.piece(url, len(DATA), b"").json, last.json)
        self.assertEqual((self.uses(), len(self.files())), ([1], 1))
        self.creation(link, 404)

    def test_a_post_to_the_link_itself_begins_one(self) -> None:
        link = self.link(filename="report.txt", media_types=("text/*",))
        fields = {**TUS, "Upload-Length": "3"}
        answer = self.ask("POST", link, fields)
        self.assertEqual(answer.status_int, 201, answer.text)
        self.assertEqual(self.piece(answer.location, 0, b"abc").json["filename"], "report.txt")

    def test_what_the_link_does_not_take_is_refused_at_the_beginning(self) -> None:
        link = self.link(max_size=5, media_types=("text/*",))
        self.assertIn("at most 5 bytes", self.creation(link, 413).json["error"])
        self.creation(link, 415, 3, filename="a.png")
        self.creation(link, 415, 3, filename="a.txt", filetype="image/png")
        self.creation(link, 400, 3, name="a/b.txt")
        self.creation(link, 400, 3, filetype="text/plain")
        self.creation(self.link(filename="x.txt", max_size=5, restricted=False), 201, 3)
        self.assertEqual(self.under_way(), 1)

    def test_a_length_that_is_told_later_keeps_to_the_limit(self) -> None:
        url = self.creation(self.link(max_size=5), length=None).location
        self.assertEqual(self.status(self.piece(url, 0, b"four")), 204)
        self.assertEqual(self.status(self.piece(url, 4, b"more")), 413)
        self.assertEqual(self.status(self.piece(url, 4, b"", Upload_Length="6")), 413)
        self.assertEqual(self.status(self.piece(url, 4, b"5", Upload_Length="5")), 200)
        self.assertEqual(self.files(), [("f.txt", 5)])

    def test_two_for_one_use(self) -> None:
        link = self.link()
        first, second = (self.creation(link).location for _each in range(2))
        self.piece(first, 0, DATA[:3])
        self.piece(second, 0, DATA[:3])
        self.assertEqual(self.status(self.piece(second, 3, DATA[3:])), 200)
        self.assertEqual(self.status(self.piece(first, 3, DATA[3:])), 404)
        self.assertEqual((self.uses(), len(self.files())), ([1], 1))
        self.assertEqual(self.unfinished(), 0)

    def test_used_up_while_another_is_complete_but_for_its_answer(self) -> None:
        link = self.link()
        first, second = (self.creation(link).location for _each in range(2))
        for url in (first, second):
            with mock.patch.object(ResumableUploads, "complete", side_effect=SystemExit):
                self.assertRaises(SystemExit, self.piece, url, 0, DATA)
        is_good, used_up = UploadLink.is_good, iter((True, False))
        self.assertEqual(self.offset(first), len(DATA))
        with mock.patch.object(UploadLink, "is_good", lambda link, now: next(used_up, is_good(link, now))):
            self.assertEqual(self.status(self.ask("HEAD", second, TUS)), 404)
        self.assertEqual((self.uses(), len(self.files()), self.unfinished()), ([1], 1, 0))

    def test_another_links_upload_does_not_exist(self) -> None:
        link, other = self.link(), self.link()
        upload_id = self.creation(link).location.rpartition("/")[2]
        owners = f"{link[: link.index('/+drop')]}/+uploads/{upload_id}"
        for url in (f"{other}/+uploads/{upload_id}", owners):
            for method in ("HEAD", "DELETE"):
                self.assertEqual(self.status(self.ask(method, url, TUS)), 404, (method, url))
            self.assertEqual(self.status(self.piece(url, 0, DATA)), 404)
        self.assertEqual(self.offset(f"{link}/+uploads/{upload_id}"), 0)

    def test_a_link_takes_no_other_uploads_of_its_owner(self) -> None:
        secret = {"Authorization": self.basic("bob", "seven green bottles")}
        fields = {**TUS, **secret, "Upload-Length": "3", "Upload-Metadata": metadata(filename="mine.txt")}
        upload_id = self.ask("POST", f"{APP}+uploads", fields).location.rpartition("/")[2]
        url = f"{self.link()}/+uploads/{upload_id}"
        self.assertEqual(self.status(self.ask("HEAD", url, TUS)), 404)
        self.assertEqual(self.status(self.piece(url, 0, b"abc")), 404)

    def test_what_is_begun_when_the_link_expires_is_dropped(self) -> None:
        url = self.creation(self.link(lifetime=timedelta(hours=1))).location
        self.piece(url, 0, DATA[:5])
        self.world.clock.move(hours=2)
        self.assertEqual(self.status(self.ask("HEAD", url, TUS)), 404)
        self.assertEqual(self.under_way(), 0)

    def test_a_link_says_itself_what_becomes_of_files(self) -> None:
        refused = self.creation(self.link(), 400, filename="f.txt", path="/a/f.txt")
        self.assertIn("path", refused.json["error"])
        refused = self.creation(self.link(), 400, filename="f.txt", restricted="false")
        self.assertIn("becomes restricted", refused.json["error"])
        link, soon = self.link(), {"Librarian-Expires": "1d"}
        begun = {**TUS, "Upload-Length": "3", "Upload-Metadata": metadata(filename="f.txt")}
        for answer in (
            self.ask("POST", f"{link}/+uploads", {**begun, **soon}),
            self.ask("PUT", f"{link}/f.txt", soon, DATA),
            self.ask("PUT", f"{link}/f.txt", {**soon, "Upload-Complete": "?1"}, DATA),
        ):
            self.assertEqual(self.status(answer), 400)
            self.assertIn("Librarian-Expires", answer.json["error"])
        self.assertEqual(self.status(self.ask("PUT", f"{link}/f.txt", {"If-Match": "*"}, DATA)), 412)
        self.assertEqual((self.under_way(), self.files(), self.uses()[-1:]), (0, [], [0]))

    def test_a_body_of_unknown_length_is_dropped_at_the_limit(self) -> None:
        uploads = getUtility(IResumableUploads)
        upload_id = self.creation(self.link(max_size=5), length=None).location.rpartition("/")[2]
        piece = uploads.piece(upload_id, 0)
        piece.write(b"four")
        with self.assertRaises(BodyRefused) as refused:
            piece.write(b"more")
        piece.abort()
        self.assertEqual((refused.exception.status, self.under_way()), (413, 0))

    def test_what_is_spoken(self) -> None:
        answer = self.ask("OPTIONS", f"{self.link(max_size=5)}/+uploads", {})
        self.assertEqual((answer.status_int, answer.headers["Upload-Limit"]), (204, "max-size=5"))
        self.assertEqual((answer.headers["Tus-Version"], answer.headers["Tus-Max-Size"]), ("1.0.0", "5"))

    def test_revoked_in_the_midst(self) -> None:
        url = self.creation(self.link()).location
        self.piece(url, 0, DATA[:5])
        with self.owner("bob"):
            [link] = [link.id for link in getUtility(IUploadLinks)]
            getUtility(IUploadLinks).revoke(link)
            transaction.commit()
        self.assertEqual(self.under_way(), 0)
        self.assertEqual(self.status(self.piece(url, 5, DATA[5:])), 404)
        self.assertEqual(self.status(self.ask("HEAD", url, TUS)), 404)
        self.assertEqual(self.files(), [])

    def test_what_cannot_become_complete_is_swept(self) -> None:
        link, other = self.link(), self.link(max_uses=2)
        urls = [self.creation(each).location for each in (link, other)]
        for url in urls:
            self.piece(url, 0, DATA[:5])
        for each in (link, other):
            self.assertEqual(self.status(self.ask("PUT", f"{each}/g.txt", {}, DATA)), 201)
        sweep = GarbageCollector(Library())
        sweep.run(("bytes",))
        self.assertEqual([size for _id, _facts, size in getUtility(IResumableUploads).all()], [5])
        self.assertEqual(self.status(self.piece(urls[1], 5, DATA[5:])), 200)
        self.assertEqual(self.status(self.piece(urls[0], 5, DATA[5:])), 404)

    def test_the_owner_cannot_complete_it_either(self) -> None:
        url = self.creation(self.link()).location
        self.piece(url, 0, DATA[:5])
        own = f"{APP}+uploads/{url.rpartition('/')[2]}"
        secret = {"Authorization": self.basic("bob", "seven green bottles")}
        with mock.patch.object(ResumableUploads, "cancel_by_link"), self.owner("bob"):
            [link] = [link.id for link in getUtility(IUploadLinks)]
            getUtility(IUploadLinks).revoke(link)
            transaction.commit()
        fields = {**PIECE, **secret, "Upload-Offset": "5"}
        self.assertEqual(self.status(self.ask("PATCH", own, fields, DATA[5:])), 404)
        self.assertEqual((self.files(), self.under_way()), ([], 0))

    def by_draft(self, method: str, url: str, complete: str, data: bytes, **fields: str) -> Any:
        stated = {"Upload-Draft-Interop-Version": "8", "Upload-Complete": complete}
        stated |= {name.replace("_", "-"): value for name, value in fields.items()}
        return self.ask(method, url, stated, data)

    def rest(self, url: str, complete: str, offset: int, data: bytes) -> Any:
        fields = {"Content_Type": "application/partial-upload", "Upload_Offset": str(offset)}
        return self.by_draft("PATCH", url, complete, data, **fields)

    def test_by_the_draft(self) -> None:
        link = self.link(max_size=20, media_types=("text/*",))
        begun = self.by_draft("PUT", f"{link}/f.txt", "?0", DATA[:4])
        self.assertEqual((begun.status_int, begun.headers["Upload-Offset"]), (201, "4"), begun.text)
        self.assertTrue(begun.location.startswith(f"{link}/+uploads/"), begun.location)
        self.assertIn("max-size=20", begun.headers["Upload-Limit"])
        state = self.ask("HEAD", begun.location, {})
        self.assertEqual((state.status_int, state.headers["Upload-Offset"]), (204, "4"))
        self.assertEqual(state.headers["Upload-Complete"], "?0")
        self.assertEqual(self.status(self.rest(begun.location, "?0", 4, DATA[4:8])), 204)
        last = self.rest(begun.location, "?1", 8, DATA[8:])
        self.assertEqual((last.status_int, set(last.json)), (200, {"filename", "size", "sha256"}))
        self.assertEqual(self.rest(begun.location, "?1", 8, DATA[8:]).json, last.json)
        self.assertEqual(self.ask("GET", begun.location, {}).headers["Upload-Complete"], "?1")
        self.assertEqual((self.uses(), self.files()), ([1], [("f.txt", len(DATA))]))
        self.assertEqual(self.status(self.by_draft("PUT", f"{link}/f.txt", "?0", b"o")), 404)

    def test_by_the_draft_in_one_request(self) -> None:
        link = self.link(filename="x.txt")
        whole = self.by_draft("POST", link, "?1", DATA)
        self.assertEqual((whole.status_int, whole.json["filename"], whole.location), (201, "x.txt", None))
        self.assertEqual((self.uses(), self.files()), ([1], [("x.txt", len(DATA))]))

    def test_what_the_link_does_not_take_is_refused_by_the_draft(self) -> None:
        link = self.link(max_size=5, media_types=("text/*",), filename="f.txt")
        for status, name, complete, data, fields in (
            (413, "f.txt", "?1", DATA, {}),
            (413, "f.txt", "?0", b"one", {"Upload_Length": "6"}),
            (413, "f.txt", "?0", b"one two", {}),
            (415, "f.txt", "?0", b"one", {"Content_Type": "image/png"}),
            (415, "f.txt", "?0", b"one", {"Content_Encoding": "gzip"}),
            (400, "g.txt", "?0", b"one", {}),
            (400, "f.txt", "perhaps", b"one", {}),
            (404, "f.txt/g", "?0", b"one", {}),
        ):
            answer = self.by_draft("PUT", f"{link}/{name}", complete, data, **fields)
            self.assertEqual(self.status(answer), status, (name, complete, data, answer.text))
        self.assertEqual((self.unfinished(), self.files(), self.uses()), (0, [], [0]))

    def test_an_upload_by_the_draft_is_its_links_alone(self) -> None:
        url = self.by_draft("PUT", f"{self.link()}/f.txt", "?0", b"one").location
        other = f"{self.link()}/+uploads/{url.rpartition('/')[2]}"
        for method in ("HEAD", "GET", "DELETE"):
            self.assertEqual(self.status(self.ask(method, other, {})), 404, method)
        self.assertEqual(self.status(self.rest(other, "?1", 3, b"x")), 404)
        self.assertEqual(self.status(self.ask("PATCH", url, {}, b"x")), 400)
        self.assertEqual(self.status(self.ask("DELETE", url, {})), 204)
        self.assertEqual(self.under_way(), 0)

    def test_an_upload_is_given_up(self) -> None:
        url = self.creation(self.link()).location
        self.assertEqual(self.status(self.ask("DELETE", url, TUS)), 204)
        self.assertEqual(self.under_way(), 0)

    def test_what_is_no_link_or_no_upload(self) -> None:
        link = self.link()
        base = link.rpartition("/")[0]
        for url in (
            f"{base}/{'x' * 32}/+uploads",
            f"{base}/+uploads",
            f"{link}/uploads",
            f"{link}/+uploads/a/b",
        ):
            self.assertEqual(self.status(self.ask("POST", url, {**TUS, "Upload-Length": "3"})), 404, url)
        for method, url in (("PATCH", link), ("POST", f"{link}/+uploads/{'0' * 32}"), ("PUT", link)):
            self.assertEqual(self.status(self.ask(method, url, TUS)), 405, url)
        answer = self.ask("POST", f"{link}/+uploads", {"Tus-Resumable": "0.2.2"})
        self.assertEqual((answer.status_int, answer.headers["Tus-Version"]), (412, "1.0.0"))

    def test_each_path_names_its_methods(self) -> None:
        link = self.link(filename="f.txt")
        for path, allowed in (
            ("", "GET, HEAD, OPTIONS, POST, PUT"),
            ("/f.txt", "OPTIONS, POST, PUT"),
            ("/+uploads", "OPTIONS, POST"),
            (f"/+uploads/{'0' * 32}", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ):
            others = {"DELETE", "GET", "PATCH", "POST", "PUT", "TRACE"} - set(allowed.split(", "))
            for method, status in [*((each, 405) for each in sorted(others)), ("BREW", 501)]:
                for fields in ({}, TUS):
                    answer = self.ask(method, link + path, fields)
                    found = answer.status_int, answer.headers["Allow"]
                    self.assertEqual(found, (status, allowed), f"{method} {path}")
            self.assertEqual(self.ask("OPTIONS", link + path, {}).headers["Tus-Version"], "1.0.0", path)
        self.assertEqual(self.status(self.ask("OPTIONS", f"{link}/{'x' * 256}", {})), 400)
        for fields in (TUS, {"Upload-Complete": "?1"}):  # which are for what begins an upload
            self.assertEqual(self.status(self.ask("GET", link, fields)), 405)
        self.assertEqual((self.files(), self.uses()), ([], [0]))

    def test_a_beginning_that_speaks_no_protocol_is_no_file_of_that_name(self) -> None:
        answer = self.ask("POST", f"{self.link()}/+uploads", {}, b"abc")
        self.assertEqual((answer.status_int, answer.headers["Tus-Version"]), (412, "1.0.0"))
        self.assertEqual((self.files(), self.uses()), ([], [0]))

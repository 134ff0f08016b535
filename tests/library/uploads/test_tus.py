"""tus 1.0.0, request by request: what is taken, what is refused, and what is left afterwards."""

from typing import Any
from unittest import mock

import transaction
from zope.component import getUtility

from librarian.commands.upkeep.report import report_lines
from librarian.library.operations import Library
from librarian.library.upkeep.garbage.collector import GarbageCollector
from librarian.library.upkeep.usage import report
from librarian.library.uploads.interfaces import IResumableUploads
from librarian.library.uploads.model import UploadFacts
from librarian.library.uploads.service import ResumableUploads
from librarian.web.interfaces import BodyRefused
from tests.library.uploads.support import (
    APP,
    DATA,
    PIECE,
    RESTRICTED,
    TUS,
    UPLOAD,
    UploadsTestCase,
    base64_of,
    metadata,
)
from tests.support.documents.people import bearer, person
from tests.support.world import overlay

_with = UploadFacts.with_


def _named_is_killed(facts: UploadFacts, **changes: Any) -> UploadFacts:
    if "named" in changes:
        raise SystemExit
    return _with(facts, **changes)


class Protocol(UploadsTestCase):
    def test_in_pieces(self) -> None:
        url = self.begin()
        self.assertEqual(self.status(self.piece(url, 0, b"one ")), 204)
        self.assertEqual(self.offset(url), 4)
        self.assertEqual(self.files(), [])
        last = self.piece(url, 4, b"two three")
        self.assertEqual((self.status(last), last.json["size"]), (200, 13))
        self.assertEqual(self.files(), [("f.txt", 13)])
        self.assertEqual(list(self.world.store), [last.json["sha256"]])

    def test_the_last_answer_again(self) -> None:
        url = self.begin()
        first = self.piece(url, 0, DATA)
        again = self.piece(url, len(DATA), b"")
        self.assertEqual((self.status(again), again.json), (200, first.json))
        self.assertEqual(self.status(self.piece(url, len(DATA), b"more")), 400)
        self.assertEqual(self.ask("GET", url, {}).json["file"], first.json)
        self.assertEqual(self.files(), [("f.txt", 13)])

    def test_the_last_piece_again(self) -> None:
        url = self.begin()
        self.piece(url, 0, b"one ")
        first = self.piece(url, 4, b"two three")
        again = self.piece(url, 4, b"two three")
        self.assertEqual((self.status(again), again.json), (200, first.json))
        self.assertEqual((again.headers["Upload-Offset"], self.files()), ("13", [("f.txt", 13)]))
        self.assertEqual(self.piece(url, 8, b"three").json, first.json)  # cut otherwise by a client
        for offset, data in (
            (4, b"two tree!"),
            (0, b"One two three"),
            (4, b"two"),
            (4, b"two three!"),
            (0, b"one "),
        ):
            self.assertIn(self.status(self.piece(url, offset, data)), (400, 409, 413), data)
        self.assertEqual(self.ask("GET", url, {}).json["file"], first.json)
        self.assertEqual(list(self.world.store), [first.json["sha256"]])

    def test_the_last_piece_again_with_digests(self) -> None:
        url = self.begin()
        right, wrong = (f"sha1 {base64_of(data, 'sha1')}" for data in (DATA, b"two"))
        first = self.piece(url, 0, DATA, Upload_Checksum=right)
        self.assertEqual(self.status(self.piece(url, 0, DATA, Upload_Checksum=wrong)), 460)
        self.assertEqual(self.piece(url, 0, DATA, Upload_Checksum=right).json, first.json)
        nothing = f"sha1 {base64_of(b'', 'sha1')}"
        self.assertEqual(self.piece(url, 13, b"", Upload_Checksum=nothing).json, first.json)
        self.assertEqual(self.status(self.piece(url, 13, b"", Upload_Checksum=right)), 460)
        for data, status in ((DATA, 200), (b"another", 400)):
            field = f"sha-512=:{base64_of(data, 'sha512')}:"
            self.assertEqual(self.status(self.piece(url, 0, DATA, Repr_Digest=field)), status)

    def test_the_last_piece_again_after_a_kill(self) -> None:
        for number, step in enumerate(("complete", "_check_whole", "_keep", "_name", "_note"), 1):
            url = self.begin()
            with mock.patch.object(ResumableUploads, step, side_effect=SystemExit):
                self.assertRaises(SystemExit, self.piece, url, 0, DATA)
            self.assertEqual(self.status(self.piece(url, 0, b"x" * 13)), 409, step)
            self.assertEqual(self.status(self.piece(url, 0, DATA)), 200, step)
            self.assertEqual(self.files(), [("f.txt", 13)] * number, step)

    def test_the_last_piece_again_of_a_file_that_was_deleted(self) -> None:
        url = self.begin()
        number = self.piece(url, 0, DATA).json["id"]
        transaction.begin()
        subtree = self.world.tree.subtree("library")
        subtree.drop(subtree.aliases[number])
        transaction.commit()
        self.assertEqual(self.status(self.piece(url, 0, DATA)), 404)
        for sha256 in list(self.world.store):
            self.world.store.remove(sha256)
        self.assertEqual(self.status(self.piece(url, 0, DATA)), 410)

    def test_a_creation_without_bytes_keeps_to_its_digest(self) -> None:
        fields = {**TUS, "Upload-Length": "13", "Upload-Metadata": metadata(filename="f.txt")}
        for name, value in (
            ("Upload-Checksum", f"sha1 {base64_of(DATA, 'sha1')}"),
            ("Content-MD5", base64_of(DATA, "md5")),
        ):
            answer = self.ask("POST", f"{UPLOAD}+uploads", {**fields, name: value})
            self.assertEqual(self.status(answer), 460, name)
        self.assertEqual(list(self.world.store.partials), [])

    def test_a_coded_body_is_refused(self) -> None:
        url = self.begin()
        self.assertEqual(self.status(self.piece(url, 0, DATA, Content_Encoding="gzip")), 415)
        self.assertEqual(self.offset(url), 0)

    def test_what_an_endpoint_cannot_do_is_refused(self) -> None:
        cases = (
            (UPLOAD, {"restricted": "true"}, 400),
            (UPLOAD, {"restricted": "false"}, 201),
            (UPLOAD, {"restricted": "perhaps"}, 400),
            (RESTRICTED, {"restricted": "false"}, 400),
            (RESTRICTED, {"restricted": "yes"}, 201),
            (UPLOAD, {"parents": "true"}, 400),
        )
        for base, more, status in cases:
            fields = {**TUS, "Upload-Length": "3", "Upload-Metadata": metadata(filename="f.txt", **more)}
            self.assertEqual(self.status(self.ask("POST", f"{base}+uploads", fields)), status, (base, more))
        fields = {**TUS, "Upload-Length": "3", "Upload-Metadata": metadata(filename="f.txt"), "If-Match": "*"}
        self.assertEqual(self.status(self.ask("POST", f"{UPLOAD}+uploads", fields)), 412)
        self.assertEqual(self.status(self.ask("PUT", f"{UPLOAD}f.txt", {"If-Match": '"x"'}, DATA)), 412)

    def test_killed_between_the_steps_of_the_completion(self) -> None:
        for step in ("_check_whole", "_keep", "_name", "_note"):
            url = self.begin()
            with mock.patch.object(ResumableUploads, step, side_effect=SystemExit):
                self.assertRaises(SystemExit, self.piece, url, 0, DATA)
            self.assertEqual(self.status(self.piece(url, len(DATA), b"")), 200)
        url = self.begin()
        with mock.patch.object(UploadFacts, "with_", _named_is_killed):  # named, and not noted
            self.assertRaises(SystemExit, self.piece, url, 0, DATA)
        self.assertEqual(self.files(), [("f.txt", 13)] * 5)
        self.assertEqual(self.status(self.piece(url, len(DATA), b"")), 200)
        self.assertEqual(self.files(), [("f.txt", 13)] * 5)

    def test_a_client_that_only_asks_for_the_offset_has_its_file(self) -> None:
        for number, step in enumerate(("complete", "_keep", "_name", "_note"), 1):
            url = self.begin()
            with mock.patch.object(ResumableUploads, step, side_effect=SystemExit):
                self.assertRaises(SystemExit, self.piece, url, 0, DATA)
            self.assertEqual(self.offset(url), len(DATA), step)
            self.assertEqual(self.files(), [("f.txt", 13)] * number, step)

    def test_a_client_without_patch(self) -> None:
        url = self.begin()
        stated = {**PIECE, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
        self.assertEqual(self.status(self.ask("POST", url, stated, b"one ")), 204)
        self.assertEqual(self.offset(url), 4)
        self.assertEqual(self.status(self.ask("PATCH", url, {**stated, "Upload-Offset": "4"}, b"two ")), 204)
        for method, field in (("POST", "HEAD"), ("POST", "patch"), ("POST", "FOO"), ("HEAD", "DELETE")):
            answer = self.ask(method, url, {**TUS, "X-HTTP-Method-Override": field})
            self.assertEqual(self.status(answer), 400, field)
        self.assertEqual(self.status(self.ask("POST", url, {"X-HTTP-Method-Override": "DELETE"})), 405)
        self.assertEqual(self.offset(url), 8)
        answer = self.ask("POST", url, {**TUS, "X-HTTP-Method-Override": "DELETE"})
        self.assertEqual((self.status(answer), list(self.world.store.partials)), (204, []))

    def test_with_the_creation(self) -> None:
        headers = {**PIECE, "Upload-Length": "13", "Upload-Metadata": metadata(filename="f.txt")}
        begun = self.ask("POST", f"{UPLOAD}+uploads", headers, b"one ")
        self.assertEqual((self.status(begun), begun.headers["Upload-Offset"]), (201, "4"))
        whole = self.ask("POST", f"{UPLOAD}+uploads", headers, DATA)
        self.assertEqual((self.status(whole), whole.json["size"]), (201, 13))

    def test_a_refused_creation_with_bytes_leaves_no_upload(self) -> None:
        named = {**PIECE, "Upload-Length": "13", "Upload-Metadata": metadata(filename="f.txt")}
        wrong = {**named, "Upload-Checksum": f"md5 {base64_of(b'two', 'md5')}"}
        begun = self.ask("POST", f"{UPLOAD}+uploads", wrong, b"one ")
        self.assertEqual((self.status(begun), list(self.world.store.partials)), (460, []))
        uploads = getUtility(IResumableUploads)
        partial = uploads.begin("f.txt", "text/plain", restricted=False, owner=None, expires=None, length=3)
        piece = uploads.first_piece(partial, 3, {}, None)  # chunked: its size is not told
        with self.assertRaises(BodyRefused):
            piece.write(b"four")
        piece.abort()
        self.assertEqual(list(self.world.store.partials), [])

    def test_a_length_that_is_told_later(self) -> None:
        headers = {**TUS, "Upload-Defer-Length": "1", "Upload-Metadata": metadata(filename="f.txt")}
        url = self.ask("POST", f"{UPLOAD}+uploads", headers).location
        self.piece(url, 0, b"one ")
        self.assertEqual(self.ask("HEAD", url, TUS).headers["Upload-Defer-Length"], "1")
        self.assertEqual(self.status(self.piece(url, 4, b"", Upload_Length="3")), 400)
        self.assertEqual(self.status(self.piece(url, 4, b"two three", Upload_Length="13")), 200)

    def test_offsets_that_are_wrong(self) -> None:
        url = self.begin()
        self.piece(url, 0, b"one ")
        for offset in ("0", "3", "5", "13"):
            answer = self.ask("PATCH", url, {**PIECE, "Upload-Offset": offset}, b"x")
            self.assertEqual((self.status(answer), answer.headers["Upload-Offset"]), (409, "4"))
        for offset in ("-1", "four", "", "4.0", "٤", "9" * 16):
            answer = self.ask("PATCH", url, {**PIECE, "Upload-Offset": offset}, b"x")
            self.assertEqual(self.status(answer), 400, offset)
        self.assertEqual(self.status(self.ask("PATCH", url, PIECE, b"x")), 400)
        self.assertEqual(self.offset(url), 4)

    def test_more_than_was_declared(self) -> None:
        url = self.begin(3)
        self.assertEqual(self.status(self.piece(url, 0, b"four")), 413)
        self.assertEqual(self.offset(url), 0)

    def test_checksums(self) -> None:
        for name in ("sha1", "sha256", "md5"):
            url = self.begin()
            wrong = self.piece(url, 0, b"one ", Upload_Checksum=f"{name} {base64_of(b'two', name)}")
            self.assertEqual(self.status(wrong), 460)
            self.assertEqual(self.offset(url), 0)
            right = self.piece(url, 0, DATA, Upload_Checksum=f"{name} {base64_of(DATA, name)}")
            self.assertEqual(self.status(right), 200)
        for field in ("crc32 AAAA", "sha1", "sha1 AAAA", "md5 ?", ""):
            url = self.begin()
            self.assertEqual(self.status(self.piece(url, 0, b"one ", Upload_Checksum=field)), 400, field)

    def test_digests_of_the_whole(self) -> None:
        names = {"sha256": "sha-256", "sha512": "sha-512", "sha1": "sha", "md5": "md5"}
        for algorithm, name in names.items():
            url = self.begin(Repr_Digest=f"{name}=:{base64_of(b'another', algorithm)}:")
            self.assertEqual(self.status(self.piece(url, 0, DATA)), 400)
            self.assertEqual(self.status(self.ask("HEAD", url, TUS)), 404)
        self.assertEqual(self.files(), [])
        url = self.begin(Repr_Digest=f"sha-512=:{base64_of(DATA, 'sha512')}:")
        self.assertEqual(self.status(self.piece(url, 0, DATA)), 200)

    def test_digests_of_a_piece_in_the_fields_of_http(self) -> None:
        wrong = {
            "Content-MD5": base64_of(b"two", "md5"),
            "Content-Digest": f"sha-512=:{base64_of(b'two', 'sha512')}:",
        }
        creation = {**PIECE, "Upload-Length": "13", "Upload-Metadata": metadata(filename="f.txt")}
        for field, digest in wrong.items():
            url = self.begin()
            self.assertEqual(self.status(self.piece(url, 0, DATA, **{field: digest})), 460, field)
            self.assertEqual(self.offset(url), 0)
            begun = self.ask("POST", f"{UPLOAD}+uploads", {**creation, field: digest}, b"one ")
            self.assertEqual(self.status(begun), 460, field)
        for field in ("crc32c=:AAAAAA==:", "no digest"):
            self.assertEqual(self.status(self.piece(url, 0, DATA, Content_Digest=field)), 400)
        right = {"Content_MD5": base64_of(b"one ", "md5"), "Upload_Checksum": f"md5 {base64_of(b'x', 'md5')}"}
        self.assertEqual(self.status(self.piece(url, 0, b"one ", **right)), 400)
        self.assertEqual(self.status(self.piece(url, 0, b"one ", Content_MD5=right["Content_MD5"])), 204)
        self.assertEqual(self.files(), [])

    def test_digests_of_the_whole_with_a_piece(self) -> None:
        wrong, right = (f"sha-512=:{base64_of(data, 'sha512')}:" for data in (b"another", DATA))
        url = self.begin()
        self.assertEqual(self.status(self.piece(url, 0, b"one ", Repr_Digest="crc32c=:AAAAAA==:")), 400)
        self.assertEqual(self.status(self.piece(url, 0, b"one ", Repr_Digest=wrong)), 204)
        self.assertEqual(self.status(self.piece(url, 4, b"two three", Repr_Digest=right)), 400)
        self.assertEqual(self.status(self.piece(url, 4, b"two three")), 400)
        self.assertEqual(self.files(), [])
        url = self.begin()
        self.assertEqual(self.status(self.piece(url, 0, b"one ")), 204)
        self.assertEqual(self.status(self.piece(url, 4, b"two three", Repr_Digest=right)), 200)

    def test_parts_to_be_joined_are_refused(self) -> None:
        creation = {**TUS, "Upload-Length": "3", "Upload-Metadata": metadata(filename="f.txt")}
        for field in ("partial", "final;/+uploads/a /+uploads/b"):
            answer = self.ask("POST", f"{UPLOAD}+uploads", {**creation, "Upload-Concat": field})
            self.assertEqual(self.status(answer), 400)
        self.assertEqual(list(self.world.store.partials), [])

    def test_creations_that_are_refused(self) -> None:
        good = {**TUS, "Upload-Length": "3", "Upload-Metadata": metadata(filename="f.txt")}
        cases: list[tuple[dict[str, str], int]] = [
            ({"Upload-Length": "0"}, 400),
            ({"Upload-Length": "-3"}, 400),
            ({"Upload-Length": "x"}, 400),
            ({"Upload-Defer-Length": "1"}, 400),
            ({"Upload-Metadata": ""}, 400),
            ({"Upload-Metadata": "filename"}, 400),
            ({"Upload-Metadata": "filename ???"}, 400),
            ({"Upload-Metadata": metadata(filename="a/b")}, 400),
            ({"Upload-Metadata": metadata(filename="f", filetype="no type")}, 400),
            ({"Upload-Metadata": metadata(filename="f", sha256="abc")}, 400),
            ({"Repr-Digest": "crc32c=:AAAAAA==:"}, 400),
            ({"Librarian-Expires": "soon"}, 400),
            ({"Tus-Resumable": "0.2.2"}, 412),
        ]
        for changes, status in cases:
            answer = self.ask("POST", f"{UPLOAD}+uploads", {**good, **changes})
            self.assertEqual(self.status(answer), status, (changes, answer.text))
            self.assertNotIn("Location", answer.headers)
        self.assertEqual(list(self.world.store.partials), [])

    def test_more_than_the_quota_where_the_length_is_not_known(self) -> None:
        headers = {
            **PIECE,
            "Upload-Defer-Length": "1",
            "Upload-Metadata": metadata(filename="f.txt"),
            "Authorization": bearer(person("ada"), "upload"),
        }
        with overlay("[librarian.quota]\nperson_bytes = 10"):
            answer = self.ask("POST", f"{UPLOAD}+uploads", headers, DATA)
        self.assertEqual(self.status(answer), 413)
        self.assertIn("over the quota of person ada: 0 of 10 bytes are used", answer.json["error"])

    def test_over_the_limit(self) -> None:
        with overlay("[librarian]\nresumable_max_size = 10"):
            headers = {**TUS, "Upload-Length": "11", "Upload-Metadata": metadata(filename="f.txt")}
            self.assertEqual(self.status(self.ask("POST", f"{UPLOAD}+uploads", headers)), 413)
            self.assertEqual(self.ask("OPTIONS", f"{UPLOAD}+uploads", {}).headers["Tus-Max-Size"], "10")
            del headers["Upload-Length"]
            url = self.ask("POST", f"{UPLOAD}+uploads", {**headers, "Upload-Defer-Length": "1"}).location
            self.assertEqual(self.status(self.piece(url, 0, b"x" * 11)), 413)

    def test_what_the_server_can(self) -> None:
        fields = self.ask("OPTIONS", f"{UPLOAD}+uploads", {}).headers
        self.assertEqual(
            (fields["Tus-Version"], fields["Tus-Checksum-Algorithm"]), ("1.0.0", "sha1,sha256,md5")
        )
        self.assertIn("creation-with-upload", fields["Tus-Extension"])

    def test_deleted(self) -> None:
        url = self.begin()
        self.piece(url, 0, b"one ")
        self.assertEqual(self.status(self.ask("DELETE", url, TUS)), 204)
        for method in ("HEAD", "DELETE", "GET"):
            self.assertEqual(self.status(self.ask(method, url, TUS)), 404)
        self.assertEqual(list(self.world.store.partials), [])

    def test_expired(self) -> None:
        url = self.begin()
        self.piece(url, 0, b"one ")
        self.world.clock.move(days=1)
        self.assertEqual(self.status(self.piece(url, 4, b"two three")), 410)
        self.assertEqual(self.status(self.ask("HEAD", url, TUS)), 404)

    def test_the_collector_removes_what_expired(self) -> None:
        self.piece(self.begin(), 0, b"one ")
        self.world.clock.move(days=1)
        kept = self.begin()
        dry = GarbageCollector(Library(), dry_run=True).run(("bytes",))
        self.assertEqual((dry.done["bytes"], dry.freed), ({"forgotten": 1}, 4))
        self.assertEqual(len(list(self.world.store.partials)), 2)
        GarbageCollector(Library()).run(("bytes",))
        self.assertEqual(list(self.world.store.partials), [kept.rpartition("/")[2]])

    def test_two_at_once(self) -> None:
        url = self.begin()
        with self.world.tree.session():
            piece = getUtility(IResumableUploads).piece(url.rpartition("/")[2], 0)
        piece.write(b"one ")
        busy = self.piece(url, 0, DATA)
        self.assertEqual((self.status(busy), busy.headers["Retry-After"]), (423, "1"))
        self.assertEqual(self.offset(url), 4)  # which has ended the request that hung
        with self.assertRaises(ValueError):
            piece.write(b"too late")
        self.assertEqual(self.status(self.piece(url, 4, b"two three")), 200)
        self.assertEqual(self.files(), [("f.txt", 13)])


class OthersUploads(UploadsTestCase):
    def mine(self, name: str) -> dict[str, str]:
        return {**PIECE, "Authorization": self.basic(name, "seven green bottles")}

    def test_only_people_who_are_known_add_to_the_app(self) -> None:
        headers = {**TUS, "Upload-Length": "13", "Upload-Metadata": metadata(filename="f.txt")}
        self.assertEqual(self.status(self.ask("POST", f"{APP}+uploads", headers)), 401)

    def test_another_persons_upload_does_not_exist(self) -> None:
        bob = self.mine("bob")
        url = self.begin(base=APP, Authorization=bob["Authorization"])
        for method in ("HEAD", "PATCH", "DELETE", "GET"):
            others = ("cat",) if method == "DELETE" else ("cat", "amy")
            for other in map(self.mine, others):
                answer = self.ask(method, url, {**other, "Upload-Offset": "0"}, b"")
                self.assertEqual(self.status(answer), 404, method)
            answer = self.ask(method, url.replace("6543", "9090"), {**PIECE, "Upload-Offset": "0"}, b"")
            self.assertEqual(self.status(answer), 404, method)
        last = self.ask("PATCH", url, {**bob, "Upload-Offset": "0"}, DATA)
        self.assertEqual(self.status(last), 200, last.text)
        transaction.begin()
        alias = self.world.tree.subtree("library").alias(last.json["id"])
        self.assertEqual((alias.owner, alias.restricted), ("person:bob", False))

    def test_listed_for_their_owner(self) -> None:
        bob = self.mine("bob")
        url = self.begin(base=APP, Authorization=bob["Authorization"])
        found = self.ask("GET", f"{APP}+uploads", bob).json["uploads"]
        self.assertEqual([(each["path"], each["offset"]) for each in found], [(url[len(APP) - 1 :], 0)])
        self.assertEqual(self.ask("GET", f"{APP}+uploads", self.mine("cat")).json["uploads"], [])

    def test_admins_list_and_delete_those_of_others(self) -> None:
        url = self.begin(base=APP, Authorization=self.mine("bob")["Authorization"])
        public = self.begin()
        self.assertEqual(self.status(self.ask("GET", f"{APP}+uploads?all", self.mine("cat"))), 403)
        self.assertEqual(self.status(self.ask("GET", f"{UPLOAD}+uploads?all", {})), 401)
        found = self.ask("GET", f"{APP}+uploads?all", self.mine("amy")).json["uploads"]
        self.assertEqual({(each["owner"], each["offset"]) for each in found}, {("person:bob", 0), (None, 0)})
        amys = self.ask("GET", f"{APP}+uploads", self.mine("amy")).json["uploads"]
        self.assertEqual(amys, [])
        for each in (url, public.replace("9090", "6543")):
            self.assertEqual(self.status(self.ask("DELETE", each, self.mine("amy"))), 204)
            self.assertEqual(self.status(self.ask("DELETE", each, self.mine("amy"))), 404)
        self.assertEqual(self.status(self.ask("HEAD", url, self.mine("bob"))), 404)

    def test_the_report_counts_them(self) -> None:
        url = self.begin()
        self.piece(url, 0, b"one ")
        done = self.begin()
        self.piece(done, 0, DATA)
        found = report(Library())
        self.assertEqual((found.partial.files, found.partial.bytes, found.files.files), (1, 4, 1))
        self.assertIn("uploads under way: 1, 4 bytes have come", list(report_lines(found)))

    def test_each_space_has_its_own(self) -> None:
        url = self.begin(base=RESTRICTED)
        self.assertEqual(self.status(self.ask("HEAD", url.replace("9095", "9090"), TUS)), 404)
        self.assertTrue(self.piece(url, 0, DATA).json["restricted"])

    def test_a_form_of_another_site_cannot_begin_one(self) -> None:
        headers = {**self.mine("bob"), "Upload-Length": "3", "Origin": "http://evil.example"}
        answer = self.ask("POST", f"{APP}+uploads", {**headers, "Upload-Metadata": metadata(filename="f")})
        self.assertEqual(self.status(answer), 403)

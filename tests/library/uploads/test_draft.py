"""The HTTP working group's draft, request by request, and what of it is refused elsewhere."""

from typing import Any

from tests.library.uploads.support import DATA, PART, UPLOAD, UploadsTestCase, base64_of

VERSION = {"Upload-Draft-Interop-Version": "8"}
NAME = f"{UPLOAD}f.txt"
TYPES = "https://iana.org/assignments/http-problem-types#"


class Draft(UploadsTestCase):
    def put(self, complete: str, data: bytes, **more: str) -> Any:
        named = {key.replace("_", "-"): value for key, value in more.items()}
        return self.ask("PUT", NAME, {**VERSION, "Upload-Complete": complete, **named}, data)

    def begun(self, data: bytes = b"one ", **more: str) -> str:
        """The URL of an upload that has begun with `data`."""
        answer = self.put("?0", data, **more)
        self.assertEqual(answer.status_int, 201, answer.text)
        self.assertEqual(
            (answer.headers["Upload-Complete"], answer.headers["Upload-Offset"]), ("?0", str(len(data)))
        )
        self.assertIn("max-age=86400", answer.headers["Upload-Limit"])
        found: str = answer.location
        return found

    def part(self, url: str, complete: str, offset: int, data: bytes, **more: str) -> Any:
        fields = {**PART, "Upload-Complete": complete, "Upload-Offset": str(offset)}
        return self.ask("PATCH", url, {**fields, **{k.replace("_", "-"): v for k, v in more.items()}}, data)

    def test_in_pieces(self) -> None:
        url = self.begun()
        state = self.ask("HEAD", url, {})
        self.assertEqual((state.status_int, state.headers["Upload-Offset"]), (204, "4"))
        self.assertEqual(
            (state.headers["Upload-Complete"], state.headers["Cache-Control"]), ("?0", "no-store")
        )
        self.assertEqual(self.status(self.part(url, "?0", 4, b"two ")), 204)
        self.assertEqual(self.files(), [])
        last = self.part(url, "?1", 8, b"three")
        self.assertEqual((self.status(last), last.json["size"], last.location), (200, 13, last.json["url"]))
        self.assertEqual(self.ask("HEAD", url, {}).headers["Upload-Complete"], "?1")
        self.assertEqual(self.part(url, "?1", 13, b"").json, last.json)
        self.assertEqual(self.files(), [("f.txt", 13)])

    def test_the_last_piece_again(self) -> None:
        url = self.begun()
        first = self.part(url, "?1", 4, b"two three")
        again = self.part(url, "?1", 4, b"two three")
        self.assertEqual((self.status(again), again.json), (200, first.json))
        self.assertEqual(again.headers["Upload-Complete"], "?1")
        self.assertEqual(self.status(self.part(url, "?1", 4, b"two tree!")), 409)
        self.assertEqual(self.status(self.part(url, "?0", 4, b"two three")), 409)
        self.assertEqual(self.status(self.part(url, "?0", 13, b"")), 400)
        self.assertEqual(self.files(), [("f.txt", 13)])

    def test_what_cannot_be_done_is_refused(self) -> None:
        self.assertEqual(self.status(self.put("?1", DATA, Content_Encoding="gzip")), 415)
        self.assertEqual(self.status(self.put("?0", b"one", Content_Encoding="gzip")), 415)
        self.assertEqual(self.status(self.put("?1", DATA, If_Match="*")), 412)
        self.assertEqual(self.status(self.put("?1", DATA, If_None_Match="*")), 201)
        self.assertEqual(len(self.files()), 1)

    def test_in_one_request(self) -> None:
        whole = self.put("?1", DATA)
        self.assertEqual((self.status(whole), whole.headers["Upload-Complete"]), (201, "?1"))
        plain = self.ask("PUT", NAME, {"Upload-Complete": "?1"}, DATA)
        self.assertEqual((self.status(plain), plain.json["size"]), (201, 13))

    def test_problems(self) -> None:
        url = self.begun(Upload_Length="13")
        wrong = self.part(url, "?0", 5, b"x")
        self.assertEqual((self.status(wrong), wrong.content_type), (409, "application/problem+json"))
        offset = wrong.json
        self.assertEqual(offset["type"], f"{TYPES}mismatching-upload-offset")
        self.assertEqual((offset["expected-offset"], offset["provided-offset"]), (4, 5))
        short = self.part(url, "?1", 4, b"two")
        self.assertEqual(
            (self.status(short), short.json["type"]), (400, f"{TYPES}inconsistent-upload-length")
        )
        self.part(url, "?1", 4, b"two three")
        over = self.part(url, "?1", 13, b"!")
        self.assertEqual(self.status(over), 400)
        self.assertEqual(self.files(), [("f.txt", 13)])

    def test_half_a_file_is_never_taken_for_a_whole(self) -> None:
        half: list[dict[str, str]] = [
            {"Upload-Complete": "?0"},
            {"Upload-Complete": "?0", "Upload-Draft-Interop-Version": "3"},
            {"Upload-Complete": "no", **VERSION},
            {"Upload-Complete": "", **VERSION},
            {"Upload-Complete": "?0, ?1", **VERSION},
            {"Upload-Incomplete": "?1", **VERSION},
            {"Upload-Offset": "0"},
            {"Upload-Complete": "?1", "Upload-Length": "14", **VERSION},
            {"Upload-Complete": "?0", "Upload-Length": "-1", **VERSION},
            {"Upload-Complete": "?1", "Content-Range": "bytes 0-12/26"},
        ]
        for headers in half:
            self.assertEqual(self.status(self.ask("PUT", NAME, headers, DATA)), 400, headers)
        self.assertEqual(self.files(), [])

    def test_digests(self) -> None:
        wrong = f"sha-512=:{base64_of(b'another', 'sha512')}:"
        right = f"sha-512=:{base64_of(DATA, 'sha512')}:"
        for complete in ("?0", "?1"):
            for field in ("Content-Digest", "Repr-Digest"):
                answer = self.put(complete, DATA, **{field: "crc32c=:AAAAAA==:"})
                self.assertEqual(self.status(answer), 400, field)
            self.assertEqual(self.status(self.put(complete, DATA, Content_Digest=wrong)), 400)
        self.assertEqual(self.status(self.put("?1", DATA, Repr_Digest=wrong)), 400)
        self.assertEqual(self.files(), [])
        piece = f"md5=:{base64_of(b'one ', 'md5')}:"
        url = self.begun(Repr_Digest=right, Content_Digest=piece)
        bad = self.part(url, "?1", 4, b"two three", Content_MD5=base64_of(b"two", "md5"))
        self.assertEqual(self.status(bad), 400)
        self.assertEqual(self.ask("HEAD", url, {}).headers["Upload-Offset"], "4")
        self.assertEqual(self.status(self.part(url, "?1", 4, b"two three")), 200)

    def test_digests_of_the_whole_with_the_last_piece(self) -> None:
        url = self.begun()
        unknown = self.part(url, "?1", 4, b"two three", Repr_Digest="crc32c=:AAAAAA==:")
        self.assertEqual(self.status(unknown), 400)
        wrong = f"sha-512=:{base64_of(b'another', 'sha512')}:"
        self.assertEqual(self.status(self.part(url, "?1", 4, b"two three", Repr_Digest=wrong)), 400)
        self.assertEqual(self.files(), [])

    def test_a_refused_creation_leaves_no_upload(self) -> None:
        for complete in ("?0", "?1"):
            for field in ("Content-Digest", "Content-MD5", "Repr-Digest"):
                answer = self.put(complete, DATA, **{field: "no digest"})
                self.assertEqual((field, self.status(answer)), (field, 400))
            answer = self.put(complete, DATA, Content_MD5=base64_of(b"two", "md5"))
            self.assertEqual(self.status(answer), 400)
        self.assertEqual(list(self.world.store.partials), [])

    def test_limits_before_a_byte_is_sent(self) -> None:
        answer = self.ask("OPTIONS", f"{UPLOAD}+uploads", {})
        self.assertEqual((self.status(answer), answer.headers["Upload-Limit"]), (204, "min-size=0"))

    def test_pieces_of_another_type(self) -> None:
        url = self.begun()
        fields = {"Upload-Complete": "?1", "Upload-Offset": "4", "Content-Type": "text/plain"}
        self.assertEqual(self.status(self.ask("PATCH", url, fields, b"two")), 415)
        self.assertEqual(self.status(self.ask("PATCH", url, {}, b"two")), 400)

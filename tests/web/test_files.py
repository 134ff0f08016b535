"""The answer to any request for a file, byte for byte."""

import hashlib
import re
import unittest
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from librarian.web.files.answer import REQUEST_FIELDS, answer_file_request, unavailable_answer
from librarian.web.files.facts import FileAnswer, FileFacts, segment_length
from librarian.web.files.ranges import Slice

DATA = bytes(range(256)) * 4
MODIFIED = datetime(2005, 9, 17, 12, 0, 0, 5, tzinfo=UTC)
MODIFIED_TEXT = "Sat, 17 Sep 2005 12:00:00 GMT"


def facts(data: bytes = DATA, **changed: Any) -> FileFacts:
    sha256 = hashlib.sha256(data).hexdigest()
    given = {"filename": "a.bin", "mimetype": "image/png", "last_modified": MODIFIED, **changed}
    return FileFacts(len(data), sha256, **given)


ETAG = f'"{facts().sha256}"'


def get(fields: dict[str, str] | None = None, method: str = "GET", **changed: Any) -> FileAnswer:
    return answer_file_request(method, fields or {}, facts(**changed))


def body(answer: FileAnswer, data: bytes = DATA) -> bytes:
    return b"".join(data[s.start : s.stop] if isinstance(s, Slice) else s for s in answer.segments)


def parts(answer: FileAnswer, data: bytes = DATA) -> list[tuple[str, bytes]]:
    """(Content-Range, bytes) of each part of a multipart answer, read as a client would."""
    boundary = dict(answer.headers)["Content-Type"].partition("; boundary=")[2]
    first, *middle, last = body(answer, data).split(f"--{boundary}".encode())
    assert (first, last) == (b"", b"--\r\n")
    found = []
    for part in middle:
        match = re.fullmatch(
            rb"\r\nContent-Type: image/png\r\nContent-Range: (.*?)\r\n\r\n(.*)\r\n", part, re.DOTALL
        )
        assert match is not None
        found.append((match[1].decode(), match[2]))
    return found


class Whole(unittest.TestCase):
    def test_every_header(self) -> None:
        answer = get()
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.segments, (Slice(0, 1024),))
        self.assertEqual(
            dict(answer.headers),
            {
                "Content-Type": "image/png",
                "Content-Length": "1024",
                "Content-Disposition": 'inline; filename="a.bin"',
                "ETag": ETAG,
                "Last-Modified": MODIFIED_TEXT,
                "Accept-Ranges": "bytes",
                "Cache-Control": "public, max-age=31536000, immutable",
                "X-Content-Type-Options": "nosniff",
                "Content-Security-Policy": "sandbox; default-src 'none'; img-src 'self' data:; "
                "media-src 'self'; style-src 'unsafe-inline'",
                "Referrer-Policy": "no-referrer",
                "Cross-Origin-Resource-Policy": "cross-origin",
            },
        )

    def test_restricted(self) -> None:
        headers = dict(get(restricted=True).headers)
        self.assertEqual(headers["Cache-Control"], "private, no-store")
        self.assertEqual(headers["Cross-Origin-Resource-Policy"], "same-site")

    def test_mutable(self) -> None:
        headers = dict(get(immutable=False).headers)
        self.assertEqual(headers["Cache-Control"], "public, no-cache")
        self.assertEqual(get({"range": "bytes=0-1", "if-range": MODIFIED_TEXT}, immutable=False).status, 200)
        self.assertEqual(get({"range": "bytes=0-1", "if-range": ETAG}, immutable=False).status, 206)

    def test_a_restricted_mutable_file_is_still_not_stored(self) -> None:
        headers = dict(get(restricted=True, immutable=False).headers)
        self.assertEqual(headers["Cache-Control"], "private, no-store")

    def test_extra_headers_and_no_name(self) -> None:
        extra = (("Logical-Size", "1024"), ("Vary", "Accept-Encoding"))
        for fields, status in (({}, 200), ({"range": "bytes=0-1"}, 206), ({"if-none-match": ETAG}, 304)):
            answer = get(fields, extra_headers=extra, filename=None)
            self.assertEqual(answer.status, status)
            self.assertTrue(set(extra) <= set(answer.headers))
            self.assertNotIn("Content-Disposition", dict(answer.headers))

    def test_saved_or_shown(self) -> None:
        for mimetype, shared, own in (
            ("image/png", "inline", "inline"),
            ("text/html", "attachment", "inline"),
            ("image/svg+xml", "attachment", "inline"),
            ("application/pdf", "attachment", "inline"),
        ):
            kinds = [
                dict(get(mimetype=mimetype, own_host=host).headers)["Content-Disposition"].split(";")[0]
                for host in (False, True)
            ]
            self.assertEqual(kinds, [shared, own], mimetype)

    def test_an_empty_file(self) -> None:
        for fields in ({}, {"range": "bytes=0-"}, {"range": "bytes=-5"}):
            answer = get(fields, data=b"")
            self.assertEqual((answer.status, answer.segments), (200, ()))
            self.assertEqual(dict(answer.headers)["Content-Length"], "0")
        answer = get({"range": "bytes=10-"}, data=b"")
        self.assertEqual((answer.status, dict(answer.headers)["Content-Range"]), (416, "bytes */0"))

    def test_other_methods(self) -> None:
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "get", "", "BR\r\nEW\u00e9"):
            answer = get(method=method)
            self.assertEqual((answer.status, dict(answer.headers)["Allow"]), (405, "GET, HEAD"))
            self.assertEqual(body(answer).count(b"\n"), 1)


class Parts(unittest.TestCase):
    def test_one_range(self) -> None:
        answer = get({"range": "bytes=1000-"})
        headers = dict(answer.headers)
        self.assertEqual((answer.status, headers["Content-Range"]), (206, "bytes 1000-1023/1024"))
        self.assertEqual(headers["Content-Length"], "24")
        self.assertEqual(body(answer), DATA[1000:])

    def test_a_part_has_the_headers_of_the_whole(self) -> None:
        whole, part = dict(get().headers), dict(get({"range": "bytes=1-2"}).headers)
        del part["Content-Range"]
        self.assertEqual({**part, "Content-Length": "1024"}, whole)

    def test_several_ranges(self) -> None:
        answer = get({"range": "bytes=500-509,0-1,-2"})
        self.assertEqual(
            parts(answer),
            [
                ("bytes 500-509/1024", DATA[500:510]),
                ("bytes 0-1/1024", DATA[:2]),
                ("bytes 1022-1023/1024", DATA[-2:]),
            ],
        )
        headers = dict(answer.headers)
        self.assertEqual(headers["Content-Length"], str(len(body(answer))))
        self.assertNotIn("Content-Range", headers)
        self.assertEqual(headers["ETag"], ETAG)

    def test_several_that_come_to_one_are_no_multipart(self) -> None:
        answer = get({"range": "bytes=0-9,5-19,5000-"})
        self.assertEqual(dict(answer.headers)["Content-Range"], "bytes 0-19/1024")
        self.assertEqual(body(answer), DATA[:20])

    def test_head_ignores_ranges(self) -> None:
        self.assertEqual(get({"range": "bytes=1-2"}, "HEAD"), get()._replace(segments=()))
        self.assertEqual(get({"range": "bytes=5000-"}, "HEAD").status, 200)

    def test_none_of_it_exists(self) -> None:
        answer = get({"range": "bytes=1024-"})
        self.assertEqual((answer.status, dict(answer.headers)["Content-Range"]), (416, "bytes */1024"))
        self.assertNotIn("Cache-Control", dict(answer.headers))

    def test_absurd_lists_get_the_whole_file_once(self) -> None:
        for ranges in (",".join(["0-"] * 2), ",".join(f"{n}-{n}" for n in range(0, 1000, 2)), "0-0," * 9999):
            answer = get({"range": f"bytes={ranges}"})
            self.assertEqual((answer.status, answer.segments), (200, (Slice(0, 1024),)))

    def test_if_range(self) -> None:
        for if_range, status in ((ETAG, 206), (MODIFIED_TEXT, 206), ('"old"', 200), (f"W/{ETAG}", 200)):
            self.assertEqual(get({"range": "bytes=5-9", "if-range": if_range}).status, status)
        # A range that does not exist is no error while the file has changed.
        self.assertEqual(get({"range": "bytes=5000-", "if-range": '"old"'}).status, 200)

    def test_conditions_come_before_ranges(self) -> None:
        for condition, status in (({"if-none-match": ETAG}, 304), ({"if-match": '"old"'}, 412)):
            self.assertEqual(get({"range": "bytes=5000-", **condition}).status, status)


class Conditional(unittest.TestCase):
    def test_not_modified_has_what_a_cache_needs(self) -> None:
        answer = get({"if-none-match": ETAG})
        expected = [("ETag", ETAG), ("Cache-Control", "public, max-age=31536000, immutable")]
        self.assertEqual(answer, (304, expected, ()))

    def test_precondition_failed_says_so(self) -> None:
        answer = get({"if-match": '"old"'})
        self.assertEqual(answer.status, 412)
        self.assertEqual(dict(answer.headers)["Content-Length"], str(len(body(answer))))


class Digest(unittest.TestCase):
    def test_is_of_the_whole_file_and_only_sent_when_wanted(self) -> None:
        wanted = {"want-repr-digest": "sha-512=1, sha-256=10"}
        expected = "sha-256=:eFsHUfwsU9wUpM49gA5p75zhAJ6zJ8z0WK/gnCQsJsk=:"
        for fields, method in (({}, "GET"), ({}, "HEAD"), ({"range": "bytes=0-3"}, "GET")):
            self.assertEqual(dict(get({**wanted, **fields}, method).headers).get("Repr-Digest"), expected)
        for field in ("sha-256=0", "md5=3", "???"):
            self.assertNotIn("Repr-Digest", dict(get({"want-repr-digest": field}).headers))


BROWSER = {"accept": "text/html,*/*;q=0.8", "accept-encoding": "gzip, deflate, br"}


class CompressedText(unittest.TestCase):
    def answer(self, fields: dict[str, str], **changed: Any) -> FileAnswer:
        return get(fields, **{"filename": "build.txt.gz", "mimetype": "application/gzip", **changed})

    def test_a_browser_reads_it(self) -> None:
        answer = self.answer({**BROWSER, "range": "bytes=5-", "want-repr-digest": "sha-256=1"})
        headers = dict(answer.headers)
        self.assertEqual((answer.status, answer.segments), (200, (Slice(0, 1024),)))
        self.assertEqual(headers["Content-Encoding"], "gzip")
        self.assertEqual(headers["Content-Type"], "text/plain; charset=utf-8")
        self.assertEqual(headers["Content-Disposition"], 'inline; filename="build.txt"')
        self.assertEqual(headers["Accept-Ranges"], "none")
        self.assertEqual(headers["ETag"], f'"{facts().sha256}-text"')
        self.assertEqual(headers["Repr-Digest"], "sha-256=:eFsHUfwsU9wUpM49gA5p75zhAJ6zJ8z0WK/gnCQsJsk=:")

    def test_a_program_gets_the_file_as_stored(self) -> None:
        for fields in (
            {},
            {"accept": "*/*", "accept-encoding": "gzip, deflate"},
            {"accept": "text/html", "accept-encoding": "gzip;q=0"},
            {"accept": "text/html", "accept-encoding": "br"},
        ):
            headers = dict(self.answer(fields).headers)
            self.assertNotIn("Content-Encoding", headers)
            self.assertEqual(headers["Content-Type"], "application/gzip")
            self.assertEqual(headers["Content-Disposition"], 'attachment; filename="build.txt.gz"')

    def test_caches_are_told_for_both_and_for_304(self) -> None:
        text_etag = f'"{facts().sha256}-text"'
        for fields, status in (
            (BROWSER, 200),
            ({}, 200),
            ({**BROWSER, "if-none-match": text_etag}, 304),
            ({"if-none-match": ETAG}, 304),
            ({"if-none-match": text_etag}, 200),
            ({**BROWSER, "if-none-match": ETAG}, 200),
        ):
            answer = self.answer(fields)
            self.assertEqual(answer.status, status)
            self.assertEqual(dict(answer.headers)["Vary"], "Accept, Accept-Encoding")

    def test_other_names_are_never_negotiated(self) -> None:
        headers = dict(self.answer(BROWSER, filename="build.tar.gz").headers)
        self.assertNotIn("Vary", headers)
        self.assertNotIn("Content-Encoding", headers)


class Unavailable(unittest.TestCase):
    def test_nothing_a_cache_could_keep(self) -> None:
        answer = unavailable_answer()
        self.assertEqual(answer.status, 503)
        names = {name for name, _ in answer.headers}
        self.assertEqual(names, {"Content-Type", "Content-Length", "X-Content-Type-Options"})
        self.assertEqual(unavailable_answer("HEAD"), answer._replace(segments=()))


FIELD_VALUES = st.one_of(
    st.text(max_size=80),
    st.sampled_from([ETAG, f"W/{ETAG}", "*", MODIFIED_TEXT, "text/html", "gzip", "sha-256=1", '"old"']),
    st.from_regex(r"bytes=(\d{0,4}-\d{0,4},? ?){1,5}", fullmatch=True),
)
SMALL_RANGES = st.from_regex(
    r"bytes=([0-9]{1,2}-[0-9]{1,3}|[0-9]{1,2}-|-[0-9]{1,2})(,9[0-9]-)?", fullmatch=True
)
REQUESTS = st.builds(
    lambda fields, some_range: fields | some_range,
    st.dictionaries(st.sampled_from(REQUEST_FIELDS), FIELD_VALUES, max_size=3),
    st.fixed_dictionaries({}, optional={"range": SMALL_RANGES}),
)
NAMES = st.text(max_size=40) | st.sampled_from(["a.bin", "log.txt.gz", "\r\nX: y", "é.diff.gz"])
TYPES = st.text(max_size=40) | st.sampled_from(["text/plain", "text/html", "a/b\r\nX: y"])


class AnyRequest(unittest.TestCase):
    """Laws that hold for every request and every file."""

    @settings(max_examples=500, deadline=None)
    @given(REQUESTS, st.integers(0, 1024), NAMES, TYPES, st.booleans(), st.booleans())
    def test_laws(
        self, fields: dict[str, str], size: int, name: str, mimetype: str, restricted: bool, own_host: bool
    ) -> None:
        data = DATA[:size]
        known = facts(data, filename=name, mimetype=mimetype, restricted=restricted, own_host=own_host)
        answer = answer_file_request("GET", fields, known)
        self.check_headers(answer)
        self.check_bytes(answer, data)
        head = answer_file_request("HEAD", fields, known)
        self.check_headers(head)
        self.assertEqual(head.segments, ())
        without_range = {k: v for k, v in fields.items() if k != "range"}
        plain = answer_file_request("GET", without_range, known)
        self.assertEqual((head.status, head.headers), (plain.status, plain.headers))

    def check_headers(self, answer: FileAnswer) -> None:
        names = [name.lower() for name, _ in answer.headers]
        self.assertEqual(len(names), len(set(names)))
        for name, value in answer.headers:
            self.assertTrue(name.isascii() and value.isascii() and value.isprintable(), (name, value))

    def check_bytes(self, answer: FileAnswer, data: bytes) -> None:
        headers = dict(answer.headers)
        if answer.status == 304:
            self.assertEqual((answer.segments, "Content-Length" in headers), ((), False))
            return
        sent = body(answer, data)
        self.assertEqual(int(headers["Content-Length"]), len(sent))
        self.assertEqual(len(sent), sum(map(segment_length, answer.segments)))
        if answer.status == 200:
            self.assertEqual(sent, data)
        elif "Content-Range" in headers and answer.status == 206:
            first, last, size = map(int, re.findall(r"\d+", headers["Content-Range"]))
            self.assertEqual((sent, size), (data[first : last + 1], len(data)))
        else:
            self.assertIn(answer.status, (206, 412, 416))


class AnyRanges(unittest.TestCase):
    @settings(max_examples=300, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 300)), min_size=1, max_size=12))
    def test_each_part_is_what_its_content_range_says(self, wanted: list[tuple[int, int]]) -> None:
        field = "bytes=" + ",".join(f"{start}-{start + length}" for start, length in wanted)
        answer = get({"range": field})
        if dict(answer.headers)["Content-Type"].startswith("multipart/byteranges"):
            for content_range, content in parts(answer):
                first, last, size = map(int, re.findall(r"\d+", content_range))
                self.assertEqual((content, size), (DATA[first : last + 1], 1024))
        covered = {n for s in answer.segments if isinstance(s, Slice) for n in range(*s)}
        asked = {n for start, length in wanted for n in range(start, min(1024, start + length + 1))}
        self.assertTrue(covered == asked or covered == set(range(1024)))

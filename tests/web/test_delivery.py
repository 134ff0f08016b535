"""The bodies of file answers: every byte, an open file never forgotten, a short one never passed off."""

import hashlib
import io
import os
import tempfile
import unittest
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

from waitress.buffers import ReadOnlyFileBasedBuffer

from librarian.web.files.answer import answer_file_request, unavailable_answer
from librarian.web.files.delivery import BLOCK_SIZE, READ_AT_ONCE, render, request_headers
from librarian.web.files.facts import FileAnswer, FileFacts
from librarian.web.interfaces import SENDS_SLICES, FileCutShort

LONG = os.urandom(3 * BLOCK_SIZE + 17)
SHORT = LONG[:1000]


def answer(data: bytes, fields: dict[str, str] | None = None, method: str = "GET") -> FileAnswer:
    sha256 = hashlib.sha256(data).hexdigest()
    facts = FileFacts(len(data), sha256, "a.bin", "image/png", datetime(2005, 9, 17, tzinfo=UTC))
    return answer_file_request(method, fields or {}, facts)


def close(body: Iterable[bytes]) -> None:
    """What a server does at the end, or when the client has left (PEP 3333)."""
    if hasattr(body, "close"):
        body.close()


def sent(body: Iterable[bytes]) -> bytes:
    try:
        return b"".join(body)
    finally:
        close(body)


class Failing(io.BytesIO):
    """A file on a disk that is failing."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(5, "Input/output error")


WRAPPERS: dict[str, dict[str, Any]] = {
    "none": {},
    "wsgiref": {"wsgi.file_wrapper": FileWrapper},
}


class Bodies(unittest.TestCase):
    def test_every_kind_of_answer_with_and_without_a_wrapper(self) -> None:
        requests: list[dict[str, str]] = [
            {},
            {"range": "bytes=5-"},
            {"range": "bytes=5-299999"},
            {"range": "bytes=-300000"},
        ]
        several = {"range": "bytes=0-99999,200000-299999"}
        for data in (b"", SHORT, LONG, LONG[:READ_AT_ONCE], LONG[: READ_AT_ONCE + 1]):
            for environ in WRAPPERS.values():
                for fields in (*requests, several):
                    with self.subTest(size=len(data), fields=fields, environ=environ):
                        self.check(data, fields, environ)

    def check(self, data: bytes, fields: dict[str, str], environ: dict[str, Any]) -> None:
        promised = answer(data, fields)
        expected = b"".join(s if isinstance(s, bytes) else data[s.start : s.stop] for s in promised.segments)
        file = io.BytesIO(data)
        self.assertEqual(sent(render(promised, file, environ)), expected)
        self.assertTrue(file.closed)

    def test_nothing_of_the_file_is_read_for_an_answer_without_it(self) -> None:
        etag = f'"{hashlib.sha256(LONG).hexdigest()}"'
        for promised in (
            answer(LONG, method="HEAD"),
            answer(LONG, {"if-none-match": etag}),
            answer(LONG, {"if-match": '"other"'}),
            answer(LONG, {"range": "bytes=9999999-"}),
            unavailable_answer(),
        ):
            file = Failing(LONG)
            self.assertLessEqual(len(sent(render(promised, file, {}))), 100)
            self.assertTrue(file.closed)

    def test_a_file_longer_than_its_facts_is_not_left_to_a_wrapper(self) -> None:
        promised = answer(LONG[:-10])
        for environ in WRAPPERS.values():
            self.assertEqual(sent(render(promised, io.BytesIO(LONG), environ)), LONG[:-10])

    def test_the_wrapper_of_the_server_sends_from_the_right_position(self) -> None:
        with tempfile.TemporaryFile() as stored:
            stored.write(LONG)
            body = render(
                answer(LONG, {"range": "bytes=7-"}), stored, {"wsgi.file_wrapper": ReadOnlyFileBasedBuffer}
            )
            assert isinstance(body, ReadOnlyFileBasedBuffer)  # or waitress would not see that it may use it
            self.assertEqual(body.prepare(len(LONG) - 7), len(LONG) - 7)
            self.assertEqual(body.get(20), LONG[7:27])
            body.close()
            self.assertTrue(stored.closed)

    def test_a_slice_that_ends_before_its_file_suits_a_server_that_says_so_and_a_file_of_the_disk(
        self,
    ) -> None:
        promised = answer(LONG, {"range": "bytes=7-299999"})
        says_so: dict[str, Any] = {"wsgi.file_wrapper": FileWrapper, SENDS_SLICES: True}
        with tempfile.TemporaryFile() as stored:
            stored.write(LONG)
            body = render(promised, stored, says_so)
            assert isinstance(body, FileWrapper)
            self.assertEqual(os.lseek(body.filelike.fileno(), 0, os.SEEK_CUR), 7)
            self.assertNotIsInstance(render(promised, stored, {**says_so, SENDS_SLICES: False}), FileWrapper)
        self.assertEqual(sent(render(promised, io.BytesIO(LONG), says_so)), LONG[7:300_000])

    def test_sendfile_starts_at_the_right_place(self) -> None:
        """gunicorn hands the descriptor to sendfile(), from where the descriptor itself stands."""
        with tempfile.TemporaryFile() as stored:
            stored.write(LONG)
            stored.seek(0)
            stored.read(10)  # leaves a buffer that a seek could be satisfied from
            body = render(answer(LONG, {"range": "bytes=7-"}), stored, {"wsgi.file_wrapper": FileWrapper})
            assert isinstance(body, FileWrapper)
            self.assertEqual(os.lseek(body.filelike.fileno(), 0, os.SEEK_CUR), 7)


class ShortFiles(unittest.TestCase):
    def test_known_before_the_response_starts(self) -> None:
        for data in (SHORT, LONG):
            for environ in WRAPPERS.values():
                for fields in ({}, {"range": "bytes=-900"}, {"range": "bytes=0-5,-500"}):
                    file = io.BytesIO(data[:-1])
                    with self.assertRaises(FileCutShort) as caught:
                        render(answer(data, fields), file, environ)
                    self.assertEqual(
                        (caught.exception.promised, caught.exception.found), (len(data), len(data) - 1)
                    )
                    self.assertTrue(file.closed)

    def test_truncated_while_it_is_sent(self) -> None:
        file = io.BytesIO(LONG)
        blocks = iter(render(answer(LONG), file, {}))
        next(blocks)
        file.truncate(BLOCK_SIZE + 100)
        self.assertEqual(next(blocks), LONG[BLOCK_SIZE : BLOCK_SIZE + 100])
        with self.assertRaises(FileCutShort):
            next(blocks)

    def test_truncated_while_a_wrapper_sends_it(self) -> None:
        with tempfile.TemporaryFile() as stored:
            stored.write(LONG)
            body = render(answer(LONG), stored, {"wsgi.file_wrapper": ReadOnlyFileBasedBuffer})
            assert isinstance(body, ReadOnlyFileBasedBuffer)
            body.prepare(len(LONG))
            self.assertEqual(len(body.get(1000, skip=True)), 1000)
            stored.truncate(1500)
            self.assertEqual(body.get(1000, skip=True), LONG[1000:1500])
            with self.assertRaises(FileCutShort):
                body.get(1000, skip=True)

    def test_a_failing_disk_before_the_response_starts(self) -> None:
        file = Failing(SHORT)
        with self.assertRaises(OSError):
            render(answer(SHORT), file, {})
        self.assertTrue(file.closed)

    def test_a_wrapper_that_fails(self) -> None:
        def broken(file: BinaryIO, size: int) -> Iterator[bytes]:
            raise MemoryError

        file = io.BytesIO(LONG)
        with self.assertRaises(MemoryError):
            render(answer(LONG), file, {"wsgi.file_wrapper": broken})
        self.assertTrue(file.closed)

    def test_a_client_that_leaves(self) -> None:
        for environ in WRAPPERS.values():
            file = io.BytesIO(LONG)
            body = render(answer(LONG), file, environ)
            next(iter(body))
            close(body)
            self.assertTrue(file.closed)


class Wsgi(unittest.TestCase):
    """The whole way, under wsgiref's check of every rule of PEP 3333."""

    def application(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        result = answer(LONG, request_headers(environ), environ["REQUEST_METHOD"])
        body = render(result, io.BytesIO(LONG), {})
        start_response(f"{result.status} As It Is", result.headers)
        return body

    def request(self, **changed: str) -> tuple[str, bytes]:
        environ: dict[str, Any] = {"QUERY_STRING": ""}
        setup_testing_defaults(environ)
        environ.update(changed)
        started: list[str] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            started.append(status)
            return lambda data: None

        body = validator(self.application)(environ, start_response)
        return started[0], sent(body)

    def test_conversation(self) -> None:
        self.assertEqual(self.request(), ("200 As It Is", LONG))
        self.assertEqual(self.request(REQUEST_METHOD="HEAD"), ("200 As It Is", b""))
        self.assertEqual(self.request(HTTP_RANGE="bytes=-300000"), ("206 As It Is", LONG[-300000:]))
        self.assertEqual(self.request(HTTP_IF_NONE_MATCH="*"), ("304 As It Is", b""))
        self.assertEqual(self.request(HTTP_IF_MATCH='"other"')[0], "412 As It Is")

    def test_the_fields_of_a_request(self) -> None:
        environ = {"HTTP_RANGE": "bytes=0-", "HTTP_IF_NONE_MATCH": "*", "HTTP_COOKIE": "x", "PATH_INFO": "/"}
        self.assertEqual(request_headers(environ), {"range": "bytes=0-", "if-none-match": "*"})

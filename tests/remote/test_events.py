"""Events from elsewhere: messages in any pieces, streams that end, break, are refused, and go on."""

import unittest
from io import BytesIO
from itertools import islice
from unittest import mock

import urllib3

from librarian.remote import Library, TransferFailed
from librarian.remote.events import MISSED, EventStream, messages
from librarian.remote.patience import Patience

ADDED = b'id: a-1\ndata: {"type": "file.added", "subject": "5", "data": {"filename": "x"}}\n\n'
DELETED = b'id: a-2\ndata: {"type": "file.deleted", "subject": "5"}\n\n'


class Messages(unittest.TestCase):
    def test_in_any_pieces(self) -> None:
        text = b"retry: 2000\nid: 0-0\n\n:\n\nid: 1\r\ndata: a\r\ndata:b\r\n\r\n"
        text += "event: missed\ndata: é\n\n".encode()
        whole = list(messages([text]))
        expected = [
            {"retry": "2000", "id": "0-0"},
            {"id": "1", "data": "a\nb"},
            {"event": "missed", "data": "é"},
        ]
        self.assertEqual(whole, expected)
        for size in (1, 2, 3, 7):
            pieces = [text[at : at + size] for at in range(0, len(text), size)]
            self.assertEqual(list(messages(pieces)), whole)

    def test_one_that_is_cut_off_is_not_there(self) -> None:
        self.assertEqual(list(messages([b"id: 1\ndata: a\n\nid: 2\ndata: b\n"])), [{"id": "1", "data": "a"}])


class Breaking(BytesIO):
    """A body whose connection breaks at its end."""

    def read1(self, size: int | None = -1, /) -> bytes:
        found = super().read1(size)
        if not found:
            raise ConnectionResetError("Connection reset by peer")
        return found


class Streams(unittest.TestCase):
    def setUp(self) -> None:
        self.sleep = self.enterContext(mock.patch.object(Patience, "sleep"))
        self.asked: list[str | None] = []

    def stream(self, *answers: tuple[int, BytesIO, dict[str, str]], seconds: float = 60) -> EventStream:
        left = list(answers)

        def ask(last_id: str | None) -> urllib3.BaseHTTPResponse:
            self.asked.append(last_id)
            status, body, headers = left.pop(0)
            return urllib3.HTTPResponse(body, headers, status, preload_content=False)

        return EventStream(ask, Patience(seconds))

    def test_it_goes_on_where_a_connection_ended_or_broke(self) -> None:
        opening = b"retry: 500\nid: a-0\n\n"
        found = self.stream(
            (200, BytesIO(opening + ADDED), {}), (200, Breaking(DELETED), {}), (200, BytesIO(ADDED), {})
        )
        events = list(islice(found, 3))
        self.assertEqual([event.type for event in events], ["file.added", "file.deleted", "file.added"])
        self.assertEqual((events[0].data, events[0].subject), ({"filename": "x"}, "5"))
        self.assertEqual(self.asked, [None, "a-1", "a-2"])
        self.assertEqual([call.args[0] for call in self.sleep.call_args_list], [0.5, 0.25])

    def test_what_is_not_kept_is_told(self) -> None:
        (event,) = islice(self.stream((200, BytesIO(b"event: missed\ndata: {}\n\n"), {})), 1)
        self.assertEqual(event.type, MISSED)

    def test_it_waits_as_a_busy_server_says_and_not_for_ever(self) -> None:
        busy = (503, BytesIO(b'{"error": "too many streams"}'), {"Retry-After": "30"})
        found = self.stream(busy, (200, BytesIO(ADDED), {}))
        self.assertEqual(next(iter(found)).type, "file.added")
        self.assertEqual(self.sleep.call_args.args[0], 30)
        with self.assertRaisesRegex(TransferFailed, "events: 503 too many streams"):
            next(iter(self.stream((503, BytesIO(b'{"error": "too many streams"}'), {}), seconds=0.1)))

    def test_a_refusal_is_the_end(self) -> None:
        with self.assertRaises(TransferFailed) as caught:
            next(iter(self.stream((401, BytesIO(b'{"error": "Log in to do this."}'), {}))))
        self.assertEqual((caught.exception.status, self.sleep.call_count), (401, 0))

    def test_what_is_no_json(self) -> None:
        with self.assertRaisesRegex(TransferFailed, "is the URL right"):
            next(iter(self.stream((200, BytesIO(b"data: hello\n\n"), {}))))

    def test_a_server_that_is_away(self) -> None:
        library = Library("http://127.0.0.1:1/", patience_seconds=0.1)
        with self.assertRaisesRegex(TransferFailed, "Connection refused"):
            next(iter(library.events("file.added")))

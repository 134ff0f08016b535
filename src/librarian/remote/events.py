"""Events as they happen: ``GET /events``, a stream of Server-Sent Events (the HTML standard, section 9.2).

A stream ends now and then, and connections break.  Then the same is asked for again with the id of the last
event that came, and nothing is lost for as long as the server keeps events; after that it tells `MISSED`.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import urllib3

from librarian.remote.connection import refusal
from librarian.remote.interfaces import TransferFailed, TriesAgain
from librarian.remote.patience import PASSING_AWAY, Patience, retry_after

MISSED = "missed"  # the type of an event which says that there were others, which are not kept any more
BLOCK = 1 << 16  # bytes
FIRST_PAUSE = 2.0  # seconds, until the server says another

Ask = Callable[[str | None], urllib3.BaseHTTPResponse]  # with the Last-Event-ID


@dataclass(frozen=True)
class Event:
    """What happened: the attributes of a CloudEvents object, and all of it in `facts`."""

    stream_id: str  # where to go on after it, in `Library.events`
    type: str  # such as file.added; MISSED
    subject: str | None
    time: str | None  # RFC 3339
    facts: dict[str, Any]

    @property
    def data(self) -> dict[str, Any]:
        """What the event says of its subject."""
        found: dict[str, Any] = self.facts.get("data") or {}
        return found


class EventStream:
    """The events of one library, over as many connections as it takes.  `last_id` grows with them."""

    def __init__(self, ask: Ask, patience: Patience, last_id: str | None = None) -> None:
        self.last_id = last_id
        self._ask = ask
        self._patience = patience
        self._pause = FIRST_PAUSE
        self._seen = 0  # messages; each makes the patience begin anew

    def __iter__(self) -> Iterator[Event]:
        """Without an end.  Raises TransferFailed where the server refuses, or is away for too long."""
        while True:
            try:
                yield from self._connected()
            except TriesAgain as failed:
                self._patience.wait(failed.error, failed.after)
            else:
                self._patience.sleep(self._pause)

    def _connected(self) -> Iterator[Event]:
        """The events of one connection.  Raises TransferFailed, TriesAgain."""
        answer = self._asked()
        try:
            for fields in messages(_blocks(answer)):
                self._seen += 1
                self._patience.reach(self._seen)
                event = self._event(fields)
                if event is not None:
                    yield event
        finally:
            answer.close()

    def _asked(self) -> urllib3.BaseHTTPResponse:
        try:
            answer = self._ask(self.last_id)
        except TransferFailed as error:
            raise TriesAgain(error) from error
        if answer.status in PASSING_AWAY:
            raise TriesAgain(refusal("events", answer), retry_after(answer))
        if answer.status != 200:  # OK
            raise refusal("events", answer)
        return answer

    def _event(self, fields: dict[str, str]) -> Event | None:
        """The event of a message; None for one that only says from where and when to go on."""
        self.last_id = fields.get("id", self.last_id)
        if fields.get("retry", "").isdecimal():
            self._pause = int(fields["retry"]) / 1000
        if "data" not in fields:
            return None
        try:
            facts = json.loads(fields["data"])
        except ValueError:
            raise TransferFailed("events: what came is no JSON; is the URL right?") from None
        kind = facts.get("type") or fields.get("event", "")
        return Event(self.last_id or "", kind, facts.get("subject"), facts.get("time"), facts)


def _blocks(answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """What comes, as it comes.  Raises TriesAgain where the connection breaks."""
    try:
        while block := answer.read1(BLOCK):
            yield block
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise TriesAgain(TransferFailed(f"events: {error}")) from error


def messages(blocks: Iterable[bytes]) -> Iterator[dict[str, str]]:
    """The fields of each message; several lines of data are joined.  One that is cut off is not there."""
    fields: dict[str, list[str]] = {}
    for line in _lines(blocks):
        if not line:
            if fields:
                yield {
                    name: "\n".join(values if name == "data" else values[-1:])
                    for name, values in fields.items()
                }
            fields = {}
        elif not line.startswith(":"):  # a sign of life
            name, _colon, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))


def _lines(blocks: Iterable[bytes]) -> Iterator[str]:
    """Whole lines, without their ends."""
    left = b""
    for block in blocks:
        *whole, left = (left + block).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r").decode()

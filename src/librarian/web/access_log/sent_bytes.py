"""The number of bytes sent of an answer, and the time it ended."""

from collections.abc import Callable, Iterable, Iterator
from io import SEEK_END
from time import perf_counter
from typing import Any, BinaryIO

from librarian.web.interfaces import BEGUN


class Answer:
    """The bytes sent of one answer; end() writes them down, once."""

    def __init__(
        self, environ: dict[str, Any], write: Callable[[dict[str, Any], int, int, float], None]
    ) -> None:
        self.status = 0
        self.size = 0
        self._environ = environ
        self._write = write
        self._begun = environ.get(BEGUN) or perf_counter()
        self._wrapped: Any = None
        self._ended = False

    def file_wrapper(self, wrapper: Callable[..., Any]) -> Callable[..., Any]:
        """A server's wrapper, around a file that tells when the server closes it."""

        def wrap(file: BinaryIO, *block_size: int) -> Any:
            self._wrapped = wrapper(_CountedFile(file, self), *block_size)
            return self._wrapped

        return wrap

    def live_body(self, make: Callable[..., Any]) -> Callable[..., Any]:
        """A server's maker of live bodies (LIVE_BODY), of one whose bytes are counted."""

        def counted(begin: Callable[[Any], None]) -> Any:
            self._wrapped = make(lambda sink: begin(_CountedSink(sink, self)), self.end)
            return self._wrapped

        return counted

    def deferred(self, make: Callable[..., Any]) -> Callable[..., Any]:
        """A server's maker of deferred bodies (DEFERRED), of one whose answer is counted when it is given."""

        def counted(begin: Callable[[Any], None]) -> Any:
            self._wrapped = make(lambda later: begin(_CountedLater(later, self)))
            return self._wrapped

        return counted

    def given(self, respond: Callable[[], Iterable[bytes]]) -> Iterable[bytes]:
        """The body that `respond` returns; its error is written down as 500."""
        try:
            return self.counted(respond())
        except BaseException:
            self.status = 500
            self.end()
            raise

    def counted(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """The body to give to the server."""
        if body is self._wrapped:
            return body  # servers know their own wrapper by its class
        if isinstance(body, list | tuple):
            # The whole answer is in memory, so it counts as sent.
            self.size = sum(map(len, body))
            self.end()
            return body
        return _CountedBody(body, self)

    def end(self) -> None:
        """Write the line of this request, once: status, bytes sent, seconds."""
        if not self._ended:
            self._ended = True
            self._write(self._environ, self.status, self.size, perf_counter() - self._begun)


class _CountedSink:
    """The sink of a live body."""

    def __init__(self, sink: Any, answer: Answer) -> None:
        self._sink = sink
        self._answer = answer
        self.end = sink.end

    @property
    def backlog(self) -> int:
        backlog: int = self._sink.backlog
        return backlog

    def put(self, data: bytes) -> bool:
        goes_on: bool = self._sink.put(data)
        self._answer.size += len(data) if goes_on else 0
        return goes_on


class _CountedLater:
    """What a deferred answer is given by."""

    def __init__(self, later: Any, answer: Answer) -> None:
        self._later = later
        self._answer = answer
        self.call_again = later.call_again  # the application writes a line then

    def answer(self, respond: Callable[[], Iterable[bytes]]) -> None:
        self._later.answer(lambda: self._answer.given(respond))


class _CountedBody:
    """A body that comes in blocks."""

    def __init__(self, body: Iterable[bytes], answer: Answer) -> None:
        self._body = body
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        for block in self._body:
            yield block
            # The server asks for the next block when it has sent this one.
            self._answer.size += len(block)

    def close(self) -> None:
        try:
            if hasattr(self._body, "close"):
                self._body.close()
        finally:
            self._answer.end()


class _CountedFile:
    """A file in a server's wrapper.  Its position says how much of it was sent: our server, like
    waitress, moves it by what the socket has taken.  A server that works with the descriptor alone, and never
    asks for the position, is believed to have sent everything."""

    def __init__(self, file: BinaryIO, answer: Answer) -> None:
        self._file = file
        self._answer = answer
        self._start = file.tell()
        self._by_position = False
        self._closed = False

    def close(self) -> None:
        """Once is enough: where the client has gone, both the connection and the task close it."""
        if self._closed:
            return
        self._closed = True
        try:
            end = self._file.tell() if self._by_position else self._file.seek(0, SEEK_END)
            self._answer.size = end - self._start
        finally:
            self._file.close()
            self._answer.end()

    def __getattr__(self, name: str) -> Any:
        self._by_position |= name in ("read", "seek", "tell")
        return getattr(self._file, name)

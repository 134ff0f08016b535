"""Requests whose head goes to the application alone; it is called once more when the body has come.

It is asked where it receives the body into a place of its own, such as a piece of a resumable upload, where
the client sends the body only if it will be taken (Expect: 100-continue), and where the body is large.
"""

from collections.abc import Iterable
from io import BytesIO
from typing import Any

from librarian.serving.wsgi.exchange import Link, WSGIExchange
from librarian.store.interfaces import IReceiving
from librarian.web.interfaces import BODY_TAKER, HEAD_ALONE, BodyAwaited, FormUnreadable

_INTERIM_FIELDS = ("location", "upload-")


class UnreadBody(BytesIO):
    """``wsgi.input`` of a question: the bytes are on their way, and a view that reads them takes no parts."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Raise FormUnreadable."""
        raise FormUnreadable("No resumable upload is taken here; send the whole file in one request.")


class UnsentBody(BytesIO):
    """``wsgi.input`` of a request that is judged by its head."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Raise BodyAwaited."""
        raise BodyAwaited("The body has not been read yet.")


class JudgingExchange(WSGIExchange):
    """The question whether a body is to be sent; an answer other than 100 ends the connection."""

    def __init__(self, link: Link, environ: dict[str, Any], version: str) -> None:
        super().__init__(link, environ, version, keeps_open=False)
        environ[HEAD_ALONE] = True
        environ["wsgi.input"], environ["webob.is_body_seekable"] = UnsentBody(), True

    def _answer(self, body: Iterable[bytes]) -> bool:
        if not self._status.startswith("100"):
            return super()._answer(body)
        self._link.go_on(b"", None)
        return False


class AskingExchange(WSGIExchange):
    """One question; an answer of 200 and more ends the connection, as the body is not read."""

    def __init__(self, link: Link, environ: dict[str, Any], version: str) -> None:
        super().__init__(link, environ, version, keeps_open=False)
        self._receiving: IReceiving | None = None
        environ[BODY_TAKER] = self._take
        environ["wsgi.input"], environ["webob.is_body_seekable"] = UnreadBody(), True  # no copy is made of it

    def run(self, app: Any) -> None:
        """As WSGIExchange has it."""
        super().run(app)
        if self._receiving is not None:  # and something else was answered
            self._receiving.abort()

    def _take(self, receiving: IReceiving) -> None:
        self._receiving = receiving

    def _answer(self, body: Iterable[bytes]) -> bool:
        if not self._status.startswith("1"):
            return super()._answer(body)
        assert self._receiving is not None, "the application gave nothing to receive the body"
        receiving, self._receiving = self._receiving, None
        self._link.go_on(self._interim(), receiving)
        return False

    def _interim(self) -> bytes:
        """The application's answer; nothing for 100, which only a client that expects it gets."""
        if self._status.startswith("100"):
            return b""
        lines = [f"HTTP/1.1 {self._status}\r\n"]
        fields = (field for field in self._headers if field[0].lower().startswith(_INTERIM_FIELDS))
        lines += [f"{name}: {value}\r\n" for name, value in fields]
        return "".join([*lines, "\r\n"]).encode("latin-1")

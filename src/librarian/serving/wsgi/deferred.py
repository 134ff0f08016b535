"""Answers that wait for something, such as a commit, without a thread of the application.

The body that the application returns says how to begin.  Its thread begins, and leaves; the thread that knows
the outcome gives the answer, or has the application called once more.  See DEFERRED in web.interfaces.
"""

from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import Any

from librarian.serving.wsgi.exchange import WSGIExchange
from librarian.web.interfaces import BEGUN, CALLED_AGAIN, DEFERRED


class DeferredBody:
    """What the application returns in place of a body; start_response() was not called."""

    def __init__(self, begin: Callable[["Later"], None]) -> None:
        self.begin = begin

    def __iter__(self) -> Iterator[bytes]:
        raise TypeError("a deferred answer has no body yet")


class Later:
    """How an answer is given that was deferred, by any thread, once."""

    def __init__(self, exchange: "DeferringExchange", environ: dict[str, Any]) -> None:
        self._exchange: DeferringExchange | None = exchange
        self._environ = environ

    def answer(self, respond: Callable[[], Iterable[bytes]]) -> None:
        """Give the answer: `respond` calls start_response() and returns the body.  Raises nothing."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.serve(respond)

    def call_again(self, error: BaseException) -> None:
        """Have the application called for the same request, with `error` in its environ."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.repeat({**self._environ, CALLED_AGAIN: error})


class DeferringExchange(WSGIExchange):
    """One request, whose answer may be deferred."""

    _deferred: DeferredBody | None = None

    def run(self, app: Any) -> None:
        """As WSGIExchange has it."""
        if CALLED_AGAIN in self._environ:
            super().run(app)
            return
        later = Later(self, {**self._environ, BEGUN: perf_counter()})
        self._environ[DEFERRED] = DeferredBody
        super().run(app)
        body, self._deferred = self._deferred, None
        if body is not None:
            try:
                body.begin(later)
            except Exception as error:  # noqa: BLE001  # it is logged where it is raised again
                later.answer(_raising(error))

    def repeat(self, environ: dict[str, Any]) -> None:
        """Have the application called once more, in a thread of its own, with this environ."""
        self._environ = environ
        self._link.call_again(self)

    def _answer(self, body: Iterable[bytes]) -> bool:
        if isinstance(body, DeferredBody):
            self._deferred = body
            return True
        return super()._answer(body)

    def _finish(self) -> None:
        if self._deferred is None:
            super()._finish()


def _raising(error: Exception) -> Callable[[], Iterable[bytes]]:
    def respond() -> Iterable[bytes]:
        raise error

    return respond

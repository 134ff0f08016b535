"""Answers that follow from something that takes its time, such as a commit."""

from collections.abc import Callable, Iterable
from typing import Any

from pyramid.response import Response

from librarian.web.interfaces import DEFERRED

IS_DEFERRED = "librarian.is_deferred"  # in the WSGI environ: the body is wanted until the answer is given

Outcome = Callable[[], Any]  # returns a value or raises an error
Begin = Callable[[Callable[[Outcome], object]], object]


class DeferredResponse(Response):
    """A response that is completed, and sent, when the application's thread has left it; where DEFERRED is in
    the WSGI environ.

    `begin` is called then, with a function that takes the outcome, such as that of ITree.postponed().  With
    a value `complete` is called, with this response and the value; for an error, raised or returned, the
    application is called again.
    """

    def __init__(self, begin: Begin, complete: Callable[[Response, Any], object], **fields: Any) -> None:
        """`fields` are those of a Response."""
        super().__init__(**fields)
        self._begin = begin
        self._complete = complete
        self._on_answer: list[Callable[[Response], object]] = []

    def on_answer(self, call: Callable[[Response], object]) -> None:
        """Have `call` called when this response is complete; not where the application is called again."""
        self._on_answer.append(call)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def begin(later: Any) -> None:
            self._begin(lambda outcome: self._end(later, outcome, environ, start_response))

        environ[IS_DEFERRED] = True
        body: Iterable[bytes] = environ[DEFERRED](begin)
        return body

    def _end(self, later: Any, outcome: Outcome, environ: dict[str, Any], start_response: Any) -> None:
        try:
            value = outcome()
        except BaseException as error:  # noqa: BLE001  # the application raises it, or begins anew
            value = error
        if isinstance(value, BaseException):
            later.call_again(value)
        else:
            later.answer(lambda: self._completed(value, environ, start_response))

    def _completed(self, value: Any, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self._complete(self, value)
        for call in self._on_answer:
            call(self)
        body: Iterable[bytes] = super().__call__(environ, start_response)
        return body

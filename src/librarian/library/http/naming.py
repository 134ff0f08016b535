"""The answer to an upload: its bytes are kept, and it is sent once they have their name."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from pyramid.request import Request
from pyramid.response import Response

from librarian.library.generations import name_or_retired, store_and_name
from librarian.store.interfaces import BytesRetired
from librarian.tree.interfaces import ITree
from librarian.web.interfaces import CALLED_AGAIN, DEFERRED
from librarian.web.requests.deferred import DeferredResponse

S = TypeVar("S")
T = TypeVar("T")

Run = Callable[[Callable[[], Any]], Any]


def answer_when_named(
    request: Request,
    tree: ITree,
    store: Callable[[], S],
    name: Callable[[S], T],
    complete: Callable[[Response, T], object],
    *,
    run: Run | None = None,
    repeated: tuple[type[Exception], ...] = (),
    **fields: Any,
) -> Response:
    """A Response with `fields`, given to `complete` with what `name` returned, once that is committed.

    `store` makes the bytes durable, and `name` names them in a transaction that `run` makes
    (ITree.run_together() if it is None).  Where the server can wait without a thread, the answer is deferred
    meanwhile: `name` is then done in a single transaction, and after one of the errors `repeated` everything
    is done once more by `run`.  Raises what the two raise.
    """
    outcome = request.environ.get(CALLED_AGAIN)
    if outcome is None and DEFERRED in request.environ:
        begin = tree.postponed(partial(name_or_retired, name, store()))
        return DeferredResponse(begin, complete, **fields)
    if outcome is not None and not isinstance(outcome, (BytesRetired, *repeated)):
        raise outcome
    response = Response(**fields)
    complete(response, store_and_name(run or tree.run_together, store, name))
    return response

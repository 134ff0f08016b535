"""Questions to the database on behalf of the loop: one at a time, each for all that asked before it."""

import asyncio
import logging
from collections.abc import Callable

from librarian.tree.interfaces import TreeAway

log = logging.getLogger(__name__)

Answered = Callable[[bool], None]  # False: the database cannot be asked


class Questions:
    """Calls `catch_up` (see ITree) in a thread.  Everything else happens in the loop's thread."""

    def __init__(self, catch_up: Callable[[], None]) -> None:
        self._catch_up = catch_up
        self._waiting: list[Answered] = []
        self._is_asking = False

    def ask(self, loop: asyncio.AbstractEventLoop, answered: Answered) -> None:
        """Call `answered` when a question that is begun after this call has its answer."""
        self._waiting.append(answered)
        if not self._is_asking:
            self._begin(loop)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_asking = True
        waiting, self._waiting = self._waiting, []
        future = loop.run_in_executor(None, self._catch_up)
        future.add_done_callback(lambda future: self._end(loop, future, waiting))

    def _end(
        self, loop: asyncio.AbstractEventLoop, future: "asyncio.Future[None]", waiting: list[Answered]
    ) -> None:
        error = future.exception()
        if error is not None and not isinstance(error, TreeAway):
            log.error("database cannot be asked", exc_info=error)
        self._is_asking = False
        if self._waiting:
            self._begin(loop)
        for answered in waiting:
            try:
                answered(error is None)
            except Exception:  # the others' answers must go out all the same
                log.exception("answer cannot be passed on")

"""A WSGI application (PEP 3333) on a few threads beside the loop."""

import logging
import threading
import time
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

log = logging.getLogger(__name__)

LAST_SECONDS = 2.0  # that threads have to finish at the end


class Exchange(Protocol):
    """One request and its answer."""

    def run(self, app: Any) -> None:
        """Call the application and pass its answer on; raises nothing."""


class Application:
    """A pool of threads that runs exchanges in their order.  The thread that was idle for the shortest time
    comes first: its data are most likely still in the processor's cache."""

    def __init__(self, app: Any, loop: AbstractEventLoop, threads: int) -> None:
        self._app = app
        self._loop = loop
        self._lock = threading.Lock()
        self._backlog: deque[Exchange] = deque()
        self._workers = [_Worker(self, number) for number in range(threads)]
        self._idle = list(self._workers)
        self._events: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._woken = False
        for worker in self._workers:
            worker.start()

    def submit(self, exchange: Exchange) -> None:
        """Queue an exchange; called in the loop's thread."""
        with self._lock:
            if not self._idle:
                self._backlog.append(exchange)
                return
            worker = self._idle.pop()
        worker.begin(exchange)

    def in_loop(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Have `callback` called in the loop's thread; one wake-up serves many threads."""
        self._events.append((callback, arguments))
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._drain)

    def stop(self) -> None:
        """End each thread after what it is doing; one that does not come to an end is left to the process."""
        for worker in self._workers:
            worker.begin(None)
        deadline = time.monotonic() + LAST_SECONDS
        for worker in self._workers:
            worker.join(max(deadline - time.monotonic(), 0))

    def _drain(self) -> None:
        self._woken = False
        while self._events:
            callback, arguments = self._events.popleft()
            try:
                callback(*arguments)
            except Exception:
                # The others' answers must go out all the same.
                log.exception("answer cannot be passed on")

    def run(self, exchange: Exchange) -> None:
        """Run an exchange in this thread."""
        exchange.run(self._app)

    def next_for(self, worker: "_Worker") -> Exchange | None:
        """The exchange that has waited longest; None if there is none, and `worker` is idle from now on."""
        with self._lock:
            if self._backlog:
                return self._backlog.popleft()
            self._idle.append(worker)
            return None


class _Worker(threading.Thread):
    def __init__(self, application: Application, number: int) -> None:
        super().__init__(name=f"application-{number}", daemon=True)
        self._application = application
        self._begun = threading.Semaphore(0)
        self._exchanges: deque[Exchange | None] = deque()

    def begin(self, exchange: Exchange | None) -> None:
        """Hand an exchange to the thread; None ends the thread."""
        self._exchanges.append(exchange)
        self._begun.release()

    def run(self) -> None:
        while True:
            self._begun.acquire()
            exchange = self._exchanges.popleft()
            if exchange is None:
                return
            while exchange is not None:
                self._application.run(exchange)
                exchange = self._application.next_for(self)

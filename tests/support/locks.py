"""Races for a lock of flock() that go the same way each time, without sleeping."""

import fcntl
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue
from typing import Any, Self
from unittest import mock

PATIENCE = 30.0  # seconds; only a test that fails takes them


class Beside:
    """Work in a thread beside the test; the end of the block waits for it, and raises its error."""

    def __init__(self) -> None:
        self._flock = fcntl.flock
        self._said: SimpleQueue[str] = SimpleQueue()
        self._begun: list[Future[Any]] = []

    def begin(self, work: Callable[[], object]) -> str:
        """Begin `work`; what comes first: that it "waits" for a lock, or that it is "done"."""
        future = self._pool.submit(work)
        future.add_done_callback(lambda _future: self._said.put("done"))
        self._begun.append(future)
        return self._said.get(timeout=PATIENCE)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(mock.patch.object(fcntl, "flock", self._lock))
            self._pool = stack.enter_context(ThreadPoolExecutor(1))
            self._kept = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        with self._kept:
            for future in self._begun:
                future.result(PATIENCE)

    def _lock(self, file: int, how: int) -> None:
        try:
            self._flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if how & fcntl.LOCK_NB:
                raise
            self._said.put("waits")
            self._flock(file, how)

"""The file lane: requests that the loop answers itself, without a thread.

A download from the local disk takes less time than handing it to another thread and back: with
CPython's one lock, the two threads mostly wait for each other (measured: half the throughput, and
twice the processor time for a request).  So the loop does such requests itself, after each turn,
and leaves to the threads whatever might keep it waiting.
"""

import threading
from collections import deque
from typing import Any

from waitress.channel import HTTPChannel

METHODS = ("GET", "HEAD")


class FileLaneChannel(HTTPChannel):
    """A connection whose answers can be gathered, to go out in one piece."""

    gathering = False

    def _flush_some(self, do_close: bool = True) -> Any:
        return False if self.gathering else super()._flush_some(do_close)

    def serve_at_once(self) -> None:
        """Do the waiting request in this thread, which is the loop's."""
        self.gathering = True
        try:
            self.service()
        finally:
            self.gathering = False
        if self.connected:
            self.handle_write()


class FileLaneDispatcher:
    """Between a listener and its threads: keeps for the loop what fits the file lane."""

    def __init__(self, listener: Any) -> None:
        self._threads = listener.task_dispatcher
        self._waiting: deque[FileLaneChannel] = deque()
        self._loop: int | None = None  # the thread that calls work()
        self._pull_trigger = listener.pull_trigger
        listener.task_dispatcher = self
        listener.pull_trigger = self._wake

    def add_task(self, channel: FileLaneChannel) -> None:
        if fits_file_lane(channel):
            self._waiting.append(channel)
        else:
            self._threads.add_task(channel)

    def work(self) -> None:
        """Do what has come in; for the loop to call after each turn."""
        self._loop = threading.get_ident()
        while self._waiting:
            channel = self._waiting.popleft()
            # Behind the first request there may be others by now, for which service() would wait.
            if fits_file_lane(channel):
                channel.serve_at_once()
            else:
                self._threads.add_task(channel)

    def _wake(self) -> None:
        """Wake the loop, unless it is the loop that asks for it."""
        if threading.get_ident() != self._loop:
            self._pull_trigger()

    def __getattr__(self, name: str) -> Any:  # what waitress asks of its dispatcher otherwise
        return getattr(self._threads, name)


def fits_file_lane(channel: HTTPChannel) -> bool:
    """Whether a request is sure not to wait for anything but the local disk.

    One request at a time, without a body, a query (a token is counted in a transaction) and a range
    (one in the middle of a file is written piece by piece, and would wait for the loop), while
    nothing of an earlier answer is still to be sent.
    """
    if len(channel.requests) != 1 or channel.total_outbufs_len:
        return False
    request = channel.requests[0]
    if request.error or request.command not in METHODS or request.query or request.body_rcv:
        return False
    return "RANGE" not in request.headers

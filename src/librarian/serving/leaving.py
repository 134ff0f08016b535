"""Clients that go away in the middle: no errors of ours, and nothing of theirs stays open.

waitress closes the body of a request when the request was answered.  What was only half received, or
waits behind another one when its client goes, would be closed whenever the collector of cycles comes by:
large bodies are deleted files, whose room comes back only then.
"""

import errno
from typing import Any

from waitress.channel import HTTPChannel

# The errors by which the network tells that the client is gone; waitress knows those that the client causes.
GONE = {
    errno.ETIMEDOUT,
    errno.EHOSTUNREACH,
    errno.EHOSTDOWN,
    errno.ENETUNREACH,
    errno.ENETDOWN,
    errno.ENETRESET,
}


def is_gone(error: OSError) -> bool:
    """Whether an error of a socket means that its client has left."""
    return isinstance(error, ConnectionError) or error.errno in GONE


def nothing_sent(channel: Any, error: OSError, do_close: bool) -> int:
    """0, after closing a channel whose client has left if `do_close`; raises any other error."""
    if not is_gone(error):
        raise error
    if do_close:  # as HTTPChannel.send() has it
        channel.handle_close()
    return 0


class LeavingChannel(HTTPChannel):
    """A connection whose end closes all that came by it."""

    request: Any  # being received, or None

    def send(self, data: Any, do_close: bool = True) -> Any:
        try:
            return super().send(data, do_close)
        except OSError as error:
            return nothing_sent(self, error, do_close)

    def recv(self, buffer_size: int) -> bytes:
        try:
            found: bytes = super().recv(buffer_size)
        except OSError as error:
            if not is_gone(error):
                raise
            self.handle_close()
            return b""
        return found

    def handle_close(self) -> None:
        super().handle_close()
        self._forget_requests()

    def received(self, data: bytes) -> bool:
        done: bool = super().received(data)
        self._forget_requests()
        return done

    def service(self) -> None:
        super().service()
        self._forget_requests()

    def _forget_requests(self) -> None:
        """Close what was received, if the client is gone and no answer can be sent.

        The first request in the queue is closed by service(), which may be at work on it.  Where the lock
        is taken, who has it comes by here afterwards.
        """
        if self.connected or not self.requests_lock.acquire(blocking=False):
            return
        try:
            unanswered = self.requests[1:]
            del self.requests[1:]
            if self.request is not None:
                unanswered.append(self.request)
                self.request = None
            for request in unanswered:
                request.close()
        finally:
            self.requests_lock.release()

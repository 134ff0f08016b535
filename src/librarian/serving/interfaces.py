"""What the server refuses by itself, before the application hears of a request."""

from librarian.interfaces import LibrarianError


class RequestRefused(LibrarianError, ValueError):
    """A request that RFC 9110 or RFC 9112 does not allow.  Where it ends cannot be known for certain, so
    that the connection is closed behind the answer."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason  # one line, for whoever sent it
        self.status = status

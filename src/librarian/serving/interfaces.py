"""What the server refuses by itself, before the application hears of a request."""

from librarian.interfaces import LibrarianError


class RequestRefused(LibrarianError, ValueError):
    """A request that RFC 9110 or RFC 9112 does not allow.  Where it ends cannot be known for certain, so
    that the connection is closed behind the answer."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason  # one line, for the client
        self.status = status


class CannotListen(LibrarianError, OSError):
    """An endpoint's address is in use, is none of this machine, or may not be used by this user."""

    def __init__(self, endpoint: str, host: str, port: int, why: str) -> None:
        super().__init__(f"endpoint {endpoint} cannot listen on {host} port {port}: {why}")
        self.endpoint = endpoint

"""What the shared HTTP code refuses."""

from librarian.interfaces import LibrarianError


class MalformedDigest(LibrarianError, ValueError):
    """A Repr-Digest or Content-Digest field that RFC 9530 does not allow; over HTTP a 400."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"malformed digest field: {problem}")
        self.field = field
        self.problem = problem


class FileCutShort(LibrarianError, OSError):
    """A byte file ends before the bytes that were promised of it.

    Raised before the response starts wherever that can be known, so that it can still become a
    503; raised from the body otherwise, so that the server breaks the connection off and no
    client takes what it got for the whole.
    """

    def __init__(self, promised: int, found: int) -> None:
        super().__init__(f"the file ends at byte {found}, but {promised} were promised")
        self.promised = promised  # bytes from the start of the file
        self.found = found  # bytes


class MalformedAuthorization(LibrarianError, ValueError):
    """An Authorization field that says nothing we understand; over HTTP a 400."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"malformed Authorization field: {problem}")
        self.problem = problem

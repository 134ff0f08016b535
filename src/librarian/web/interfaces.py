"""What the shared HTTP code needs of other packages, and its errors."""

from pyramid.request import Request
from zope.interface import Interface

from librarian.interfaces import LibrarianError
from librarian.security.interfaces import IPrincipal

# ruff: noqa: N805  # zope.interface methods are written without self


class IIdentification(Interface):
    """Tells who sends a request; a utility that the system of people registers.

    The tree must be open.  Each class of CredentialsRefused has an exception view, which is the answer
    to the request.
    """

    def principal(request: Request, *, sessions: bool = False) -> IPrincipal:
        """The principal that the credentials of `request` belong to; ANONYMOUS if it has none.

        With `sessions`, the session cookie of a browser counts as well; a cookie that is stale or made
        up counts as none.  Raises CredentialsRefused for an Authorization field that is malformed or
        wrong."""

    def session_secret(request: Request) -> str | None:
        """The secret in the session cookie, valid or not; None without such a cookie."""


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

"""The library from elsewhere: what a program on any machine does with it, over HTTP.

`library.Library` adds files, fetches them, searches, makes links and holds files; its `tree` is the named
tree, and its `events` tells what happens, over breaks of the connection (`events`). It
knows three addresses: the web application, and the two endpoints for uploads. `librarian put`, `get` and
the other client commands stand on the same modules.

A file goes up whole where it is small (`uploads`), by tus 1.0 where it is large (`pieces`): when a
connection breaks, the rest is sent from where it broke. Its SHA-256 is declared, and the server compares. A
file comes down into ``NAME.part``, is resumed by Range and If-Range, and gets its name when its digest is
the one that the ETag states (`downloads`). Where the server says Retry-After, it is waited for
(`patience`).

Nothing here needs more than the standard library and urllib3: no component architecture, no database, no
framework. So errors are OSErrors, and no interface of zope.interface is declared.
"""


class RemoteError(OSError):
    """The library could not be reached, or has refused; the message is one line."""


class TransferFailed(RemoteError):
    """What was asked for was not done; the message says why.  `status` is the answer's, 0 without one."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class TriesAgain(RemoteError):
    """A request that may succeed later: `error` says why it did not, `after` is Retry-After in seconds."""

    def __init__(self, error: TransferFailed, after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after = after

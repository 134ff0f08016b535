"""Talking to other hosts: one request and its answer.

Code that fetches something small asks the IFetcher utility of librarian.interfaces and handles FetchFailed.
A server and its commands have the fetcher of `service`, which goes over the network; documents and tests
register one that answers from the application itself, so that they need no port.  Longer talks (daemons on
other hosts, commands that move large files) have a pool of connections from `http.connection_pool`, which
sets what all of them share: no proxy from the environment, a connection that is refused is tried again, and
a request that was sent is not.  `http.refusal_reason` reads what our endpoints answer where they refuse:
``{"error": "the reason"}``.

Bodies are sent exactly as long as they were declared (`bodies.DeclaredBody`): a byte more would be read as
the next request of the connection, a byte less is waited for.

`networks` has IP addresses and the networks that settings name, and the guard for URLs that come from
people: it looks at the address that a socket is for, when the name has been resolved.  All but `service`
needs the standard library and urllib3 alone: clients are installed on hosts without the components.
"""


class WrongLength(AssertionError):
    """A file holds fewer or more bytes than were declared.

    `read` counts the bytes taken from it; reading stops at the first byte too many.  The request was
    cut off before its last block, so that its server keeps nothing of it.
    """

    def __init__(self, declared: int, read: int) -> None:
        found = f"{read} were read from the file" if read < declared else f"the file holds at least {read}"
        super().__init__(f"size is {declared}, but {found}")
        self.declared = declared
        self.read = read

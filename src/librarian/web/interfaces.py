"""HTTP for all systems: endpoints, the web application and its sections, answers that are files.

One process listens on several ports.  What is behind a port is an *endpoint* (`IEndpoint`): the web
application, public downloads, downloads for the trusted network, the upload protocol, and so on.  A
system registers its endpoint as a named utility; the port is a setting, ``librarian.endpoint.<name>``.  Which
endpoint a request meets is decided by the port it came in on, never by what the request says of itself.

A request goes from the outside in: the access log (`access_log`), the WSGI application and its tweens
(proxies, probes, measuring, `tweens`), then Pyramid's traversal, which begins at `IEndpoint.root`.  In
`tweens` the tree is opened and `IEndpoint.principal` tells who acts; from there on the security policy judges
each access.  Where the endpoint is transactional, the whole request is repeated on a conflict.

The web application is itself put together from *sections* (`IAppSection`): a system registers what is shown
under ``/<name>``, and appears on the home page.  `ITakesFiles` marks sections that receive files by PUT;
those requests commit by themselves, so that the bytes are received once.

The body of a request is ``wsgi.input``, under every WSGI server.  A server that has received the body before
it calls the application may say so: under ``librarian.received`` in the environ is then the IReceivedFile of
the registered byte store with the body as it was sent (without a transfer coding, with its content coding),
and ``wsgi.input`` opens it on demand (`requests.received.pass_on`).  An upload then only names what has been
hashed and written already; other views read as ever.  The server discards the file when the request is over.
A form with files is parsed while it arrives (`requests.form_files`): its files are received files, too.

An answer that follows from a commit may be deferred (`requests.deferred`): the thread leaves the view, and
the answer is given when the outcome is known.  The access log and the measurements take it as one request.

A file is answered by `files`: conditions (RFC 9110, section 13), ranges (section 14), digests (RFC 9530), and
the body, which the server, the loop or nginx sends.  A byte file that is shorter than the answer has promised
raises FileCutShort: the connection is broken off, and no client takes what it got for the whole.
"""

from collections.abc import Mapping
from typing import Any

from pyramid.request import Request
from zope.interface import Attribute, Interface

from librarian.interfaces import LibrarianError
from librarian.security.interfaces import IPrincipal

# ruff: noqa: N805  # zope.interface methods are written without self


class IEndpoint(Interface):
    """A named utility: one side of the site, with its own root object and port."""

    section = Attribute("Its EndpointSettings class, also registered as an ISettingsSection.")
    transactional = Attribute(
        "Whether each request runs in a transaction that is retried on conflict.  Downloads need"
        " none, and an upload endpoint keeps its bytes and repeats the naming of them only."
    )

    names_uploads = Attribute(
        "Whether most of its requests do nothing with the tree but name an upload: then a request's session"
        " begins when it first reads the tree."
    )
    unpacks_gzip = Attribute(
        "Whether its application is asked before a large gzip body of a PUT is read (BODY_TAKER), and has it"
        " unpacked while it arrives."
    )
    file_lane = Attribute(
        "Whether the server may answer GET and HEAD of files in its loop, from facts that were offered to it."
    )
    for_browsers = Attribute(
        "Whether people use it by a browser: session cookies count, forms carry a secret."
    )
    trusts_network = Attribute(
        "Whether each client that can reach its port may use it: it listens on a trusted network only."
    )

    def admits_to_lane(address: str, credentials: bool) -> bool:
        """Whether a client at this address may read each file of an endpoint with `file_lane`.

        `credentials`: the request has an Authorization field.
        """

    def root(request: Request) -> Any:
        """The object where traversal begins."""

    def principal(request: Request) -> IPrincipal:
        """The principal that acts in this request; called with the tree open."""


class IEndpoints(Interface):
    """The endpoints of one application, by port."""

    def by_environ(environ: Mapping[str, Any]) -> Any:
        """The IEndpoint that a WSGI request came in by, or None."""


#: In the WSGI environ of a server that can answer for files by itself: called with the FileFacts that the
#: answer to this request follows from, the _p_oid of each stored object that they are taken from, and, where
#: the file has one, its PackedForm.  The server may answer further requests for this path, without a query,
#: until one of the objects changes.
FILE_LANE = "librarian.file_lane"

#: In the WSGI environ: status (200, 206) and bytes of an answer that another server was told to give in place
#: of this one.  The access log has them, so that such downloads are counted.
GRANTED = "librarian.granted"

#: A key in the WSGI environ: True where the server's wsgi.file_wrapper sends as many bytes as Content-Length
#: states, from the position of a file that has a descriptor.  PEP 3333 promises no end but the file's.
SENDS_SLICES = "librarian.sends_slices"


class IAppSection(Interface):
    """A section of the web application, shown under ``/<name>``; a named utility."""

    title = Attribute("What the link on the home page says.")
    description = Attribute("One sentence on what is to be found there.")

    def root(parent: Any, request: Request) -> Any:
        """The object that ``/<name>`` is; the request's interaction is on."""


class ITakesFiles(Interface):
    """A section below which the body of a PUT is a file.

    Such a request runs outside of the web application's transactions, and commits by ITree.run:
    the file is kept once, as it arrives, and only the naming of it is repeated on conflicts.  A named utility
    of this interface says so of all requests to ``/<name>`` and below.
    """


class IIdentification(Interface):
    """Identifies the sender of a request; a utility that the system of people registers.

    The tree must be open.  Each class of CredentialsRefused has an exception view, which is the answer
    to the request.
    """

    own_login = Attribute(
        "Whether browsers log in at /+login; if not, an application around the library does it."
    )

    def principal(request: Request, *, sessions: bool = False) -> IPrincipal:
        """The principal that the credentials of `request` belong to; ANONYMOUS if it has none.

        With `sessions`, the session cookie of a browser counts as well; a cookie that is stale or made
        up counts as none.  Raises CredentialsRefused for an Authorization field that is malformed or
        wrong."""

    def account_links(request: Request) -> list[tuple[str, str]]:
        """The links in the head of each page, as text and path: to log in, or to the account and log-out."""

    def session_secret(request: Request) -> str | None:
        """The secret in the session cookie, valid or not; None without such a cookie."""


#: In the WSGI environ of a server that asks the application before it reads the body of a request with
#: ``Upload-*`` or ``Tus-*`` fields, or a large gzip body (IEndpoint.unpacks_gzip): a function that takes the
#: IReceiving for the body.  The application calls it and answers 100, or 104 with fields for the client; it
#: is called once more when the body has come, with what finish() gave under RECEIVED.  Of a body that is cut
#: off the server writes what has come, and calls abort().  Any other answer goes to the client, and the body
#: is not read.
BODY_TAKER = "librarian.body_taker"


#: In the WSGI environ of a server that can go on with an answer when the application's thread has left it: a
#: function that takes another one, `begin`, and gives the body to answer with.  Once the head is on its way
#: the server calls `begin` with a sink: ``put(data)`` sends bytes and is False when the client is gone,
#: ``end()`` ends the answer, ``backlog`` is the number of bytes that the client has not taken.  Any thread
#: may call them.  A server that is to end closes the connection.
LIVE_BODY = "librarian.live_body"

#: In the WSGI environ of a server that has not read the body yet, as it is large, or its client waits for 100
#: (Continue) before it sends it (RFC 9110, 10.1.1): the application judges the request by its head alone.  It
#: answers 100, and is called once more when the body has come; any other answer goes to the client, and the
#: body is not read.  Reading ``wsgi.input`` raises BodyAwaited.
HEAD_ALONE = "librarian.head_alone"


#: In the WSGI environ of a server that can wait for an answer without a thread of the application: a function
#: that takes another one, `begin`, and gives the body to answer with; start_response() is not called before.
#: When the application's thread has left it the server calls `begin` with an object of two methods, of which
#: any thread may call one, once.  ``answer(respond)`` gives the answer: `respond` calls start_response() and
#: returns the body.  ``call_again(error)`` has the application called once more for the same request, with
#: `error` under CALLED_AGAIN; it can then not be deferred.  Until then the body of the request stays.
DEFERRED = "librarian.deferred"
CALLED_AGAIN = "librarian.called_again"

#: In the WSGI environ of a request for which the application was called before: time.perf_counter() at that.
BEGUN = "librarian.begun"


class BodyAwaited(LibrarianError, RuntimeError):
    """A request was to be judged by its head, and takes its body to be judged; over HTTP a 100."""


class BodyRefused(LibrarianError, ValueError):
    """An IReceiving that the application has given to the server takes no more of a body."""

    def __init__(self, status: int, reason: str, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.status = status  # as HTTP has it
        self.reason = reason
        self.facts = dict(facts or {})  # that the answer's JSON object has beside


class MalformedDigest(LibrarianError, ValueError):
    """A Repr-Digest or Content-Digest field that RFC 9530 (2, 3) does not allow; over HTTP a 400."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"malformed digest field: {problem}")
        self.field = field
        self.problem = problem


class FormUnreadable(LibrarianError, ValueError):
    """The body of a request is no form of the declared type (RFC 7578), or not one for here; a 400."""


class FormTooLarge(FormUnreadable):
    """A form has more or longer fields than are taken, beside its files; over HTTP a 413."""


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

"""The download endpoints: ``GET /<id>/<filename>``, and the search by digest."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from pyramid.httpexceptions import HTTPBadRequest, HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response

from librarian.library import urls
from librarian.library.filenames import ID, quoted
from librarian.library.http.alias_response import alias_response, facts_of
from librarian.library.model.client_downloads import IN_FLIGHT, Piece, client_key
from librarian.library.model.files import LibraryFileAlias
from librarian.library.operations import Library, digest_bytes
from librarian.library.settings import PublicEndpoint, RestrictedEndpoint
from librarian.web.endpoints import Endpoint
from librarian.web.files.facts import FileAnswer
from librarian.web.files.ranges import Slice
from librarian.web.interfaces import FILE_LANE
from librarian.web.openapi.declaring import FILE_FIELDS, describes, does, file_answers, text
from librarian.web.openapi.schemas import TEXT
from librarian.web.requests.methods import READING, refusal_of

ENDPOINTS = ("public", "restricted")
_DIGEST_LENGTHS = {40: 20, 64: 32}  # hex digits -> bytes: SHA-1 and SHA-256


@dataclass(frozen=True)
class DownloadRoot:
    """``/`` of a download endpoint: the aliases of one space by id."""

    library: Library
    restricted: bool

    def __getitem__(self, segment: str) -> "AliasFolder":
        if not ID.fullmatch(segment):
            raise KeyError(segment)
        return AliasFolder(self, self.library.alias(int(segment)))


@dataclass(frozen=True)
class AliasFolder:
    """``/<id>``: has one child, the file under its filename."""

    root: DownloadRoot
    alias: LibraryFileAlias

    def __getitem__(self, filename: str) -> "Download":
        if filename != self.alias.filename:
            raise KeyError(filename)
        return Download(self.root, self.alias)


@dataclass(frozen=True)
class Download:
    """``/<id>/<filename>``."""

    root: DownloadRoot
    alias: LibraryFileAlias


def restricted_endpoint() -> Endpoint:
    """The endpoint of the restricted space; for ZCML."""
    root = DownloadRoot(Library(), restricted=True)
    return Endpoint(RestrictedEndpoint, partial(_root, root), trusts_network=True)


def public_endpoint() -> Endpoint:
    """The endpoint of the public space; for ZCML."""
    root = DownloadRoot(Library(), restricted=False)
    return Endpoint(PublicEndpoint, partial(_root, root), file_lane=True)


def _root(root: DownloadRoot, request: Request) -> DownloadRoot:
    """`root`.  Raises HTTPMethodNotAllowed and HTTPNotImplemented below the ids of files.

    Refused by the view, a method would say which restricted files there are: 405 for those, 404 elsewhere.
    """
    if request.method not in READING and ID.match(request.path_info.strip("/")):
        raise refusal_of(request.method, READING)
    return root


@describes(
    "/{id:int}/{filename}",
    *ENDPOINTS,
    GET=does(
        "A file, where its space is, or with a token",
        *file_answers(),
        query={"token": TEXT},
        headers=FILE_FIELDS,
    ),
)
def download(context: Download, request: Request) -> Response:
    """The file, from the endpoint of its space or with a token.  Raises HTTPNotFound."""
    alias, library = context.alias, context.root.library
    # Traversal ignores empty segments and dots; a file has one path, for caches and for tokens.
    if alias.content is None or request.path_info != f"/{alias.id}/{alias.filename}":
        raise HTTPNotFound
    by_token = _needed_token(context, request)
    own_host = _checked_host(request, library, alias)
    if by_token is None:
        offer = request.environ.get(FILE_LANE)
        if offer is not None and not own_host:
            offer(facts_of(alias, alias.content), (alias._p_oid, alias.content._p_oid))
        return alias_response(library, alias, request, own_host)
    return alias_response(library, alias, request, own_host, by_token.admit, by_token.ended)


def _needed_token(context: Download, request: Request) -> "_ByToken | None":
    """The token that is counted if bytes are sent; None on the endpoint of the alias's own space.

    A token that is missing, wrong, expired or used up is the same 404, so that guessing reveals nothing.
    """
    alias, root = context.alias, context.root
    if alias.restricted is root.restricted:
        return None
    token = _stated_token(request) if alias.restricted else ""
    client = client_key(request.remote_addr or "", request.environ.get("HTTP_USER_AGENT", ""))
    by_token = _ByToken(root.library, alias, token, client)
    if not token or not root.library.tokens.admits(token, by_token.path, client):
        raise HTTPNotFound
    return by_token


class _ByToken:
    """One answer to the bearer of a token: counted before it is sent, corrected if it broke off."""

    def __init__(self, library: Library, alias: LibraryFileAlias, token: str, client: str) -> None:
        self._tokens = library.tokens
        self._alias = alias
        self._token = token
        self._client = client
        self._use: int | None = None
        self._pieces: list[Piece] = []
        self.path = f"/{alias.id}/{quoted(alias.filename)}"

    def admit(self, answer: FileAnswer) -> bool:
        """Count the pieces of the file that the answer has; False if the token does not allow them."""
        self._pieces = [(part.start, part.stop) for part in answer.segments if isinstance(part, Slice)]
        if not self._pieces:
            return True
        assert self._alias.content is not None
        size = self._alias.content.filesize
        self._use = self._tokens.use(self._token, self.path, self._client, self._pieces, size)
        return self._use is not None

    def ended(self, position: int) -> None:
        """Return what was not sent: the server closed the file at `position`, in bytes.

        Of an answer with several pieces nothing is returned, as the position does not tell which were sent.
        """
        if self._use:
            start, stop = self._pieces[-1]
            broken = len(self._pieces) == 1 and position < stop
            unsent = (max(start, position), stop) if broken else None
            in_flight = min(max(position - start, 0), IN_FLIGHT)
            self._tokens.ended(self._token, self._client, self._use, unsent, in_flight)


def _stated_token(request: Request) -> str:
    try:
        token: str = request.GET.get("token", "")
    except UnicodeDecodeError:  # not UTF-8, so it is no token
        return ""
    return token


def _checked_host(request: Request, library: Library, alias: LibraryFileAlias) -> bool:
    """Whether the request is for the file's own host.  HTTPNotFound on the own host of another file."""
    host = request.environ.get("HTTP_HOST", "").rpartition(":")[0] or request.environ.get("HTTP_HOST", "")
    if host.lower() == urls.own_host(library.settings, alias):
        return True
    if ".restricted." in host.lower():
        raise HTTPNotFound
    return False


@describes(
    "/search",
    *ENDPOINTS,
    GET=does(
        "How many files of this space have a digest, then id/name of each on a line",
        text(),
        query={"digest": {"type": "string", "pattern": "^([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$"}},
        required=("digest",),
    ),
)
def search(context: DownloadRoot, request: Request) -> Response:
    """The number of files in this space with the digest, then ``id/name`` of each on a line."""
    lines = list(_found(context, _digest(request)))
    text = "\n".join([str(len(lines)), *lines])
    return Response(text, content_type="text/plain", charset="utf-8")


def _digest(request: Request) -> bytes:
    """The SHA-1 or SHA-256 that is asked for.  Raises HTTPBadRequest."""
    stated = request.GET.getall("digest")
    digest = stated[0] if len(stated) == 1 else ""
    try:
        return digest_bytes(digest.lower(), _DIGEST_LENGTHS[len(digest)])
    except (KeyError, ValueError):
        raise HTTPBadRequest("digest is a SHA-1 or SHA-256: 40 or 64 hex digits, once.") from None


def _found(root: DownloadRoot, raw: bytes) -> Iterator[str]:
    subtree = root.library.subtree
    for sha256 in [raw] if len(raw) == 32 else subtree.sha256s_of(raw):
        for alias in subtree.aliases_of(sha256):
            if alias.restricted is root.restricted:
                yield f"{alias.id}/{quoted(alias.filename)}"


@describes("/", *ENDPOINTS, GET=does("A line that says what is here", text()))
def welcome(context: DownloadRoot, request: Request) -> Response:
    """``/`` of a download endpoint, which lists no files."""
    return Response("Librarian downloads\n", content_type="text/plain", charset="utf-8")

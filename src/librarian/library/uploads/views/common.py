"""What both protocols share: fields, spaces, and how a piece is received under any WSGI server."""

from collections.abc import Callable, Mapping
from email.utils import format_datetime
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.security.interfaces import Unauthorized
from zope.security.proxy import removeSecurityProxy

from librarian.library.filenames import media_type_for
from librarian.library.http.request_bodies import (
    check_coding,
    refuse_match,
    stated_expires,
    upload_expires,
)
from librarian.library.http.uploads import UPLOADS, UploadRoot, check_permission
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.operations import acting_owner
from librarian.library.uploads.interfaces import IResumableUploads
from librarian.library.uploads.model import Target, UploadFacts
from librarian.library.uploads.pieces import Piece
from librarian.library.uploads.service import ResumableUploads
from librarian.security.interaction import is_permitted
from librarian.settings import as_bool
from librarian.store.interfaces import IPartial
from librarian.web.digests import CONTENT_FIELDS, WHOLE_FIELDS, promised_digests
from librarian.web.interfaces import BODY_TAKER, BodyRefused
from librarian.web.requests.mounting import local_path
from librarian.web.requests.promises import by_hash
from librarian.web.requests.received import RECEIVED

BLOCK = 1 << 18  # bytes
MOST_DIGITS = 15  # of an integer (RFC 9651, section 3.3.1)
SF_BOOLEANS = {"?0": False, "?1": True}  # RFC 9651, section 3.3.6


def uploads() -> ResumableUploads:
    """The uploads of this process."""
    found: ResumableUploads = getUtility(IResumableUploads)
    return found


def space_of(context: Any) -> bool | None:
    """Whether the uploads of an endpoint are restricted; None: both kinds.  Raises Unauthorized."""
    if isinstance(context, UploadRoot):
        check_permission(context)
        return context.restricted
    may_upload("librarian.Upload")
    return None


def may_upload(permission: str) -> None:
    """Raise Unauthorized unless the principal may add files."""
    aliases = removeSecurityProxy(getUtility(ILibraryFileAliasSet))
    if not is_permitted(permission, aliases):
        raise Unauthorized(aliases, "upload", permission)


def facts_for(context: Any, upload_id: str) -> UploadFacts:
    """The facts of the principal's own upload.  Raises UploadNotFound, UploadExpired, Unauthorized.

    For one with a target it is the named tree that asks for permissions, when it is complete.
    """
    owner = acting_owner()
    if isinstance(context, UploadRoot) or owner is None:
        return uploads().facts(upload_id, owner, space_of(context))
    found = uploads().facts(upload_id, owner, None)
    if found.target is None:
        space_of(context)
    return found


class Place:
    """Where uploads by tus are begun and found: an upload endpoint or the web application, `context`."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def path(self, upload_id: str) -> str:
        """The path of an upload."""
        return path_of(upload_id)

    def facts(self, upload_id: str) -> UploadFacts:
        """The facts of an upload that may be gone on with.

        Raises UploadNotFound, UploadExpired, Unauthorized.
        """
        return facts_for(self._context, upload_id)

    def begin(self, request: Request, metadata: Mapping[str, str], **facts: Any) -> IPartial:
        """A new upload, open.  Raises HTTPBadRequest, Unauthorized, and what begin() of the uploads does."""
        if "path" in metadata and not isinstance(self._context, UploadRoot):
            return _begin_at_path(request, metadata, **facts)
        refuse_path(metadata)
        refuse_match(request)
        restricted = space_of(self._context)
        if restricted is None:
            restricted = flag(metadata, "restricted")
            may_upload("librarian.UploadRestricted" if restricted else "librarian.Upload")
        require_space(metadata, restricted)
        filename = stated_name(metadata)
        if not filename:
            raise HTTPBadRequest("Upload-Metadata names no filename.")
        mimetype = stated_type(metadata, filename)
        facts |= {"expires": upload_expires(request), "restricted": restricted, "owner": acting_owner()}
        return uploads().begin(filename, mimetype, **facts)

    def limits(self, facts: UploadFacts | None = None) -> dict[str, int]:
        """Those that the draft has in Upload-Limit, of an upload or of each; `max-size` is in bytes."""
        longest = uploads().longest
        found = {"min-size": 0} if longest is None else {"max-size": longest}
        if facts is not None:
            left = facts.until - uploads().library.clock.now()
            found["max-age"] = max(int(left.total_seconds()), 0)
        return found

    def complete(self, partial: IPartial) -> dict[str, Any]:
        """Add the file; the JSON object that the sender gets."""
        return uploads().complete(partial)


def _begin_at_path(request: Request, metadata: Mapping[str, str], **facts: Any) -> IPartial:
    flags = {name: flag(metadata, name) for name in ("parents", "restricted")}
    target = target_of(request, metadata["path"], parents=flags["parents"])
    mimetype = stated_type(metadata, target.filename)
    facts |= {"target": target, "expires": stated_expires(request), "restricted": flags["restricted"]}
    return uploads().begin(target.filename, mimetype, owner=acting_owner(), **facts)


def flag(metadata: Mapping[str, str], name: str) -> bool:
    """A value of Upload-Metadata that is true or false; false without it.  Raises HTTPBadRequest."""
    try:
        return as_bool(metadata.get(name, "false"))
    except ValueError:
        raise HTTPBadRequest(f"{name} in Upload-Metadata is true or false.") from None


def target_of(request: Request, path: str, *, parents: bool) -> Target:
    """A path of the named tree, with the conditions of the request."""
    conditions = (request.headers.get(name) for name in ("If-Match", "If-None-Match"))
    return Target("/" + path.lstrip("/"), parents, *conditions)


def refuse_path(metadata: Mapping[str, str]) -> None:
    """Raise HTTPBadRequest where the client believes that the file gets a path."""
    for name in ("path", "parents"):
        if name in metadata:
            raise HTTPBadRequest(f"{name} in Upload-Metadata is for a path at /+uploads of the application.")


def require_space(metadata: Mapping[str, str], restricted: bool) -> None:
    """Raise HTTPBadRequest where the client believes that the file goes to the other space."""
    if "restricted" in metadata and flag(metadata, "restricted") != restricted:
        kind = "restricted" if restricted else "public"
        raise HTTPBadRequest(f"restricted in Upload-Metadata: what is sent here becomes {kind}.")


def stated_name(metadata: Mapping[str, str]) -> str:
    """The name of the file by the keys that clients of tus use; empty without it."""
    return metadata.get("filename") or metadata.get("name") or ""


def stated_type(metadata: Mapping[str, str], filename: str) -> str:
    """The media type by the keys that clients of tus use, or that the name suggests."""
    return metadata.get("filetype") or metadata.get("type") or media_type_for(filename)


def may_manage(context: Any) -> bool:
    """Whether the principal may list and delete uploads of others: an admin, at the web application."""
    aliases = removeSecurityProxy(getUtility(ILibraryFileAliasSet))
    return not isinstance(context, UploadRoot) and is_permitted("librarian.Admin", aliases)


def path_of(upload_id: str) -> str:
    """The path of an upload, on every endpoint that has uploads."""
    return local_path(f"/{UPLOADS}/{upload_id}")


def stated_integer(request: Request, name: str) -> int | None:
    """A field that is a number of bytes; None without it.  Raises HTTPBadRequest."""
    text = request.headers.get(name)
    if text is None:
        return None
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise HTTPBadRequest(f"{name} is no number of bytes.")
    return int(text)


def stated_boolean(request: Request, name: str) -> bool:
    """A field that is ``?0`` or ``?1``.  Raises HTTPBadRequest, also without it."""
    try:
        return SF_BOOLEANS[request.headers[name].strip()]
    except KeyError:
        raise HTTPBadRequest(f"{name} is neither ?0 nor ?1.") from None


def required_offset(request: Request) -> int:
    """The field Upload-Offset.  Raises HTTPBadRequest."""
    offset = stated_integer(request, "Upload-Offset")
    if offset is None:
        raise HTTPBadRequest("Upload-Offset is missing: where in the file does this piece begin?")
    return offset


def piece_digests(request: Request) -> dict[str, str]:
    """The digests declared of this body, lower-case hex by hashlib's names.  Raises MalformedDigest."""
    return by_hash(promised_digests(request.environ, CONTENT_FIELDS))


def whole_digests(request: Request) -> dict[str, str]:
    """Those declared of the whole file, with whichever piece.  Raises MalformedDigest."""
    return by_hash(promised_digests(request.environ, WHOLE_FIELDS))


def body_size(request: Request) -> int | None:
    """The size of the body in bytes; None for a chunked one (RFC 9112, section 6.3)."""
    stated: int | None = request.content_length
    if stated is None and not {"HTTP_TRANSFER_ENCODING", BODY_TAKER} & request.environ.keys():
        return 0
    return stated


def received(request: Request, make: Callable[[], Piece]) -> tuple[Piece, bool]:
    """The piece that is the body of a request, and whether it is there; if not, the server is to go on.

    `make` begins it.  It is closed with the request.  Raises HTTPUnsupportedMediaType.
    """
    check_coding(request)
    found = request.environ.get(RECEIVED)
    if isinstance(found, Piece):
        return found, True
    piece = make()
    taker = request.environ.get(BODY_TAKER)
    if taker is not None:
        taker(piece)
        return piece, False
    request.add_finished_callback(lambda request: piece.abort())
    _read(request, piece)
    return piece, True


def _read(request: Request, piece: Piece) -> None:
    """Read the body under a server that has it as a stream.  Raises HTTPBadRequest, OSError."""
    stream, left = request.environ["wsgi.input"], body_size(request)
    while left is None or left:
        block: bytes = stream.read(BLOCK if left is None else min(BLOCK, left))
        if not block:
            break
        piece.write(block)
        left = None if left is None else left - len(block)
    if left:
        raise HTTPBadRequest("The body ended early; what has come of it is kept.")
    piece.finish()


def go_on(status: int = 100, **fields: str) -> Response:
    """The answer that has the server receive the body."""
    response = Response(status="104 Upload Resumption Supported" if status == 104 else status)
    response.headers.update({name.replace("_", "-"): value for name, value in fields.items()})
    return response


def without_body(status: int) -> Response:
    """An answer that names no Content-Type, as it has no content."""
    response = Response(status=status)
    response.headers.pop("Content-Type", None)
    return response


def until_field(facts: UploadFacts) -> str:
    """The value of Upload-Expires: a date as in RFC 9110, section 5.6.7."""
    return format_datetime(facts.until, usegmt=True)


def body_refused(context: BodyRefused, request: Request) -> Response:
    """What a piece refuses to take, under a server that has the application read the body."""
    body = {"error": context.reason, "status": context.status, **context.facts}
    return Response(json_body=body, status=context.status)

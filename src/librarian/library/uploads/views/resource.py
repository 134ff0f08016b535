"""``/+uploads`` and ``/+uploads/<id>``, for both protocols: a request with Tus-Resumable speaks tus."""

from typing import Any

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response
from zope.security.interfaces import Unauthorized

from librarian.library.http.description import FILE, STATED_EXPIRY, expires_text
from librarian.library.operations import acting_owner
from librarian.library.uploads.model import UploadFacts
from librarian.library.uploads.views import draft, tus
from librarian.library.uploads.views.common import (
    Place,
    facts_for,
    may_manage,
    path_of,
    space_of,
    uploads,
    without_body,
)
from librarian.web.openapi.declaring import BINARY, Body, describes, does, empty, gives
from librarian.web.openapi.schemas import (
    FLAG,
    SIZE,
    TEXT,
    TIME,
    Named,
    array,
    extended,
    nullable,
    obj,
    one_of,
    told,
)
from librarian.web.requests.methods import takes
from librarian.web.requests.parts import takes_parts

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST")
OF_ALL = ("GET", "HEAD", "OPTIONS", "POST")  # and of one upload:
OF_ONE = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH")


_ENDPOINTS = ("app", "upload", "restricted-upload")
_TUS = {"Tus-Resumable": one_of([tus.VERSION])}
_UPLOAD = Named(
    "ResumableUpload",
    obj(
        id=TEXT,
        path=TEXT,
        filename=TEXT,
        target=nullable(told(TEXT, "a path of the named tree")),
        mimetype=TEXT,
        restricted=FLAG,
        owner=nullable(TEXT),
        offset=SIZE,
        length=nullable(SIZE),
        complete=FLAG,
        begun=TIME,
        until=TIME,
        expires=nullable(TEXT),
    ),
)
_STATE = ("Upload-Offset", "Upload-Length")


@describes(
    "/+uploads",
    *_ENDPOINTS,
    OPTIONS=draft.CAPABILITIES,
    GET=does(
        "One's uploads under way; with all, those of all, for administrators",
        gives(obj(uploads=array(_UPLOAD))),
        query={"all": TEXT},
        headers=_TUS,
    ),
    POST=does(
        "Begin an upload (tus 1.0.0); Upload-Defer-Length: 1 may stand for Upload-Length",
        empty(201, "Begun; the whole file is added, and described in JSON", "Location", "Upload-Expires"),
        body=Body({tus.PIECE_TYPE: BINARY}, required=False),
        headers={
            **_TUS,
            "Upload-Length": tus.LENGTH,
            "Upload-Metadata": told(TEXT, "keys with values in Base64; filename is one"),
            "Librarian-Expires": STATED_EXPIRY,
        },
        required=("Tus-Resumable", "Upload-Length", "Upload-Metadata"),
    ),
)
@describes(
    "/+uploads/{upload_id}",
    *_ENDPOINTS,
    OPTIONS=draft.CAPABILITIES,
    GET=does("An upload, and the file that it became", gives(extended(_UPLOAD, file=nullable(FILE)))),
    HEAD=does(
        "How many bytes have come",
        empty(200, "So many", *_STATE),
        empty(204, "So many", *_STATE),
        headers=_TUS,
    ),
    PATCH=does(
        "The next piece (tus 1.0.0; with Upload-Complete in place of Tus-Resumable, as the IETF drafts it)",
        gives(FILE, 200, "It was the last", "Upload-Offset"),
        empty(204, "More is to come", "Upload-Offset"),
        body=Body({tus.PIECE_TYPE: BINARY}),
        headers={
            **_TUS,
            "Upload-Offset": tus.OFFSET,
        },
        required=("Tus-Resumable", "Upload-Offset"),
    ),
    DELETE=does("Forget the upload", empty(204, "Forgotten"), headers=_TUS),
)
@takes_parts
@takes(*METHODS, at=lambda request: OF_ONE if request.subpath else OF_ALL)
def place(context: Any, request: Request) -> Response:
    """The uploads, or one of them, by the rest of the path."""
    if request.method == "OPTIONS":
        return draft.capabilities(Place(context))
    if request.headers.get("Tus-Resumable", tus.VERSION).strip() != tus.VERSION:
        return tus.wrong_version()
    if not request.subpath:
        return {"GET": listing, "HEAD": listing, "POST": _create}[request.method](context, request)
    if len(request.subpath) > 1:
        raise HTTPNotFound
    views = {"GET": _description, "HEAD": _state, "PATCH": _append, "DELETE": _cancel}
    return views[request.method](context, request)


def _speaks_tus(request: Request) -> bool:
    return "Tus-Resumable" in request.headers


def _create(context: Any, request: Request) -> Response:
    return tus.create(Place(context), request) if _speaks_tus(request) else tus.wrong_version()


def _append(context: Any, request: Request) -> Response:
    append = tus.append if _speaks_tus(request) else draft.append
    return append(Place(context), request, request.subpath[0])


def _state(context: Any, request: Request) -> Response:
    upload_id = request.subpath[0]
    if _speaks_tus(request):
        return tus.state(Place(context), request, upload_id)
    response = without_body(204)
    response.headers.update(draft.state(Place(context), request, upload_id))
    return response


def _cancel(context: Any, request: Request) -> Response:
    upload_id = request.subpath[0]
    if not may_manage(context):
        facts_for(context, upload_id)
    uploads().cancel(upload_id)
    return tus.forgotten() if _speaks_tus(request) else without_body(204)


def _description(context: Any, request: Request) -> Response:
    """The facts of one upload, and of the file it became."""
    upload_id = request.subpath[0]
    if _speaks_tus(request):
        tus.state(Place(context), request, upload_id)  # completes it, or is refused as HEAD is, with a reason
    fields = draft.state(Place(context), request, upload_id)
    facts = facts_for(context, upload_id)
    described = describe_upload(upload_id, facts, int(fields["Upload-Offset"]))
    described["file"] = uploads().result(facts) if facts.named else None
    response = Response(json_body=described)
    response.headers.update(fields)
    return response


def listing(context: Any, request: Request) -> Response:
    """The principal's uploads under way, as JSON; with ``?all``, for admins, those of all owners."""
    restricted, owner = space_of(context), acting_owner()
    shows_all = "all" in request.GET
    if shows_all and not may_manage(context):
        raise Unauthorized(context, "all uploads", "librarian.Admin")
    if owner is None:
        raise HTTPNotFound
    found = [
        describe_upload(upload_id, facts, offset)
        for upload_id, facts, offset in uploads().all()
        if shows_all or (facts.owner == owner and restricted in (None, facts.restricted))
    ]
    response = Response(json_body={"uploads": found})
    response.headers["Cache-Control"] = "no-store"
    return response


def describe_upload(upload_id: str, facts: UploadFacts, offset: int) -> dict[str, Any]:
    """An upload as a JSON object; sizes in bytes, times as in RFC 3339."""
    return {
        "id": upload_id,
        "path": path_of(upload_id),
        "filename": facts.filename,
        "target": facts.target and facts.target.path,
        "mimetype": facts.mimetype,
        "restricted": facts.restricted,
        "owner": facts.owner,
        "offset": offset,
        "length": facts.length,
        "complete": facts.named,
        "begun": facts.created.isoformat(timespec="seconds"),
        "until": facts.until.isoformat(timespec="seconds"),
        "expires": expires_text(facts.expires),
    }

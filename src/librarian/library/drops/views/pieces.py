"""``/+drop/<secret>``, and files in pieces below it, by tus 1.0.0 (https://tus.io/protocols/resumable-upload)
and as the HTTP working group drafts them (draft-ietf-httpbis-resumable-upload).

By tus ``POST /+drop/<secret>/+uploads`` begins one, and so does a ``POST`` to the link itself; by the draft a
``PUT`` or ``POST`` of the file, with Upload-Complete.  The limits of the link hold from the beginning; its
use is counted when the file is added.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response

from librarian.library.drops.interfaces import NoRoomForDrop, NoSuchUploadLink
from librarian.library.drops.model import DropTerms, UploadLink
from librarian.library.drops.service import DROP, UploadLinks
from librarian.library.drops.views.dropping import HEADERS, SENT, link_of, path_name, refuse_expiry, whole
from librarian.library.filenames import check_filename
from librarian.library.http.downloads import DownloadRoot
from librarian.library.http.request_bodies import refuse_match, stated_mimetype
from librarian.library.http.uploads import UPLOADS
from librarian.library.interfaces import InvalidFilename
from librarian.library.operations import acting_owner
from librarian.library.quotas.interfaces import QuotaExceeded
from librarian.library.uploads.interfaces import UploadBusy, UploadNotFound
from librarian.library.uploads.model import UploadFacts
from librarian.library.uploads.views import draft, tus
from librarian.library.uploads.views.common import (
    Place,
    refuse_path,
    require_space,
    stated_name,
    stated_type,
    uploads,
    without_body,
)
from librarian.security.interaction import acting_as
from librarian.store.interfaces import IPartial
from librarian.web.openapi.declaring import (
    BINARY,
    BYTES,
    HTML,
    JSON,
    Answer,
    Body,
    describes,
    does,
    empty,
    form_with_file,
    gives,
    page_of,
)
from librarian.web.openapi.schemas import SHA256, SIZE, TEXT, TIME, array, nullable, obj, one_of
from librarian.web.requests.methods import refusal_of, takes
from librarian.web.requests.mounting import local_path
from librarian.web.requests.parts import refuse_parts, takes_parts


class LinkPlace(Place):
    """An upload link as a place for uploads; each is its link's alone."""

    def __init__(self, links: UploadLinks, link: UploadLink, secret: str) -> None:
        self._links = links
        self._link = link
        self._key = link.key.hex()
        self._path = local_path(f"/{DROP}/{secret}/{UPLOADS}/")

    def path(self, upload_id: str) -> str:
        """The path of an upload."""
        return self._path + upload_id

    def cancel(self, upload_id: str) -> None:
        """Forget an upload.  Raises as facts() does, and UploadBusy."""
        self.facts(upload_id)
        uploads().cancel(upload_id)

    def facts(self, upload_id: str) -> UploadFacts:
        """Those of an upload that has become a file are there as long as the upload, for a lost answer.

        Raises UploadNotFound, UploadExpired, NoSuchUploadLink.
        """
        found = uploads().facts(upload_id, acting_owner(), None)
        if found.link != self._key:
            raise UploadNotFound(upload_id)
        if not found.named and not self._links.is_good(self._link):
            with suppress(UploadBusy, UploadNotFound):
                uploads().cancel(upload_id)
            raise NoSuchUploadLink
        return found

    def begin(self, request: Request, metadata: Mapping[str, str], **facts: Any) -> IPartial:
        """A new upload within the link's terms.

        Raises NoSuchUploadLink, InvalidFilename, DropError, HTTPBadRequest, HTTPPreconditionFailed.
        """
        refuse_path(metadata)
        terms = self._checked_terms(request)
        require_space(metadata, terms.restricted)
        filename = terms.filename or stated_name(metadata)
        if not filename:
            raise InvalidFilename("", "Upload-Metadata names no filename")
        mimetype = stated_type(metadata, filename)
        terms.check_file(filename, mimetype, facts["length"])
        return uploads().begin(filename, mimetype, **self._own_facts(), **facts)

    def stated(self, request: Request, length: int | None) -> dict[str, Any]:
        """The facts of a PUT or POST by the draft, of `length` bytes.  Raises the same."""
        terms = self._checked_terms(request)
        filename = path_name(request, terms)
        mimetype = stated_mimetype(request, filename)
        terms.check_file(filename, mimetype, length)
        return {"filename": filename, "mimetype": mimetype, **self._own_facts()}

    def _checked_terms(self, request: Request) -> DropTerms:
        if not self._links.is_good(self._link):
            raise NoSuchUploadLink
        refuse_expiry(request)
        refuse_match(request)
        return self._link.terms

    def _own_facts(self) -> dict[str, Any]:
        """The facts that a sender does not say."""
        terms = self._link.terms
        return {
            "restricted": terms.restricted,
            "owner": acting_owner(),
            "link": self._key,
            "most": terms.max_size,
        }

    def limits(self, facts: UploadFacts | None = None) -> dict[str, int]:
        """With that of the link."""
        found, most = super().limits(facts), self._link.terms.max_size
        if most is None:
            return found
        found.pop("min-size", None)
        return {**found, "max-size": min(most, found.get("max-size", most))}

    def complete(self, partial: IPartial) -> dict[str, Any]:
        """Add the file, unless another has used the link up meanwhile.  Raises NoSuchUploadLink."""
        described = uploads().complete(partial)
        return {name: described[name] for name in SENT}


METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
OF_A_LINK = ("GET", "HEAD", "OPTIONS", "POST", "PUT")
OF_A_NAME = ("OPTIONS", "POST", "PUT")
OF_UPLOADS = ("OPTIONS", "POST")
OF_AN_UPLOAD = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH")
BEGINNING = {"tus": OF_UPLOADS, "draft": OF_A_NAME}  # wherever an upload begins


def _methods(request: Request) -> tuple[str, ...]:
    """The methods that are taken at a path below ``+drop``; at one where there is nothing, all, for a 404."""
    if not request.subpath:
        return METHODS
    return _methods_below(*request.subpath[1:])


def _methods_below(*below: str) -> tuple[str, ...]:
    if len(below) == 1:
        return OF_UPLOADS if below == (UPLOADS,) else OF_A_NAME
    if below:
        return OF_AN_UPLOAD if _is_upload(*below) else METHODS
    return OF_A_LINK


def _is_upload(*below: str) -> bool:
    return len(below) == 2 and below[0] == UPLOADS


_SENT = obj(filename=TEXT, size=SIZE, sha256=SHA256)
_TERMS = obj(
    wanted=TEXT, filename=nullable(TEXT), max_size=nullable(SIZE), media_types=array(TEXT), until=TIME
)
_TAKEN = gives(_SENT, 201, "Taken")
_PUT = does(
    "Send a file as the body, under its name; Repr-Digest (RFC 9530) is compared.  With Upload-Complete it"
    " may be the first piece of one, as the IETF drafts it",
    _TAKEN,
    body=Body({BYTES: BINARY}),
)
_TUS = {"Tus-Resumable": one_of([tus.VERSION])}


@describes(
    f"/{DROP}/{{secret}}",
    "public",
    OPTIONS=draft.CAPABILITIES,
    GET=does("What may be sent by an upload link", page_of(_TERMS)),
    PUT=_PUT,
    POST=does(
        "Send a file by a form, or as the body",
        Answer(201, "Taken", {JSON: _SENT, HTML: TEXT}),
        body=Body({**form_with_file().content, BYTES: BINARY}),
    ),
)
@describes(f"/{DROP}/{{secret}}/{{filename:name}}", "public", OPTIONS=draft.CAPABILITIES, PUT=_PUT, POST=_PUT)
@describes(
    f"/{DROP}/{{secret}}/{UPLOADS}",
    "public",
    OPTIONS=draft.CAPABILITIES,
    POST=does(
        "Begin a file in pieces (tus 1.0.0)",
        empty(201, "Begun; the whole file is taken, and described in JSON", "Location"),
        body=Body({tus.PIECE_TYPE: BINARY}, required=False),
        headers={**_TUS, "Upload-Length": tus.LENGTH, "Upload-Metadata": TEXT},
        required=("Tus-Resumable", "Upload-Length", "Upload-Metadata"),
    ),
)
@describes(
    f"/{DROP}/{{secret}}/{UPLOADS}/{{upload_id}}",
    "public",
    OPTIONS=draft.CAPABILITIES,
    HEAD=does(
        "How many bytes have come",
        empty(200, "So many", "Upload-Offset"),
        empty(204, "So many", "Upload-Offset"),
        headers=_TUS,
    ),
    GET=does("How many bytes have come, as HEAD", empty(200, "So many"), empty(204, "So many"), headers=_TUS),
    PATCH=does(
        "The next piece (tus 1.0.0; with Upload-Complete in place of Tus-Resumable, as the IETF drafts it)",
        gives(_SENT, 200, "It was the last"),
        empty(204, "More is to come", "Upload-Offset"),
        body=Body({tus.PIECE_TYPE: BINARY}),
        headers={**_TUS, "Upload-Offset": tus.OFFSET},
        required=("Tus-Resumable", "Upload-Offset"),
    ),
    DELETE=does("Forget the upload", empty(204, "Forgotten"), headers=_TUS),
)
@takes_parts
@takes(*METHODS, at=_methods)
def drop(context: DownloadRoot, request: Request) -> Response:
    """A link: its page, a whole file, or pieces of one.  Raises NoRoomForDrop."""
    answer = piece if _speaks_of_pieces(request) else _without_pieces
    try:
        return answer(context, request)
    except QuotaExceeded:
        raise NoRoomForDrop from None


def _speaks_of_pieces(request: Request) -> bool:
    stated = {"Tus-Resumable", "Upload-Complete"} & set(request.headers)
    return bool(stated) or request.method == "OPTIONS" or request.subpath[1:2] == (UPLOADS,)


def _without_pieces(context: DownloadRoot, request: Request) -> Response:
    refuse_parts(request)
    return whole(context, request)


def piece(context: DownloadRoot, request: Request) -> Response:
    """A request of either protocol to a link, or to an upload below one.

    Raises HTTPNotFound, NoSuchUploadLink.
    """
    links, link = link_of(context, request)
    secret, *below = request.subpath
    speaks_tus = "Tus-Resumable" in request.headers
    if len(below) > 2 or (below[:1] != [UPLOADS] and (len(below) > 1 or (speaks_tus and below))):
        raise HTTPNotFound
    if request.method != "OPTIONS" and _is_of_another_version(request):
        return tus.wrong_version()
    with acting_as(links.principal(link)):
        place = LinkPlace(links, link, secret)
        response = _answer(place, request, below[1] if _is_upload(*below) else None)
    response.headers.update(HEADERS)
    return response


def _is_of_another_version(request: Request) -> bool:
    """Whether a request speaks no tus that is known here, or none where nothing else begins an upload."""
    stated = request.headers.get("Tus-Resumable")
    if stated is None:
        return request.subpath[1:] == (UPLOADS,)
    return stated.strip() != tus.VERSION


def _answer(place: LinkPlace, request: Request, upload_id: str | None) -> Response:
    if request.method == "OPTIONS":
        if len(request.subpath) == 2 and request.subpath[1] != UPLOADS:
            check_filename(request.subpath[1])
        return draft.capabilities(place)
    return (_by_tus if "Tus-Resumable" in request.headers else _by_draft)(place, request, upload_id)


def _by_tus(place: LinkPlace, request: Request, upload_id: str | None) -> Response:
    if upload_id is None:
        _check_method(request, BEGINNING["tus"])
        return tus.create(place, request)
    if request.method == "DELETE":
        place.cancel(upload_id)
        return tus.forgotten()
    return (tus.append if request.method == "PATCH" else tus.state)(place, request, upload_id)


def _by_draft(place: LinkPlace, request: Request, upload_id: str | None) -> Response:
    if upload_id is None:
        _check_method(request, BEGINNING["draft"])
        return draft.created(place, request, lambda length: place.stated(request, length))
    if request.method == "PATCH":
        return draft.append(place, request, upload_id)
    response = without_body(204)
    if request.method == "DELETE":
        place.cancel(upload_id)
    else:
        response.headers.update(draft.state(place, request, upload_id))
    return response


def _check_method(request: Request, methods: tuple[str, ...]) -> None:
    if request.method not in methods:
        raise refusal_of(request.method, methods)

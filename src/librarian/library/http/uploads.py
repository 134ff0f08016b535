"""The upload endpoints: ``PUT /<filename>`` with the bytes as the body.

The bytes are made durable once; only adding the alias is repeated when transactions conflict.  Uploads that
come to it at the same time are named by one transaction.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.security.interfaces import Unauthorized
from zope.security.proxy import removeSecurityProxy

from librarian.library.filenames import check_filename
from librarian.library.http.description import FILE, STATED_EXPIRY, describe
from librarian.library.http.naming import answer_when_named
from librarian.library.http.request_bodies import (
    check_coding,
    refuse_match,
    stated_mimetype,
    store_body,
    upload_expires,
)
from librarian.library.interfaces import ILibraryFileAliasSet, InvalidFilename
from librarian.library.operations import Library, acting_owner
from librarian.library.service import BoundAlias
from librarian.library.settings import RestrictedUploadEndpoint, UploadEndpoint
from librarian.security.interaction import is_permitted
from librarian.store.interfaces import StoredBytes
from librarian.web.endpoints import Endpoint, IdentifyingEndpoint
from librarian.web.openapi.declaring import BINARY, BYTES, Body, describes, does, gives
from librarian.web.requests.methods import judged_by, takes

ENDPOINTS = ("upload", "restricted-upload")
ADDS = does(
    "Add the body as a file with this name; Repr-Digest and Content-Digest (RFC 9530) are compared",
    gives(FILE, 201, "Added and committed", "Location"),
    body=Body({BYTES: BINARY, "text/plain": BINARY}),
    headers={"Librarian-Expires": STATED_EXPIRY},
)
UPLOADS = "+uploads"  # where resumable uploads are; no file is added under this name here


@dataclass(frozen=True)
class UploadRoot:
    """``/`` of an upload endpoint, which adds to one space."""

    library: Library
    restricted: bool

    def __getitem__(self, filename: str) -> "UploadTarget":
        if filename == UPLOADS:  # a view
            raise KeyError(filename)
        return UploadTarget(self, filename)


@dataclass(frozen=True)
class UploadTarget:
    """``/<filename>``: a PUT here makes a new alias with this name."""

    root: UploadRoot
    filename: str

    def __getitem__(self, segment: str) -> Any:
        raise InvalidFilename(f"{self.filename}/{segment}", "'/' separates names")


def upload_endpoint() -> Endpoint:
    """The endpoint that adds to the public space; for ZCML."""
    root = UploadRoot(Library(), restricted=False)
    return IdentifyingEndpoint(UploadEndpoint, lambda request: root, trusts_network=True, names_uploads=True)


def restricted_upload_endpoint() -> Endpoint:
    """The endpoint that adds to the restricted space; for ZCML."""
    root = UploadRoot(Library(), restricted=True)
    return IdentifyingEndpoint(
        RestrictedUploadEndpoint, lambda request: root, trusts_network=True, names_uploads=True
    )


def stated(context: UploadTarget, request: Request) -> tuple[str, str, datetime | None]:
    """Name, media type and expiry of an upload, by its head.

    Raises UploadFailed, QuotaExceeded, Unauthorized, HTTPBadRequest, HTTPUnsupportedMediaType,
    HTTPPreconditionFailed.
    """
    check_permission(context.root)
    filename = check_filename(context.filename)
    if request.path_info != f"/{filename}":  # traversal ignores empty segments and dots
        raise InvalidFilename(filename, "the path is not just a name")
    check_coding(request)
    refuse_match(request)
    mimetype, expires = stated_mimetype(request, filename), upload_expires(request)
    context.root.library.quotas.require(acting_owner(), request.content_length)
    return filename, mimetype, expires


@describes("/{filename:name}", *ENDPOINTS, PUT=ADDS, POST=ADDS)
@judged_by(stated)
@takes("PUT", "POST")
def upload(context: UploadTarget, request: Request) -> Response:
    """Store the body under a new alias: 201 (RFC 9110, section 15.3.2) with its URL, once that is committed.

    Raises what stated() and store_body() raise.
    """
    filename, mimetype, expires = stated(context, request)
    library, owner = context.root.library, acting_owner()

    def add_alias(stored: StoredBytes) -> dict[str, Any]:
        alias = library.add(
            stored, filename, mimetype, expires=expires, restricted=context.root.restricted, owner=owner
        )
        return describe(BoundAlias(alias, library))

    return answer_when_named(
        request,
        library.tree,
        lambda: store_body(library, request),
        add_alias,
        _created,
        status=201,
        content_type="application/json",
    )


def _created(response: Response, described: dict[str, Any]) -> None:
    response.json_body = described
    response.location = described["url"]


def check_permission(root: UploadRoot) -> None:
    """The network decides who reaches this port; `upload_requires_token` asks for a permission as well.

    Raises Unauthorized.
    """
    permission = "librarian.UploadRestricted" if root.restricted else "librarian.Upload"
    aliases = removeSecurityProxy(getUtility(ILibraryFileAliasSet))
    if root.library.settings.upload_requires_token and not is_permitted(permission, aliases):
        raise Unauthorized(aliases, "upload", permission)

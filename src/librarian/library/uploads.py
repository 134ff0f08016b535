"""The upload faces: ``PUT /<filename>`` with the bytes as the body.

The bytes are made durable once; only the naming of them is repeated when transactions conflict.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from pyramid.httpexceptions import (
    HTTPBadRequest,
    HTTPLengthRequired,
    HTTPMethodNotAllowed,
    HTTPUnsupportedMediaType,
)
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.interface import provider
from zope.security.interfaces import Unauthorized
from zope.security.management import checkPermission
from zope.security.proxy import removeSecurityProxy

from librarian.library.description import describe
from librarian.library.filenames import check_content_type, check_filename, media_type_for
from librarian.library.interfaces import NEVER_EXPIRES, ILibraryFileAliasSet, InvalidFilename, UploadFailed
from librarian.library.service import Library, LibraryFileAlias, acting_owner, check_expires
from librarian.security.interfaces import IPrincipal
from librarian.settings import ISettingsSection
from librarian.store.interfaces import StoredBytes
from librarian.web.digests import declared_digests
from librarian.web.faces import Face, FaceSettings
from librarian.web.identity import principal_of

# What curl and forms say when nobody has said anything: no statement about the bytes.
_SAYS_NOTHING = ("", "application/x-www-form-urlencoded")


@provider(ISettingsSection)
@dataclass(frozen=True)
class UploadFace(FaceSettings):
    """Where unrestricted files are added; guarded by where it listens."""

    prefix = "face.upload"
    listen: str = "127.0.0.1:9090"


@provider(ISettingsSection)
@dataclass(frozen=True)
class RestrictedUploadFace(FaceSettings):
    """Where restricted files are added; guarded by where it listens."""

    prefix = "face.restricted-upload"
    listen: str = "127.0.0.1:9095"


class ProgramsFace(Face):
    """A face on which a program may say who it is, so that it owns what it adds."""

    def principal(self, request: Request) -> IPrincipal:
        return principal_of(request)


@dataclass(frozen=True)
class UploadRoot:
    """``/`` of an upload face, which adds to one space."""

    library: Library
    restricted: bool

    def __getitem__(self, filename: str) -> "UploadTarget":
        return UploadTarget(self, filename)


@dataclass(frozen=True)
class UploadTarget:
    """``/<filename>``: where a file of this name can be put, as often as one likes."""

    root: UploadRoot
    filename: str

    def __getitem__(self, segment: str) -> Any:
        raise InvalidFilename(f"{self.filename}/{segment}", "'/' separates names")


def upload_face() -> Face:
    """The face that adds to the public space; for ZCML."""
    root = UploadRoot(Library(), restricted=False)
    return ProgramsFace(UploadFace, lambda request: root)


def restricted_upload_face() -> Face:
    """The face that adds to the restricted space; for ZCML."""
    root = UploadRoot(Library(), restricted=True)
    return ProgramsFace(RestrictedUploadFace, lambda request: root)


class SizedBody:
    """A request body that ends after `size` bytes, whatever the server's stream does there."""

    def __init__(self, stream: Any, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        block: bytes = self._stream.read(wanted) if wanted else b""
        self._left -= len(block)
        return block


def upload(context: UploadTarget, request: Request) -> Response:
    """Keep the body under a new alias: 201 with its URL, once it can be downloaded."""
    if request.method not in ("PUT", "POST"):
        raise HTTPMethodNotAllowed("Files are added by PUT or POST.", headers={"Allow": "PUT, POST"})
    _check_permission(context.root)
    library, filename = context.root.library, check_filename(context.filename)
    if request.path_info != f"/{filename}":  # traversal is generous with slashes and dots
        raise InvalidFilename(filename, "the path is not just a name")
    mimetype, expires = _mimetype(request, filename), _expires(request)
    stored = _store_body(library, request)
    owner = acting_owner()

    def name_it() -> dict[str, Any]:
        record = library.add(
            stored, filename, mimetype, expires=expires, restricted=context.root.restricted, owner=owner
        )
        return describe(LibraryFileAlias(library, record))

    described = library.tree.run(name_it)
    return Response(json_body=described, status=201, location=described["url"])


def _check_permission(root: UploadRoot) -> None:
    """Whoever has come this far is let in by the network; a setting asks for credentials as well."""
    permission = "librarian.UploadRestricted" if root.restricted else "librarian.Upload"
    aliases = removeSecurityProxy(getUtility(ILibraryFileAliasSet))
    if root.library.settings.upload_requires_token and not checkPermission(permission, aliases):
        raise Unauthorized(aliases, "upload", permission)


def _store_body(library: Library, request: Request) -> StoredBytes:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise HTTPUnsupportedMediaType("Send the bytes as they are, without a Content-Encoding.")
    declared = _declared(request)
    size = request.content_length
    stream: Any = request.environ["wsgi.input"]
    if size is None:
        # Some servers cannot tell a chunked body that was cut from one that ended.
        if "sha256" not in declared:
            raise HTTPLengthRequired("Send a Content-Length, or a Repr-Digest that proves the body whole.")
    elif size == 0:
        raise UploadFailed("Invalid length: 0")
    else:
        stream = SizedBody(stream, size)
    body: BinaryIO = stream
    stored = library.store.put(body, size=size, **declared)
    if stored.size == 0:
        raise UploadFailed("Invalid length: 0")
    return stored


_ALGORITHMS = {"sha-256": "sha256", "sha": "sha1", "md5": "md5"}  # as HTTP and as the byte store call them


def _declared(request: Request) -> dict[str, str]:
    """Digests the client declares, as the byte store checks them.  RFC 9530: without a
    Content-Encoding the content's digest and the representation's are the same."""
    found: dict[str, str] = {}
    for name in ("Content-Digest", "Repr-Digest"):
        for algorithm, digest in declared_digests(request.headers.get(name, "")).items():
            if found.setdefault(_ALGORITHMS[algorithm], digest) != digest:
                raise HTTPBadRequest("Content-Digest and Repr-Digest contradict each other.")
    return found


def _mimetype(request: Request, filename: str) -> str:
    stated = request.headers.get("Content-Type", "")
    if stated in _SAYS_NOTHING:
        return media_type_for(filename)
    return check_content_type(stated)


def _expires(request: Request) -> datetime | None:
    """Librarian-Expires: RFC 3339, or ``never``."""
    text = request.headers.get("Librarian-Expires")
    if text is None:
        return None
    if text.strip().lower() == "never":
        return NEVER_EXPIRES
    try:
        return check_expires(datetime.fromisoformat(text.strip()))
    except ValueError:
        raise HTTPBadRequest("Librarian-Expires is neither an RFC 3339 time nor never.") from None

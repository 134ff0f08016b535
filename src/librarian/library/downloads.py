"""The download faces: ``GET /<id>/<filename>``, and the search by digest."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response
from zope.interface import provider

from librarian.library import urls
from librarian.library.filenames import ID, quoted
from librarian.library.model import AliasRecord, LibraryFileContent
from librarian.library.service import Library, digest_bytes
from librarian.settings import ISettingsSection
from librarian.store.interfaces import BytesDamaged, BytesNotFound
from librarian.web.delivery import request_headers
from librarian.web.faces import Face, FaceSettings
from librarian.web.fileresponse import file_response
from librarian.web.files import FileAnswer, FileFacts, answer_file_request, unavailable_answer

log = logging.getLogger(__name__)


_DIGEST_LENGTHS = {40: 20, 64: 32}  # hex digits -> bytes: SHA-1 and SHA-256


@provider(ISettingsSection)
@dataclass(frozen=True)
class PublicFace(FaceSettings):
    """Where unrestricted files are downloaded."""

    prefix = "face.public"
    listen: str = "127.0.0.1:8000"


@dataclass(frozen=True)
class DownloadRoot:
    """``/`` of a download face, which shows one space."""

    library: Library
    restricted: bool

    def __getitem__(self, segment: str) -> "AliasFolder":
        if not ID.fullmatch(segment):
            raise KeyError(segment)
        return AliasFolder(self, self.library.record(int(segment)))


@dataclass(frozen=True)
class AliasFolder:
    """``/<id>``: holds one file, under its own name and no other."""

    root: DownloadRoot
    record: AliasRecord

    def __getitem__(self, filename: str) -> "Download":
        if filename != self.record.filename:
            raise KeyError(filename)
        return Download(self.root, self.record)


@dataclass(frozen=True)
class Download:
    """``/<id>/<filename>``."""

    root: DownloadRoot
    record: AliasRecord


def public_face() -> Face:
    """The face for everybody; for ZCML."""
    root = DownloadRoot(Library(), restricted=False)
    return Face(PublicFace, lambda request: root)


def download(context: Download, request: Request) -> Response:
    """The file, or what the request's conditions and ranges make of it."""
    record, library = context.record, context.root.library
    if record.content is None or record.restricted is not context.root.restricted:
        raise HTTPNotFound
    own_host = _checked_host(request, library, record)
    try:
        file = library.store.open(record.content.sha256)
    except (BytesNotFound, BytesDamaged) as error:
        log.error("alias has no whole bytes alias=%d error=%s", record.id, error)
        return file_response(unavailable_answer(request.method))
    return file_response(_answer(request, record, record.content, own_host), file, request.environ)


def _answer(request: Request, record: AliasRecord, content: LibraryFileContent, own_host: bool) -> FileAnswer:
    facts = FileFacts(
        size=content.filesize,
        sha256=content.sha256,
        filename=record.filename,
        mimetype=record.mimetype,
        last_modified=record.date_created,
        restricted=record.restricted,
        own_host=own_host,
    )
    return answer_file_request(request.method, request_headers(request.environ), facts)


def _checked_host(request: Request, library: Library, record: AliasRecord) -> bool:
    """Whether the request is for the file's own host; a private host of another file is no host."""
    host = request.environ.get("HTTP_HOST", "").rpartition(":")[0] or request.environ.get("HTTP_HOST", "")
    if host.lower() == urls.own_host(library.settings, record):
        return True
    if ".restricted." in host.lower():
        raise HTTPNotFound
    return False


def search(context: DownloadRoot, request: Request) -> Response:
    """How many files of this space have the digest, then ``id/name`` of each on a line."""
    digest = request.GET.get("digest", "").lower()
    lines = list(_found(context, digest)) if len(digest) in _DIGEST_LENGTHS else []
    text = "\n".join([str(len(lines)), *lines])
    return Response(text, content_type="text/plain", charset="utf-8")


def _found(root: DownloadRoot, digest: str) -> Iterator[str]:
    try:
        raw = digest_bytes(digest, _DIGEST_LENGTHS[len(digest)])
    except ValueError:
        return
    branch = root.library.branch
    for sha256 in [raw] if len(raw) == 32 else branch.sha256s_of(raw):
        for record in branch.records_of(sha256):
            if record.restricted is root.restricted:
                yield f"{record.id}/{quoted(record.filename)}"


def welcome(context: DownloadRoot, request: Request) -> Response:
    """``/`` of a download face: there is nothing to list."""
    return Response("Librarian downloads\n", content_type="text/plain", charset="utf-8")

"""The download faces: ``GET /<id>/<filename>``, and the search by digest."""

from collections.abc import Iterator
from dataclasses import dataclass

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response
from zope.interface import provider

from librarian.library import urls
from librarian.library.delivery import deliver
from librarian.library.filenames import ID, quoted
from librarian.library.records import AliasRecord
from librarian.library.service import Library, digest_bytes
from librarian.settings import ISettingsSection
from librarian.web.faces import Face, FaceSettings
from librarian.web.files import FileAnswer
from librarian.web.ranges import Slice

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


@provider(ISettingsSection)
@dataclass(frozen=True)
class RestrictedFace(FaceSettings):
    """Where restricted files are downloaded without a token; guarded by where it listens."""

    prefix = "face.restricted"
    listen: str = "127.0.0.1:8005"


def restricted_face() -> Face:
    """The face of the restricted space; for ZCML."""
    root = DownloadRoot(Library(), restricted=True)
    return Face(RestrictedFace, lambda request: root, trusts_network=True, quick=True)


def public_face() -> Face:
    """The face for everybody; for ZCML."""
    root = DownloadRoot(Library(), restricted=False)
    return Face(PublicFace, lambda request: root, quick=True)


def download(context: Download, request: Request) -> Response:
    """The file, to whoever may have it from this face."""
    record, library = context.record, context.root.library
    # Traversal is generous with slashes and dots; a file has one path, for caches and for tokens.
    if record.content is None or request.path_info != f"/{record.id}/{record.filename}":
        raise HTTPNotFound
    token = _needed_token(context, request)
    own_host = _checked_host(request, library, record)
    if token is None:
        return deliver(library, record, request, own_host)
    return deliver(
        library, record, request, own_host, lambda answer: _counted(context, request, token, answer)
    )


def _needed_token(context: Download, request: Request) -> str | None:
    """The token that must be counted if bytes are sent; None where the face itself is the key.

    Everything that is wrong here is the same 404: whoever guesses learns nothing.
    """
    record, root = context.record, context.root
    if record.restricted is root.restricted:
        return None
    token = _stated_token(request) if record.restricted else ""
    if not token or not root.library.tokens.admits(token, _token_path(record)):
        raise HTTPNotFound
    return token


def _stated_token(request: Request) -> str:
    try:
        token: str = request.GET.get("token", "")
    except UnicodeDecodeError:  # no token of ours, then
        return ""
    return token


def _token_path(record: AliasRecord) -> str:
    return f"/{record.id}/{quoted(record.filename)}"


def _counted(context: Download, request: Request, token: str, answer: FileAnswer) -> bool:
    """Count the download if bytes of the file are on their way; whether they may go."""
    slices = [segment for segment in answer.segments if isinstance(segment, Slice)]
    if not slices:
        return True
    client = request.remote_addr or ""
    start = slices[0].start
    return context.root.library.tokens.use(token, _token_path(context.record), client, start)


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

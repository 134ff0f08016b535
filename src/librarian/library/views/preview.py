"""What a page shows of a file: never in a way in which the file could act in the application's origin."""

from base64 import b64encode
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from pyramid.response import Response
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import ISettings
from librarian.library.settings import LibrarySettings
from librarian.library.views.alias import AliasView, RedirectionView, gone
from librarian.store.interfaces import BytesDamaged, BytesNotFound, StoreTrouble
from librarian.web.openapi.declaring import describes, does, redirects
from librarian.web.protection import PAGE_POLICY
from librarian.web.requests.mounting import local_path

TEXT = 32 * 1024  # bytes of a text that are shown
IMAGE = 1 << 20  # bytes of a restricted picture that is shown
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"})
PDF = "application/pdf"
LIFETIME = timedelta(minutes=15)  # of the token with which a frame shows a restricted file
NONE = {"kind": ""}


def preview_of(alias: Any) -> dict[str, Any]:
    """`kind` (image, audio, video, frame, text or empty) with a `url`, or the beginning of the text.

    A public file comes from its download endpoint, another origin, and a PDF from the file's own host, where
    it may be shown.  Of a restricted one a small picture is in the page; the others are in a frame with
    their own host, which is loaded when it is opened (`folded`), as that makes a token.
    """
    mimetype = alias.mimetype.partition(";")[0].strip().lower()
    kind = mimetype.partition("/")[0]
    if alias.deleted or not (kind in ("audio", "video", "text") or mimetype in PICTURES or mimetype == PDF):
        return NONE
    try:
        if kind == "text":
            return {"kind": kind, "text": beginning(alias), "cut": alias.content.filesize > TEXT}
        if alias.restricted:
            return _of_restricted(alias, kind, mimetype)
    except (BytesDamaged, BytesNotFound, StoreTrouble):
        return NONE  # the page says what is known of the file all the same
    if mimetype == PDF:
        return _framed(alias, alias.private_url)
    return {"kind": kind, "url": alias.getURL()}


def _of_restricted(alias: Any, kind: str, mimetype: str) -> dict[str, Any]:
    if kind == "image" and alias.content.filesize <= IMAGE:
        return {"kind": kind, "url": f"data:{mimetype};base64,{b64encode(alias.read()).decode()}"}
    return {**_framed(alias, local_path(f"/files/{alias.id}/+preview")), "folded": True}


def _framed(alias: Any, url: str) -> dict[str, Any]:
    """A frame, where files have hosts of their own: there are none below an IP address."""
    settings = getUtility(ISettings).section(LibrarySettings)
    host = urlsplit(settings.secure_base).hostname or ""
    if not settings.own_hosts or ":" in host or host.rpartition(".")[2].isdigit():
        return NONE
    return {"kind": "frame", "url": url, "host": alias.private_url}


def beginning(alias: Any) -> str:
    """The first TEXT bytes of a file as text.  Raises as its open() does."""
    file = removeSecurityProxy(alias)
    file.open()
    try:
        data: bytes = file.read(TEXT)
    finally:
        file.close()
    return data.decode("utf-8", "replace")


def allow(response: Response, preview: dict[str, Any]) -> Response:
    """Let the page load the preview, and nothing else of its origin's kind."""
    url, kind = preview.get("host") or preview.get("url", ""), preview["kind"]
    if url:
        parts = urlsplit(url)
        source = "data:" if parts.scheme == "data" else f"{parts.scheme}://{parts.netloc}"
        directives = {
            "image": f"img-src 'self' {source}",
            "frame": f"img-src 'self'; frame-src 'self' {source}",
        }
        allowed = directives.get(kind, f"img-src 'self'; media-src {source}")
        response.headers["Content-Security-Policy"] = PAGE_POLICY.replace("img-src 'self'", allowed)
    return response


@describes(
    "/files/{id:int}/+preview",
    GET=does("To the file on its own host, for a frame of a page", redirects(302, "There it is")),
)
class PreviewView(AliasView):
    """``+preview``: a redirection to the file on its own host, with a short-lived token if it is
    restricted."""

    def __call__(self) -> Any:
        if self.context.deleted:
            return gone(self.request)
        if not self.context.restricted:
            return RedirectionView(self.context.private_url, self.request)()
        return RedirectionView(self.context.getURL(include_token=True, lifetime=LIFETIME), self.request)()

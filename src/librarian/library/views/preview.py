"""What a page shows of a file: never in a way in which the file could act in the application's origin."""

from base64 import b64encode
from typing import Any
from urllib.parse import urlsplit

from pyramid.response import Response
from zope.security.proxy import removeSecurityProxy

from librarian.store.interfaces import BytesDamaged, BytesNotFound, StoreTrouble
from librarian.web.protection import PAGE_POLICY

TEXT = 32 * 1024  # bytes of a text that are shown
IMAGE = 1 << 20  # bytes of a restricted picture that is shown
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"})


def preview_of(alias: Any) -> dict[str, Any]:
    """`kind` (image, audio, video, text or empty) with a `url`, or the beginning of the text.

    A public file comes from its download endpoint, another origin.  Of a restricted one, whose URL would
    need a token, a small picture is in the page, and sounds and films are not shown.
    """
    mimetype = alias.mimetype.partition(";")[0].strip().lower()
    kind = mimetype.partition("/")[0]
    if alias.deleted or kind not in ("image", "audio", "video", "text"):
        return {"kind": ""}
    try:
        if kind == "text":
            return {"kind": kind, "text": beginning(alias), "cut": alias.content.filesize > TEXT}
        if kind == "image" and mimetype not in PICTURES:
            return {"kind": ""}
        if not alias.restricted:
            return {"kind": kind, "url": alias.getURL()}
        if kind == "image" and alias.content.filesize <= IMAGE:
            return {"kind": kind, "url": f"data:{mimetype};base64,{b64encode(alias.read()).decode()}"}
    except (BytesDamaged, BytesNotFound, StoreTrouble):
        pass  # the page says what is known of the file all the same
    return {"kind": ""}


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
    url, kind = preview.get("url", ""), preview["kind"]
    if url:
        parts = urlsplit(url)
        source = "data:" if parts.scheme == "data" else f"{parts.scheme}://{parts.netloc}"
        images = f"img-src 'self' {source}" if kind == "image" else f"img-src 'self'; media-src {source}"
        response.headers["Content-Security-Policy"] = PAGE_POLICY.replace("img-src 'self'", images)
    return response

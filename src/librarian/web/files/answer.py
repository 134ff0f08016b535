"""What a request for a file is answered with: a pure function of the request and the facts of the file.

Nothing here reads a byte, knows a server, or asks the time.  `librarian.web.files.delivery` turns the
answer into a WSGI body; another server interface can do the same with the same answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from webob.acceptparse import create_accept_encoding_header

from librarian.web.digests import repr_digest, wants_sha256
from librarian.web.files.conditions import CONDITION_FIELDS, failed_condition, http_date, range_applies
from librarian.web.files.disposition import content_disposition, presentation
from librarian.web.files.ranges import Slice, requested_slices

Header = tuple[str, str]

# The request fields that answer_file_request looks at, by the names it expects them under.
REQUEST_FIELDS = (
    *sorted(CONDITION_FIELDS),
    "accept",
    "accept-encoding",
    "if-range",
    "range",
    "want-repr-digest",
)

# sandbox keeps scripts, forms and plugins of a file from running wherever it is shown, and gives it an
# origin of its own; the rest keeps it from calling out, and leaves a page on a per-file host its
# inline styles and a browser's image and video viewers the file they were opened for.
_SAFETY = (
    ("X-Content-Type-Options", "nosniff"),
    (
        "Content-Security-Policy",
        "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'",
    ),
    ("Referrer-Policy", "no-referrer"),
)
# A public file may be embedded anywhere, also by pages that isolate themselves (COEP).  A restricted
# one only by pages of the same site: a restricted endpoint trusts its network, and so would answer the
# browser of anyone inside it on behalf of a foreign page.
_PUBLIC = (("Cross-Origin-Resource-Policy", "cross-origin"), *_SAFETY)
_RESTRICTED = (("Cross-Origin-Resource-Policy", "same-site"), *_SAFETY)

# A compressed log or diff that a browser can read in place, if it is told so.  Only a browser that
# navigates (it accepts text/html) is: most HTTP libraries accept gzip and unpack it unasked, so
# whoever fetches a .diff.gz to check its digest would be handed other bytes than were stored.
_COMPRESSED_TEXT = ("txt.gz", "diff.gz")


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What has to be known of a file to answer for it."""

    size: int  # bytes
    sha256: str  # lower-case hex, of the bytes as they are stored and sent
    filename: str | None  # None: no Content-Disposition (the protocol has no use for one)
    mimetype: str  # as the uploader gave it; checked before it is sent
    last_modified: datetime  # aware
    restricted: bool = False  # no cache may keep it
    own_host: bool = False  # served on a host of its own, where nothing else can be attacked
    verified: bool = True  # False: the bytes are still being compared with their digest
    immutable: bool = True  # False: the URL may answer with other bytes later, even in the same second
    extra_headers: tuple[Header, ...] = ()  # sent with 200, 206 and 304; the caller keeps them safe


class FileAnswer(NamedTuple):
    """A response: `headers` hold printable ASCII, `segments` are literal bytes and slices of the file.

    A Content-Length is always there, except in a 304, and is the sum of the segments (for HEAD: of
    those that GET would have).
    """

    status: int
    headers: list[Header]
    segments: tuple[bytes | Slice, ...]


def answer_file_request(method: str, headers: Mapping[str, str], facts: FileFacts) -> FileAnswer:
    """The answer to a request for an existing file (RFC 9110; RFC 9530 for the digest).

    `headers` maps lower-case field names to values, several lines of one name joined by commas.
    Any text is a legal value: what cannot be understood is ignored where the RFC says so.
    """
    if method not in ("GET", "HEAD"):
        return _refusal(405, f"This is a file: {_printable(method)} is not for it.", ("Allow", "GET, HEAD"))
    answer = _answer_get(method, headers, facts)
    return answer if method == "GET" else answer._replace(segments=())


def unavailable_answer(method: str = "GET") -> FileAnswer:
    """The answer for a file that is known, while its bytes cannot be read: 503.

    It has no validator and no caching field, so that no cache keeps it or trusts an older copy's age by it.
    """
    answer = _refusal(503, "The bytes of this file cannot be read at present.")
    return answer if method != "HEAD" else answer._replace(segments=())


def _answer_get(method: str, headers: Mapping[str, str], facts: FileFacts) -> FileAnswer:
    negotiable = facts.filename is not None and facts.filename.endswith(_COMPRESSED_TEXT)
    as_text = negotiable and _would_show_text(headers)
    # Another content coding is another representation, and needs another strong validator.
    etag = f'"{facts.sha256}-text"' if as_text else f'"{facts.sha256}"'
    common = [("ETag", etag), ("Cache-Control", _cache_control(facts)), *facts.extra_headers]
    if negotiable:
        common.append(("Vary", "Accept, Accept-Encoding"))
    if not CONDITION_FIELDS.isdisjoint(headers):
        status = failed_condition(headers, etag, facts.last_modified)
        if status is not None:
            return _condition_answer(status, common, facts)
    _describe(common, headers, facts)
    if as_text:
        return _readable_text(facts, common)
    common.append(("Accept-Ranges", "bytes"))
    # Range means something for GET alone: RFC 9110, section 14.2.
    slices = _applicable_slices(headers, etag, facts) if method == "GET" and "range" in headers else None
    return _whole(facts, common) if slices is None else _partial(facts, slices, common)


def _condition_answer(status: int, common: list[Header], facts: FileFacts) -> FileAnswer:
    """304 with the headers that RFC 9110, section 15.4.5, demands, or 412."""
    if status == 304:
        return FileAnswer(304, common, ())
    why = "The file is not in the state that the request made a condition."
    return _refusal(412, why, *_unkept(facts))


def _describe(common: list[Header], headers: Mapping[str, str], facts: FileFacts) -> None:
    """Add what goes with the bytes of every kind of answer that has them."""
    wanted = headers.get("want-repr-digest")
    if wanted is not None and wants_sha256(wanted):
        common.append(("Repr-Digest", repr_digest(facts.sha256)))
    common.append(("Last-Modified", http_date(facts.last_modified)))
    common.extend(_RESTRICTED if facts.restricted else _PUBLIC)


def _unkept(facts: FileFacts) -> tuple[Header, ...]:
    """For a refusal that says something of a restricted file, if only its size."""
    return (("Cache-Control", _cache_control(facts)),) if facts.restricted else ()


def _cache_control(facts: FileFacts) -> str:
    if facts.restricted:
        return "private, no-store"
    # What is not verified may be kept if it is asked about each time, so that damage is not kept unseen.
    return "public, max-age=31536000, immutable" if facts.immutable and facts.verified else "public, no-cache"


def _whole(facts: FileFacts, common: list[Header]) -> FileAnswer:
    shown = presentation(facts.mimetype)
    headers = [("Content-Type", shown.content_type), ("Content-Length", str(facts.size)), *common]
    _add_disposition(headers, facts)
    return FileAnswer(200, headers, (Slice(0, facts.size),) if facts.size else ())


def _add_disposition(headers: list[Header], facts: FileFacts) -> None:
    if facts.filename is not None:
        shown = presentation(facts.mimetype)
        inline = shown.inert or (facts.own_host and shown.viewable)
        headers.append(("Content-Disposition", content_disposition(facts.filename, inline=inline)))


def _would_show_text(headers: Mapping[str, str]) -> bool:
    if "text/html" not in headers.get("accept", "").lower():
        return False
    coding = headers.get("accept-encoding", "")
    return "gzip" in coding and bool(create_accept_encoding_header(coding).acceptable_offers(["gzip"]))


def _readable_text(facts: FileFacts, common: list[Header]) -> FileAnswer:
    """The same bytes, declared to be text that is compressed on its way.

    Length, ETag and digest are those of the compressed bytes, as RFC 9110 and RFC 9530 have it for
    a content coding.  No ranges: nobody can continue a saved text at an offset counted in gzip.
    """
    assert facts.filename is not None  # only a name makes a file readable text
    unpacked_name = facts.filename.removesuffix(".gz")  # what is saved from a browser is unpacked
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Encoding", "gzip"),
        ("Content-Length", str(facts.size)),
        ("Accept-Ranges", "none"),
        ("Content-Disposition", content_disposition(unpacked_name, inline=True)),
        *common,
    ]
    return FileAnswer(200, headers, (Slice(0, facts.size),) if facts.size else ())


def _applicable_slices(headers: Mapping[str, str], etag: str, facts: FileFacts) -> list[Slice] | None:
    if_range = headers.get("if-range")
    if range_applies(if_range, etag, facts.last_modified, date_is_strong=facts.immutable):
        return requested_slices(headers["range"], facts.size)
    return None


def _partial(facts: FileFacts, slices: list[Slice], common: list[Header]) -> FileAnswer:
    if not slices:
        what = f"The file has {facts.size} bytes, and none in the range asked for."
        return _refusal(416, what, ("Content-Range", f"bytes */{facts.size}"), *_unkept(facts))
    content_type = presentation(facts.mimetype).content_type
    if len(slices) > 1:
        return _multipart(facts, slices, common, content_type)
    headers = [
        ("Content-Type", content_type),
        ("Content-Length", str(slices[0].stop - slices[0].start)),
        ("Content-Range", _content_range(slices[0], facts.size)),
        *common,
    ]
    _add_disposition(headers, facts)
    return FileAnswer(206, headers, (slices[0],))


def _multipart(facts: FileFacts, slices: list[Slice], common: list[Header], content_type: str) -> FileAnswer:
    """Several slices in one body, as RFC 9110, section 14.6, lays it out.

    The boundary is the file's own sha256 in full: nobody can make a file that holds its own digest,
    so it cannot occur in the parts, and no randomness is needed.
    """
    delimiter = f"--{facts.sha256}"
    segments: list[bytes | Slice] = []
    line_end = ""
    for piece in slices:
        head = f"{line_end}{delimiter}\r\nContent-Type: {content_type}\r\n"
        segments += f"{head}Content-Range: {_content_range(piece, facts.size)}\r\n\r\n".encode("ascii"), piece
        line_end = "\r\n"
    segments.append(f"\r\n{delimiter}--\r\n".encode("ascii"))
    headers = [
        ("Content-Type", f"multipart/byteranges; boundary={facts.sha256}"),
        ("Content-Length", str(sum(map(segment_length, segments)))),
        *common,
    ]
    _add_disposition(headers, facts)
    return FileAnswer(206, headers, tuple(segments))


def segment_length(segment: bytes | Slice) -> int:
    """The number of bytes a segment puts on the wire."""
    return segment.stop - segment.start if isinstance(segment, Slice) else len(segment)


def _content_range(piece: Slice, size: int) -> str:
    return f"bytes {piece.start}-{piece.stop - 1}/{size}"


def _printable(text: str) -> str:
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text[:40])


def _refusal(status: int, reason: str, *headers: Header) -> FileAnswer:
    body = f"{reason}\n".encode("ascii")
    always = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("X-Content-Type-Options", "nosniff"),
    ]
    return FileAnswer(status, [*always, *headers], (body,))

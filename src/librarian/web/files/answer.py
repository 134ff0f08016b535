"""The answer to a request for a file: a pure function of the request and the facts of the file.

Nothing here reads a byte, knows a server, or asks the time.  `librarian.web.files.delivery` turns the
answer into a WSGI body; another server interface can do the same with the same answer.
"""

from collections.abc import Mapping

from webob.acceptparse import create_accept_encoding_header

from librarian.web.files.conditions import CONDITION_FIELDS, failed_condition, range_applies
from librarian.web.files.facts import FileAnswer, FileFacts, Header
from librarian.web.files.fields import cache_control, describe, unkept
from librarian.web.files.ranges import Slice, requested_slices
from librarian.web.files.response_bodies import part_of_file, readable_text, refusal, whole_file

# The request fields that answer_file_request looks at, by the names it expects them under.
REQUEST_FIELDS = (
    *sorted(CONDITION_FIELDS),
    "accept",
    "accept-encoding",
    "if-range",
    "range",
    "want-repr-digest",
)

# A compressed log or diff that a browser can read in place, if it is told so.  Only a browser that
# navigates (it accepts text/html) is: most HTTP libraries accept gzip and unpack it unasked, so
# a client that fetches a .diff.gz to check its digest would get other bytes than were stored.
_COMPRESSED_TEXT = ("txt.gz", "diff.gz")


def answer_file_request(method: str, headers: Mapping[str, str], facts: FileFacts) -> FileAnswer:
    """The answer to a request for an existing file (RFC 9110, 13 to 15; RFC 9530, 3 and 4, for the digest).

    `headers` maps lower-case field names to values, several lines of one name joined by commas.
    Any text is a legal value: what cannot be understood is ignored where the RFC says so.
    """
    if method not in ("GET", "HEAD"):
        return refusal(405, f"This is a file: {_printable(method)} is not for it.", ("Allow", "GET, HEAD"))
    answer = _answer_get(method, headers, facts)
    return answer if method == "GET" else answer._replace(segments=())


def is_negotiable(facts: FileFacts) -> bool:
    """Whether Accept and Accept-Encoding have a say in the answer."""
    return facts.filename is not None and facts.filename.endswith(_COMPRESSED_TEXT)


def unavailable_answer(method: str = "GET") -> FileAnswer:
    """The answer for a file that is known, while its bytes cannot be read: 503 (RFC 9110, section 15.6.4).

    It has no validator and no caching field, so that no cache keeps it or trusts an older copy's age by it.
    """
    answer = refusal(503, "The bytes of this file cannot be read at present.")
    return answer if method != "HEAD" else answer._replace(segments=())


def _answer_get(method: str, headers: Mapping[str, str], facts: FileFacts) -> FileAnswer:
    negotiable = is_negotiable(facts)
    as_text = negotiable and _would_show_text(headers)
    # Another content coding is another representation, and needs another strong validator
    # (RFC 9110, section 8.8.3.3).
    etag = f'"{facts.sha256}-text"' if as_text else f'"{facts.sha256}"'
    common = [("ETag", etag), ("Cache-Control", cache_control(facts)), *facts.extra_headers]
    if negotiable:
        common.append(("Vary", "Accept, Accept-Encoding"))
    if not CONDITION_FIELDS.isdisjoint(headers):
        status = failed_condition(headers, etag, facts.last_modified)
        if status is not None:
            return _condition_answer(status, common, facts)
    describe(common, headers, facts)
    if as_text:
        return readable_text(facts, common)
    common.append(("Accept-Ranges", "bytes"))
    # Range means something for GET alone: RFC 9110, section 14.2.
    slices = _applicable_slices(headers, etag, facts) if method == "GET" and "range" in headers else None
    return whole_file(facts, common) if slices is None else part_of_file(facts, slices, common)


def _condition_answer(status: int, common: list[Header], facts: FileFacts) -> FileAnswer:
    """304 with the headers that RFC 9110, section 15.4.5, demands, or 412 (15.5.13)."""
    if status == 304:
        return FileAnswer(304, common, ())
    why = "The file is not in the state that the request made a condition."
    return refusal(412, why, *unkept(facts))


def _would_show_text(headers: Mapping[str, str]) -> bool:
    if "text/html" not in headers.get("accept", "").lower():
        return False
    coding = headers.get("accept-encoding", "")
    return "gzip" in coding and bool(create_accept_encoding_header(coding).acceptable_offers(["gzip"]))


def _applicable_slices(headers: Mapping[str, str], etag: str, facts: FileFacts) -> list[Slice] | None:
    if_range = headers.get("if-range")
    if range_applies(if_range, etag, facts.last_modified, date_is_strong=facts.immutable):
        return requested_slices(headers["range"], facts.size)
    return None


def _printable(text: str) -> str:
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text[:40])

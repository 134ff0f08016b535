"""The representations of a file: plain, the gzip form that is kept, and gzip made while sending."""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import BinaryIO

from webob.acceptparse import create_accept_encoding_header

from librarian.tracker.client.wire.version_dates import version_to_date
from librarian.tracker.interfaces import FileVersion
from librarian.tracker.protocol import SMALLEST_PACKED
from librarian.web.files.answer import answer_file_request
from librarian.web.files.conditions import CONDITION_FIELDS, failed_condition
from librarian.web.files.facts import FileAnswer, FileFacts

Header = tuple[str, str]

#: Up to this size a file is packed before it is sent, so that the answer has a length.
PACKED_AT_ONCE = 1 << 20  # bytes
_BLOCK = 256 * 1024  # bytes
_LEVEL = 1  # packing while sending has to keep up with the network
_SAMPLE = 64 * 1024  # bytes of a large file that are packed on trial
_WORTH_PACKING = 0.9  # of the sample's size


def prefers_gzip(headers: Mapping[str, str]) -> bool:
    """Whether gzip is acceptable with a weight no less than that of identity (RFC 9110, section 12.5.3).

    A Range is a range of the plain file, so such a request gets that.
    """
    accepted = headers.get("accept-encoding")
    return bool(accepted) and "range" not in headers and _weighs_gzip_first(accepted or "")


@lru_cache(maxsize=1024)
def _weighs_gzip_first(accepted: str) -> bool:
    if "gzip" not in accepted.lower():
        return False
    offers = dict(create_accept_encoding_header(accepted).acceptable_offers(["gzip", "identity"]))
    # A coding that is not mentioned is acceptable, but not requested.
    asked_for_identity = "identity" in accepted.lower() or "*" in accepted
    return offers.get("gzip", 0) > 0 and (
        not asked_for_identity or offers["gzip"] >= offers.get("identity", 0)
    )


def facts_of(file: FileVersion, *, packed: bool) -> FileFacts:
    """The facts of a version, or of its gzip form, that an answer is made of."""
    sha256 = file.packed_sha256 if packed else file.sha256
    assert sha256 is not None  # `packed` is given only where the gzip form is kept
    extra = [
        ("Logical-Size", str(file.size)),
        ("SHA256-Checksum", file.sha256),
        ("Vary", "Accept-Encoding"),
    ]
    if packed:
        extra.append(("Content-Encoding", "gzip"))
    return FileFacts(
        size=file.packed_size if packed else file.size,
        sha256=sha256,
        filename=None,
        mimetype="application/octet-stream",
        last_modified=datetime.fromtimestamp(file.version, UTC),
        immutable=False,  # a later version has the same URL
        extra_headers=tuple(extra),
    )


def answer_plain(method: str, headers: Mapping[str, str], file: FileVersion) -> FileAnswer:
    """The plain file, with ranges and conditions."""
    return answer_file_request(method, headers, facts_of(file, packed=False))


def answer_kept_packed(method: str, headers: Mapping[str, str], file: FileVersion) -> FileAnswer:
    """The gzip form that was uploaded, with conditions; its ETag differs from that of the plain file."""
    return answer_file_request(method, headers, facts_of(file, packed=True))


def packs_well(file: BinaryIO, size: int) -> bool:
    """Whether packing while sending makes the answer notably smaller.

    One of less than SMALLEST_PACKED bytes is not packed, one of up to PACKED_AT_ONCE always; of a large one
    the beginning is packed on trial.  A server need not send gzip to a client that accepts it (RFC 9110,
    section 12.5.3).
    """
    if size <= PACKED_AT_ONCE:
        return size >= SMALLEST_PACKED
    sample = file.read(_SAMPLE)
    file.seek(0)
    return len(zlib.compress(sample, _LEVEL)) < _WORTH_PACKING * len(sample)


def headers_of_packing(file: FileVersion) -> list[Header]:
    """The header of an answer that is packed while it is sent; it has no Content-Length."""
    return [
        ("Content-Type", "application/octet-stream"),
        ("Content-Encoding", "gzip"),
        ("Last-Modified", version_to_date(file.version)),
        ("ETag", f"W/{_tag_of_packing(file)}"),  # weak: another zlib may pack to other bytes
        ("Cache-Control", "public, no-cache"),
        ("Logical-Size", str(file.size)),
        ("SHA256-Checksum", file.sha256),
        ("Vary", "Accept-Encoding"),
        ("X-Content-Type-Options", "nosniff"),
    ]


def _tag_of_packing(file: FileVersion) -> str:
    return f'"{file.sha256}-gzip"'


def failed_condition_of_packing(headers: Mapping[str, str], file: FileVersion) -> int | None:
    """304, 412, or None where the conditions hold.

    A weak tag can match If-None-Match but never If-Match (RFC 9110, section 8.8.3.2).
    """
    if CONDITION_FIELDS.isdisjoint(headers):
        return None
    if "if-match" in headers and headers["if-match"].strip() != "*":
        return 412
    return failed_condition(headers, _tag_of_packing(file), datetime.fromtimestamp(file.version, UTC))


def packing(file: BinaryIO) -> Iterator[bytes]:
    """The bytes of `file` as gzip, in blocks; closes it."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    with file:
        while block := file.read(_BLOCK):
            if packed := packer.compress(block):
                yield packed
    yield packer.flush()


class Closing:
    """A body made by a generator; closes its file also if the client leaves before its end."""

    def __init__(self, blocks: Iterator[bytes], file: BinaryIO) -> None:
        self._blocks = blocks
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        return self._blocks

    def close(self) -> None:
        """Close the file; the WSGI server calls it when the answer ends (PEP 3333)."""
        self._file.close()


def packed_body(file: BinaryIO, size: int) -> Iterable[bytes]:
    """The body of an answer as gzip: in one piece if the file is small, else packed while it is read."""
    if size <= PACKED_AT_ONCE:
        return [b"".join(packing(file))]
    return Closing(packing(file), file)

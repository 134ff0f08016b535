"""The answers that carry a file, a part of it, or a sentence on why it is not sent."""

from librarian.web.files.disposition import content_disposition, presentation
from librarian.web.files.facts import FileAnswer, FileFacts, Header, segment_length
from librarian.web.files.fields import add_disposition, unkept
from librarian.web.files.ranges import Slice


def whole_file(facts: FileFacts, common: list[Header]) -> FileAnswer:
    """200 with the file as it is stored (RFC 9110, section 15.3.1)."""
    shown = presentation(facts.mimetype)
    headers = [("Content-Type", shown.content_type), ("Content-Length", str(facts.size)), *common]
    add_disposition(headers, facts)
    return FileAnswer(200, headers, (Slice(0, facts.size),) if facts.size else ())


def readable_text(facts: FileFacts, common: list[Header]) -> FileAnswer:
    """The same bytes, declared to be text that is compressed on its way.

    Length, ETag and digest are those of the compressed bytes, as for any content coding (RFC 9110, 8.4 and
    8.8.3; RFC 9530, 3).  No ranges: a browser saves the unpacked text, and cannot continue it at an offset
    in the packed one.
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


def part_of_file(facts: FileFacts, slices: list[Slice], common: list[Header]) -> FileAnswer:
    """206 with one slice or several (RFC 9110, 14.6 and 15.3.7), or 416 if there is none (15.5.17)."""
    if not slices:
        what = f"The file has {facts.size} bytes, and none in the range asked for."
        return refusal(416, what, ("Content-Range", f"bytes */{facts.size}"), *unkept(facts))
    content_type = presentation(facts.mimetype).content_type
    if len(slices) > 1:
        return _multipart(facts, slices, common, content_type)
    headers = [
        ("Content-Type", content_type),
        ("Content-Length", str(slices[0].stop - slices[0].start)),
        ("Content-Range", _content_range(slices[0], facts.size)),
        *common,
    ]
    add_disposition(headers, facts)
    return FileAnswer(206, headers, (slices[0],))


def _multipart(facts: FileFacts, slices: list[Slice], common: list[Header], content_type: str) -> FileAnswer:
    """Several slices in one body, as RFC 9110, section 14.6, lays it out.

    The boundary is the file's own sha256 in full: no file that holds its own digest can be made,
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
    add_disposition(headers, facts)
    return FileAnswer(206, headers, tuple(segments))


def _content_range(piece: Slice, size: int) -> str:
    return f"bytes {piece.start}-{piece.stop - 1}/{size}"


def refusal(status: int, reason: str, *headers: Header) -> FileAnswer:
    """An answer with `reason`, a sentence in ASCII, as plain text."""
    body = f"{reason}\n".encode("ascii")
    always = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("X-Content-Type-Options", "nosniff"),
    ]
    return FileAnswer(status, [*always, *headers], (body,))

"""Fields that tell a browser a file's type, its name, and whether to show or to save it."""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

_FALLBACK_TYPE = "application/octet-stream"
# type/subtype and parameters, RFC 9110 section 8.3.1; nothing in it can end a header line.
_TCHARS = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_MEDIA_TYPE = re.compile(rf'({_TCHARS}/{_TCHARS})((?:[ \t]*;[ \t]*{_TCHARS}=(?:{_TCHARS}|"[ !#-\[\]-~]*"))*)')
_MAX_TYPE_LENGTH = 255

# What a browser shows without ever running it.  An allow list, for the types that can carry script
# are no closed set: HTML, SVG, every +xml, JavaScript, MathML, whatever comes next.
# PDF is not on it: it can hold scripts, and viewers differ in what they let those do.
_INERT_TYPES = frozenset(
    {f"text/{subtype}" for subtype in ("plain", "csv", "markdown", "x-diff", "x-patch", "x-log", "x-python")}
    | {f"image/{subtype}" for subtype in ("png", "jpeg", "gif", "webp", "avif", "bmp", "tiff", "x-icon")}
    | {f"audio/{subtype}" for subtype in ("mpeg", "mp4", "ogg", "opus", "flac", "wav", "webm")}
    | {f"video/{subtype}" for subtype in ("mp4", "ogg", "webm")}
)
# Formats that can name their encoding in the document; a charset of ours would override it.
_SELF_DESCRIBING_TEXT = frozenset({"text/html", "text/xml", "text/css"})

# RFC 6266, appendix D: in a quoted filename avoid backslash, quote, and percent signs, on which
# browsers disagree.  A name of these characters alone needs no second, encoded form.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9 !#$&'()+,.;=@\[\]^_`{}~-]+")
_UNSAFE_IN_FALLBACK = re.compile(r"[^A-Za-z0-9 !#$&'()+,.;=@\[\]^_`{}~-]")
_ATTR_CHAR = "!#$&+-.^_`|~"  # beside letters and digits, what RFC 8187, section 3.2.1, leaves unencoded


class Presentation(NamedTuple):
    """A stored mimetype as it is sent, and whether a browser may show such a file in place."""

    content_type: str
    inert: bool  # can be shown anywhere: a browser never runs it
    viewable: bool  # can be shown on a host of the file's own


@lru_cache(maxsize=1024)
def presentation(mimetype: str) -> Presentation:
    """The presentation of a stored mimetype, which is whatever an uploader claimed."""
    match = _MEDIA_TYPE.fullmatch(mimetype) if len(mimetype) <= _MAX_TYPE_LENGTH else None
    essence = match[1].lower() if match else ""
    # A stored multipart/byteranges would make one part of a file look like several to a client.
    if match is None or essence == "multipart/byteranges":
        return Presentation(_FALLBACK_TYPE, inert=False, viewable=False)
    content_type = mimetype
    bare_text = essence.startswith("text/") and "charset=" not in match[2].lower()
    if bare_text and essence not in _SELF_DESCRIBING_TEXT:
        content_type = f"{mimetype}; charset=utf-8"
    return Presentation(content_type, essence in _INERT_TYPES, viewable=True)


def content_disposition(filename: str, *, inline: bool) -> str:
    """A Content-Disposition for any name (RFC 6266, 4; RFC 8187, 3.2), in printable ASCII.

    A name with anything that clients read differently comes twice: as an ASCII likeness for old
    clients, and percent-encoded in UTF-8 for all others.
    """
    kind = "inline" if inline else "attachment"
    if _PLAIN_NAME.fullmatch(filename):
        return f'{kind}; filename="{filename}"'
    unaccented = "".join(c for c in unicodedata.normalize("NFKD", filename) if not unicodedata.combining(c))
    likeness = _UNSAFE_IN_FALLBACK.sub("_", unaccented)
    encoded = quote(filename, safe=_ATTR_CHAR, errors="replace")
    return f"{kind}; filename=\"{likeness}\"; filename*=UTF-8''{encoded}"

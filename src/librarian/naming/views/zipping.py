"""``GET /tree/folder/?zip``: a folder as one ZIP file, which is made while it is sent.

Its files are stored in it as they are.  Its length is known before its first byte, so a client sees how far
it is, and that it was cut short.  Names and sizes are read in the request's session of the tree, and kept in
memory, some hundred bytes each; the bytes are opened one file after the other, when their turn comes.  What
the principal may not see is left out, as in listings; so is a file whose bytes were deleted.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any, NamedTuple

from pyramid.request import Request
from pyramid.response import Response
from zipstream import ZipStream
from zope.security.proxy import removeSecurityProxy

from librarian.library.operations import Library
from librarian.naming.interfaces import INamedFolder, TooManyFiles
from librarian.web.files.disposition import content_disposition

MOST_MEMBERS = 20_000  # files and folders
BLOCK = 1 << 18  # bytes that are read at a time

_UNFIT = re.compile(r'[\\:*?"<>|]')  # in names of files on Windows
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)  # there they are no files


class Member(NamedTuple):
    """A file in the ZIP; a folder where `sha256` is empty."""

    name: str
    sha256: str = ""
    size: int = 0  # bytes


def zip_folder(folder: Any, request: Request) -> Response:
    """The ZIP file of a folder.  Raises TooManyFiles."""
    base = safe_name(folder.name) if folder.name else "tree"
    library = Library()
    stream = ZipStream(sized=True)
    for member in members_of(folder, base):
        if member.sha256:
            stream.add(_bytes(library, member), member.name, size=member.size)
        else:
            stream.mkdir(member.name)
    response = Response(content_type="application/zip")
    response.app_iter = iter(stream)
    response.content_length = len(stream)
    response.headers["Content-Disposition"] = content_disposition(f"{base}.zip", inline=False)
    response.headers["Accept-Ranges"] = "none"  # what is made anew each time cannot be continued
    return response


def members_of(folder: Any, base: str) -> list[Member]:
    """What is in the ZIP, below the folder `base`.  Raises TooManyFiles."""
    members: list[Member] = []
    for member in _walk(folder, base):
        members.append(member)
        if len(members) > MOST_MEMBERS:
            raise TooManyFiles(folder.path, MOST_MEMBERS)
    return members


def _walk(folder: Any, base: str) -> Iterator[Member]:
    yield Member(f"{base}/")
    taken: set[str] = set()
    for node in folder.listing():
        name = f"{base}/{_free(safe_name(node.name), taken)}"
        if INamedFolder.providedBy(node):
            yield from _walk(node, name)
            continue
        content = removeSecurityProxy(node).alias().content
        if content is not None:
            yield Member(name, content.sha256, content.filesize)


def safe_name(name: str) -> str:
    """A name as a file may have it on any system, and that reads as it is: format characters, which turn
    the direction of what follows, and those that Windows refuses, become ``_``."""
    kept = "".join("_" if unicodedata.category(each) in ("Cc", "Cf") else each for each in name)
    kept = _UNFIT.sub("_", kept)
    if kept.endswith((".", " ")):
        kept = kept[:-1] + "_"
    return f"_{kept}" if _DEVICE.match(kept) else kept


def _free(name: str, taken: set[str]) -> str:
    """`name`, or with a number before its extension where a system that folds case has that name already."""
    stem, dot, extension = name.rpartition(".")
    if not stem:
        stem, dot, extension = name, "", ""
    free, count = name, 1
    while unicodedata.normalize("NFC", free).casefold() in taken:
        count += 1
        free = f"{stem} ({count}){dot}{extension}"
    taken.add(unicodedata.normalize("NFC", free).casefold())
    return free


def _bytes(library: Library, member: Member) -> Iterator[bytes]:
    """The bytes of a file.  A fault ends the answer before its stated length, which a client takes for what
    it is: the ZIP is incomplete."""
    with library.reads.open(library.store, member.sha256, member.size) as file:
        while block := file.read(BLOCK):
            yield block

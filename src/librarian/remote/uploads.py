"""Files that are sent whole: what is stated of them, and one request."""

import hashlib
import mimetypes
import os
from base64 import b64encode
from pathlib import Path
from typing import Any

from librarian.net.exact_bodies import DeclaredBody
from librarian.net.interfaces import WrongLength
from librarian.remote.connection import Pool, answered, refusal
from librarian.remote.interfaces import TransferFailed, TriesAgain
from librarian.remote.patience import BUSY, retry_after
from librarian.remote.watching import Watch, WatchedFile, unwatched

BLOCK = 1 << 18  # bytes


def stated_of(path: Path, name: str, mimetype: str | None, expires: str | None) -> dict[str, str]:
    """The header fields of an upload: type, length, digest, expiry.  Raises TransferFailed."""
    headers = {
        "Content-Type": mimetype or mimetypes.guess_type(name)[0] or "application/octet-stream",
        **_length_and_digest(path),
    }
    if expires is not None:
        headers["Librarian-Expires"] = expires
    return headers


def _length_and_digest(path: Path) -> dict[str, str]:
    """Of what the file holds now; a log may go on growing."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        body = DeclaredBody(file, size, may_grow=True)
        digest = hashlib.sha256()
        try:
            while block := body.read(BLOCK):
                digest.update(block)
        except WrongLength as error:
            raise changed(path, error) from error
    encoded = b64encode(digest.digest()).decode("ascii")
    return {"Content-Length": str(size), "Repr-Digest": f"sha-256=:{encoded}:"}  # RFC 9530, section 3


def changed(path: Path, error: WrongLength) -> TransferFailed:
    """The error for a file that is not what it was when it was measured."""
    return TransferFailed(f"{path}: it changed meanwhile: {error}")


def send_whole(
    pool: Pool, path: Path, url: str, headers: dict[str, str], *names: str, watch: Watch = unwatched
) -> dict[str, Any]:
    """The JSON of the answer to an upload.

    Raises a refusal if one of `names` is missing, and TriesAgain where the server has no time now.
    """
    size = int(headers["Content-Length"])
    with path.open("rb") as file, watch(path.name, size, 0) as advance:
        body = DeclaredBody(WatchedFile(file, advance), size, may_grow=True)
        try:
            answer = pool.request("PUT", url, headers=headers, body=body, redirect=False)
        except WrongLength as error:
            raise changed(path, error) from error
    if answer.status in BUSY and "Retry-After" in answer.headers:
        raise TriesAgain(refusal(str(path), answer), retry_after(answer))
    if answer.status not in (200, 201):  # OK: replaced in the tree; Created
        raise refusal(str(path), answer)
    return answered(str(path), answer, *names)

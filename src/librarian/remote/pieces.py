"""Large files for an upload endpoint, or for a path of the named tree, by tus 1.0.0.

See https://tus.io/protocols/resumable-upload.

The whole rest of a file is sent in one request.  When that fails, the server is asked how much it has, and
the rest is sent from there.  The length and the SHA-256 of the whole are declared at the beginning, and the
server compares with them at the end: pieces of two files are never taken for one.
"""

from base64 import b64encode
from collections.abc import Set
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import urllib3

from librarian.net.exact_bodies import DeclaredBody
from librarian.net.interfaces import WrongLength
from librarian.remote.connection import Pool, answered, refusal
from librarian.remote.interfaces import TransferFailed, TriesAgain
from librarian.remote.patience import Patience, retry_after
from librarian.remote.remembered import RememberedUpload
from librarian.remote.uploads import changed
from librarian.remote.watching import Watch, WatchedFile, unwatched

LARGE = 64 << 20  # bytes; larger files are sent so
TUS = {"Tus-Resumable": "1.0.0"}
PIECE_TYPE = "application/offset+octet-stream"
PASSING = frozenset((409, 423, 429, 500, 502, 503, 504))  # statuses after which the same may succeed
PASSED_ON = (
    "Repr-Digest",
    "Librarian-Expires",
    "If-None-Match",
)  # fields that mean what they do beside a PUT
CONFLICT = 409  # of a piece: it begins at the wrong place; of the whole: the named tree does not take it
GONE = frozenset((404, 410))
MOST_BEGINNINGS = 3


def names_in_tree(path: str, *, parents: bool, restricted: bool) -> dict[str, str]:
    """What a PiecewiseUpload to the web application tells of a file that gets a path of the named tree."""
    flags = {"parents": parents, "restricted": restricted}
    return {"path": path, **{name: "true" for name, is_set in flags.items() if is_set}}


class PiecewiseUpload:
    """One file on its way to the upload endpoint at `base`, or to the web application there.

    `names` are told of it in Upload-Metadata: its ``filename``, or a ``path`` of the named tree and what goes
    with that; `stated` are the header fields of a PUT.
    """

    def __init__(
        self,
        pool: Pool,
        path: Path,
        base: str,
        names: dict[str, str],
        stated: dict[str, str],
        *,
        resume: bool,
        watch: Watch = unwatched,
    ) -> None:
        self.path = path
        self._pool = pool
        self._watch = watch
        self.size = int(stated["Content-Length"])
        self.patience = Patience()
        self._place = urljoin(base.rstrip("/") + "/", "+uploads")
        self._names = names
        self._stated = stated
        self._remembered = RememberedUpload(path, self._place, {**names, **stated})
        found = self._remembered.id() if resume else None
        self._url = found and f"{self._place}/{found}"
        self._beginnings = 0

    def send(self) -> dict[str, Any]:
        """The JSON object that describes the file.  Raises TransferFailed; a new run may go on."""
        while True:
            try:
                described = self._go_on()
            except TriesAgain as failed:
                self.patience.wait(self._hinted(failed.error), failed.after)
                continue
            if described is not None:
                self._remembered.forget()
                return described

    def _hinted(self, error: TransferFailed) -> TransferFailed:
        return TransferFailed(f"{error}; run again with --resume to go on") if self._url else error

    def _go_on(self) -> dict[str, Any] | None:
        """Begin, or send what is missing; None: there is more to do.  Raises TriesAgain, TransferFailed."""
        if self._url is None:
            self._begin()
            return self._send_from(0)
        answer = self._ask("HEAD", self._url)
        if answer.status in GONE and self._beginnings < MOST_BEGINNINGS:
            self._url = None
            return None
        if answer.status != 200:
            raise self._refused(self._ask("GET", self._url), PASSING - {CONFLICT})
        if answer.headers.get("Upload-Length") != str(self.size):
            raise TransferFailed(f"{self.path}: {self._url} is no upload of this file")
        offset = int(answer.headers["Upload-Offset"])
        self.patience.reach(offset)
        return self._send_from(offset)

    def _begin(self) -> None:
        values = {**self._names, "filetype": self._stated["Content-Type"]}
        pairs = (f"{name} {b64encode(value.encode()).decode()}" for name, value in values.items())
        stated = {name: self._stated[name] for name in PASSED_ON if name in self._stated}
        headers = {
            **TUS,
            "Upload-Length": str(self.size),
            "Upload-Metadata": ",".join(pairs),
            **stated,
        }
        self._beginnings += 1
        answer = self._pool.request("POST", self._place, headers=headers, redirect=False)
        location = answer.headers.get("Location")
        if answer.status != 201 or not location:
            waits = "Retry-After" in answer.headers
            raise self._refused(answer) if waits else refusal(str(self.path), answer)
        upload_id = urlsplit(location).path.rstrip("/").rpartition("/")[2]
        self._url = f"{self._place}/{upload_id}"
        self._remembered.note(upload_id)

    def _send_from(self, offset: int) -> dict[str, Any]:
        assert self._url is not None
        headers = {**TUS, "Content-Type": PIECE_TYPE, "Upload-Offset": str(offset)}
        headers["Content-Length"] = str(self.size - offset)
        with self.path.open("rb") as file, self._watch(self.path.name, self.size, offset) as advance:
            file.seek(offset)
            body = DeclaredBody(WatchedFile(file, advance), self.size - offset, may_grow=True)
            try:
                answer = self._ask(
                    "PATCH", self._url, headers=headers, body=body if self.size > offset else b""
                )
            except WrongLength as error:
                raise changed(self.path, error) from error
        if answer.status != 200:
            raise self._refused(answer)
        wanted = ("file",) if "path" in self._names else ("url", "restricted")
        return answered(str(self.path), answer, *wanted)

    def _ask(self, method: str, url: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """The answer.  Raises TriesAgain where there is none."""
        options.setdefault("headers", TUS)
        try:
            found: urllib3.BaseHTTPResponse = self._pool.request(method, url, redirect=False, **options)
        except TransferFailed as error:
            raise TriesAgain(TransferFailed(f"{self.path}: {error}")) from error
        return found

    def _refused(self, answer: urllib3.BaseHTTPResponse, passing: Set[int] = PASSING) -> Exception:
        """TriesAgain, if it may succeed later or is to be begun anew; else a refusal."""
        error = refusal(str(self.path), answer)
        begun_anew = answer.status in GONE and self._beginnings < MOST_BEGINNINGS
        if answer.status in passing or begun_anew:
            return TriesAgain(error, retry_after(answer))
        return error

"""Fetching one file: resumed where an earlier run stopped, and checked before it gets its name."""

import hashlib
import os
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import urllib3

from librarian.remote.connection import Pool, refusal
from librarian.remote.interfaces import TransferFailed
from librarian.remote.watching import Watch, unwatched

BLOCK = 1 << 18  # bytes
_SHA256_ETAG = re.compile(r'"([0-9a-f]{64})"')


def download_to(
    pool: Pool, url: str, output: Path | None, *, replace: bool = False, watch: Watch = unwatched
) -> Path | None:
    """Fetch `url` to `output` (None: the URL's own name, here; ``-``: standard output, and None is
    returned).

    A file that is there is replaced if `output` names it, or `replace` says so.  Raises
    TransferFailed; a partial file stays for the next run.
    """
    if output == Path("-"):
        _copy_to_standard_output(pool, url)
        return None
    place = _find(pool, url)
    path = output or Path()
    if path.is_dir():
        path = path / _filename_in(place)
        if path.exists() and not replace:
            raise _is_there(path)
    else:
        replace = True
    part = Part(path, pool, watch)
    answer = part.request(place)
    part.receive(answer)
    part.finish(replace=replace)
    return path


def _is_there(path: Path) -> TransferFailed:
    return TransferFailed(f"{path} is there already; --force replaces it, --output writes elsewhere")


def _find(pool: Pool, url: str) -> str:
    """The URL that redirections lead to, which ends in the file's name."""
    # The download gets a connection of its own: one that a front end closes just then would cost it.
    answer = pool.request("HEAD", url, headers={"Connection": "close"})
    if answer.status >= 400:  # 4xx, 5xx
        raise refusal(url, pool.request("GET", url))
    found = answer.geturl()
    return found if found is not None and "://" in found else url


def _copy_to_standard_output(pool: Pool, url: str) -> None:
    answer = pool.request("GET", url, preload_content=False)
    if answer.status != 200:  # OK
        raise refusal(url, answer)
    shutil.copyfileobj(answer, sys.stdout.buffer, BLOCK)
    sys.stdout.buffer.flush()


def _filename_in(url: str) -> str:
    """The name at the end of a URL.  Raises TransferFailed for one that no file may have here."""
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    if name in ("", ".", "..") or "/" in name or not name.isprintable():
        raise TransferFailed(f"{url}: ends in no name for a file; name the file to write")
    return name


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Part:
    """``NAME.part``, what there is of a file so far, and ``NAME.part.etag``, which file that is."""

    def __init__(self, path: Path, pool: Pool, watch: Watch = unwatched) -> None:
        self.path = path
        self._pool = pool
        self._watch = watch
        self.part = path.with_name(path.name + ".part")
        self.etag_path = path.with_name(path.name + ".part.etag")
        self.etag = ""

    def request(self, url: str) -> urllib3.BaseHTTPResponse:
        """Ask for the file, or for the rest of it; If-Range makes the server start afresh if it
        is another file now (RFC 9110, 13.1.5)."""
        headers = {}
        if self.part.exists() and self.etag_path.exists() and self.part.stat().st_size:
            headers = {"Range": f"bytes={self.part.stat().st_size}-", "If-Range": self.etag_path.read_text()}
        answer = self._pool.request("GET", url, headers=headers, preload_content=False)
        if answer.status == 416:  # Range Not Satisfiable: the partial file is complete, or too long
            answer.drain_conn()
            answer = self._pool.request("GET", url, preload_content=False)
        if answer.status not in (200, 206):
            raise refusal(url, answer)
        return answer

    def receive(self, answer: urllib3.BaseHTTPResponse) -> None:
        """Append what comes to the part, or begin it anew."""
        self.etag = answer.headers.get("ETag", "")
        resumed = answer.status == 206  # Partial Content
        self.etag_path.write_text(self.etag)
        have = self.part.stat().st_size if resumed else 0
        total = have + int(answer.headers.get("Content-Length", 0))
        watched = self._watch(self.path.name, total or None, have)
        with self.part.open("ab" if resumed else "wb") as file, watched as advance:
            try:
                for block in answer.stream(BLOCK, decode_content=False):
                    file.write(block)
                    advance(len(block))
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise TransferFailed(f"{self.path}: {error}; run again to continue") from error
            file.flush()
            os.fsync(file.fileno())

    def finish(self, *, replace: bool) -> None:
        """Check the whole and give it its name.  Raises TransferFailed if that has been taken meanwhile."""
        strong = _SHA256_ETAG.fullmatch(self.etag)
        if strong is not None and _sha256_of(self.part) != strong[1]:
            self.part.unlink()
            self.etag_path.unlink()
            raise TransferFailed(f"{self.path}: the bytes that came are not the file; nothing was kept")
        if replace:
            self.part.replace(self.path)
        else:
            self._take_free_name()
        self.etag_path.unlink(missing_ok=True)

    def _take_free_name(self) -> None:
        try:
            os.link(self.part, self.path)
        except FileExistsError:
            raise _is_there(self.path) from None
        except OSError:  # a file system without links
            if self.path.exists():
                raise _is_there(self.path) from None
            self.part.replace(self.path)
            return
        self.part.unlink()

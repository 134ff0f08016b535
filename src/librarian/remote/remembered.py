"""Uploads that a run has begun, for a run after it: small files in the user's cache folder.

The name of each is a digest of what is sent and where: the path, size, time of change and SHA-256 of the
file, the name and the other things that were stated of it, and the server.  If any of these differs, it is
another upload.
"""

import hashlib
import json
import logging
import os
import time
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

FORGOTTEN_AFTER = 30 * 86400  # seconds; servers forget uploads much earlier


def cache_folder() -> Path:
    """Where the uploads are remembered (XDG Base Directory Specification)."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if cache.startswith("/") else Path.home() / ".cache") / "librarian" / "uploads"


class RememberedUpload:
    """The id of the upload of one file to one server, as long as it is not complete."""

    def __init__(self, path: Path, place: str, stated: dict[str, str]) -> None:
        found = path.stat()
        identity = [str(path.resolve()), found.st_size, found.st_mtime_ns, place, sorted(stated.items())]
        name = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        self._path = path
        self._file = cache_folder() / name

    def id(self) -> str | None:
        """What note() was told; None without it."""
        try:
            found = self._file.read_text()
        except OSError:
            return None
        return found if found.isalnum() else None

    def note(self, upload_id: str) -> None:
        """Remember the id.  Says so where that is not possible: the upload itself need not fail."""
        unfinished = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep()
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(upload_id)
            unfinished.replace(self._file)
        except OSError as error:
            log.warning(
                "upload not remembered, no later run can go on with it path=%s error=%s", self._path, error
            )

    def forget(self) -> None:
        """The upload is complete."""
        with suppress(OSError):
            self._file.unlink()

    def _sweep(self) -> None:
        limit = time.time() - FORGOTTEN_AFTER
        for each in self._file.parent.iterdir():
            with suppress(FileNotFoundError):
                if each.stat().st_mtime < limit:
                    each.unlink()

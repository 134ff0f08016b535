"""An alias as JSON: the answer of the upload endpoint, and ``/files/<id>``."""

from datetime import datetime
from typing import Any

from librarian.library.interfaces import NEVER_EXPIRES


def expires_text(expires: datetime | None) -> str | None:
    """``never``, a time as in RFC 3339, section 5.6, or None: as long as a system holds the file."""
    if expires == NEVER_EXPIRES:
        return "never"
    return None if expires is None else expires.isoformat()


def describe(alias: Any) -> dict[str, Any]:
    """An ILibraryFileAlias as a JSON object; sizes in bytes, digests in hex, times as in RFC 3339."""
    content = alias.content
    return {
        "id": alias.id,
        "url": alias.http_url,
        "filename": alias.filename,
        "mimetype": alias.mimetype,
        "size": content and content.filesize,
        "sha256": content and content.sha256,
        "sha1": content and content.sha1,
        "md5": content and content.md5,
        "restricted": alias.restricted,
        "expires": expires_text(alias.expires),
        "date_created": alias.date_created.isoformat(),
        "deleted": alias.deleted,
    }

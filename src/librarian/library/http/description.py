"""An alias as JSON: the answer of the upload endpoint, and ``/files/<id>``."""

from datetime import datetime
from typing import Any

from librarian.library.interfaces import NEVER_EXPIRES
from librarian.web.openapi.schemas import (
    COUNT,
    FILE_ID,
    FLAG,
    MD5,
    SHA1,
    SHA256,
    SIZE,
    TEXT,
    TIME,
    URL,
    Named,
    extended,
    nullable,
    obj,
    told,
)

#: describe(); of a deleted file size and digests are null.
FILE = Named(
    "File",
    obj(
        id=FILE_ID,
        url=nullable(URL),
        filename=TEXT,
        mimetype=TEXT,
        size=nullable(SIZE),
        sha256=nullable(SHA256),
        sha1=nullable(SHA1),
        md5=nullable(MD5),
        restricted=FLAG,
        expires=nullable(told(TEXT, "never, an RFC 3339 time, or null: as long as a system holds the file")),
        date_created=TIME,
        deleted=FLAG,
    ),
)
LINE = Named("ListedFile", extended(FILE, owner=nullable(TEXT), owner_name=nullable(TEXT), downloads=COUNT))
EXPIRY = {
    "type": "string",
    "pattern": (
        r"^(never|unreferenced|[1-9][0-9]?[hdw]"
        r"|203[0-7]-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T(0\d|1\d):[0-5]\d:[0-5]\dZ)$"
    ),
    "description": (
        "an RFC 3339 time to come, a day, whose end in UTC is meant, never, unreferenced,"
        " or how long from now, such as 30d"
    ),
}


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


#: Of an upload, where an empty one says as little as none.
STATED_EXPIRY = {**EXPIRY, "pattern": f"^$|{EXPIRY['pattern']}"}

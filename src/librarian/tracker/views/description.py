"""A version of a file as JSON."""

from typing import Any
from urllib.parse import quote, urlencode

from librarian.tracker.client.wire.version_dates import version_to_date
from librarian.tracker.interfaces import FileVersion


def describe_version(file: FileVersion, base: str) -> dict[str, Any]:
    """One version as JSON; sizes in bytes, times as RFC 3339 has them.

    `base` is the URL of the protocol's root, without a slash at its end.
    """
    query: dict[str, str] = {} if file.superseded is None else {"version": str(file.version)}
    if file.deleted:
        query["deleted"] = "yes"
    tail = f"?{urlencode(query)}" if query else ""
    return {
        "version": file.version,
        "last_modified": version_to_date(file.version),
        "size": file.size,
        "sha256": file.sha256,
        "stored": file.stored.isoformat(),
        "owner": file.owner,
        "superseded": file.superseded and file.superseded.isoformat(),
        "deleted": file.deleted,
        "url": f"{base}/files{quote(file.name)}{tail}",
    }

"""Where clients are sent for what is missing here.

A redirection says in its query which fallbacks have sent the client on: ``?fallback=`` and a mark for
each.  A tracker that sees the mark of its own fallback has sent this client away before, and it has come
back: the fallback is the tracker itself under another name, or two trackers point at each other.  Then
the file is nowhere, and the answer is 404.  A mark is made from the fallback's URL, so all processes and
nodes with one setting have one mark.  (filetracker-server drops the query of what it redirects.)
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote, urlencode, urlsplit

MARKS = "fallback"  # the parameter of the query; filetracker servers overlook what they do not know


def check_fallback_url(url: str) -> None:
    """Raise ValueError, without the URL's secrets, unless clients can be sent to `url` and below."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"it is no URL: {error}") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("it has a user or a password, which every client would be shown")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it is no http or https URL with a host")
    if parts.query or parts.fragment or not url.isprintable() or " " in url:
        raise ValueError("it has a query, a fragment, a blank or a control character")


def redirection(fallback_url: str, name: str, query: Mapping[str, str]) -> str | None:
    """The URL of `name` at the fallback; None if the client comes from there."""
    mark, marks = _mark(fallback_url), query.get(MARKS, "").split(".")
    if mark in marks:
        return None
    onward = {**query, MARKS: ".".join(filter(None, [*marks, mark]))}
    return f"{fallback_url.rstrip('/')}/files{quote(name)}?{urlencode(onward)}"


@lru_cache(maxsize=16)
def _mark(fallback_url: str) -> str:
    return hashlib.sha256(fallback_url.rstrip("/").encode()).hexdigest()[:12]

"""Redirecting clients to another tracker for files that are missing here.

The query of a redirection has a mark for each fallback that has redirected the client: ``?fallback=``.  A
tracker that finds the mark of its own fallback there has redirected this client before: the fallback is
this tracker under another name, or two trackers are each other's fallback.  No tracker has the file then,
and the answer is 404.  A mark is made from the fallback's URL, so all processes and
nodes with one setting have one mark.  (filetracker-server drops the query of what it redirects.)
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote, urlencode, urlsplit

MARKS = "fallback"  # the parameter of the query; filetracker servers ignore unknown ones


def check_fallback_url(url: str) -> None:
    """Raise ValueError unless clients can be redirected to `url`; the message has no password of it."""
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
    """The URL of `name` at the fallback; None if that has redirected the client."""
    mark, marks = _mark(fallback_url), query.get(MARKS, "").split(".")
    if mark in marks:
        return None
    onward = {**query, MARKS: ".".join(filter(None, [*marks, mark]))}
    return f"{fallback_url.rstrip('/')}/files{quote(name)}?{urlencode(onward)}"


@lru_cache(maxsize=16)
def _mark(fallback_url: str) -> str:
    return hashlib.sha256(fallback_url.rstrip("/").encode()).hexdigest()[:12]

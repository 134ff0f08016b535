"""HTTP as the commands speak it."""

import json
import socket
from collections.abc import Callable
from functools import cache
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from librarian.interfaces import LibrarianError


class TransferFailed(LibrarianError):
    """A command got no file across, and says why in one line."""


class _Connection(HTTPConnection):
    """Every name below localhost is this machine (RFC 6761, 6.3), also where the resolver knows none."""

    def _new_conn(self) -> socket.socket:
        named = self._dns_host
        if named.rstrip(".").endswith(".localhost"):
            self._dns_host = "localhost"
        try:
            return super()._new_conn()
        finally:
            self._dns_host = named


class _HostPool(HTTPConnectionPool):
    ConnectionCls = _Connection


class Pool(urllib3.PoolManager):
    """Says who one is, to those who may know."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # The Authorization field, None for nobody; asked for once, when somebody may know it.
        self.authorize: Callable[[], str | None] = lambda: None
        self.pool_classes_by_scheme = {**self.pool_classes_by_scheme, "http": _HostPool}
        self._trusted: list[str] = []

    def trust(self, url: str) -> None:
        """Send the credentials with requests to `url` and below.  (urllib3 drops them where a
        redirection leads to another host.)"""
        self._trusted.append(url.rstrip("/") + "/")

    def request(self, method: str, url: str, **options: Any) -> Any:  # type: ignore[override]  # narrower
        field = self.authorize() if url.startswith(tuple(self._trusted)) else None
        if field is not None:
            options["headers"] = {"Authorization": field, **(options.get("headers") or {})}
        try:
            return super().request(method, url, **options)
        except urllib3.exceptions.HTTPError as error:
            reason = getattr(error, "reason", None) or error
            raise TransferFailed(f"{url}: {reason}") from error


@cache
def pool() -> Pool:
    """Connections of this run; a refused one is tried again for a few seconds, nothing else is."""
    retries = urllib3.Retry(total=None, connect=3, read=0, redirect=5, status=0, other=0, backoff_factor=0.3)
    return Pool(retries=retries, timeout=urllib3.Timeout(connect=10, read=300), blocksize=1 << 18)


def answered(what: str, answer: urllib3.BaseHTTPResponse, *names: str) -> dict[str, Any]:
    """The JSON object an answer holds, in which there is all of `names`.  Raises TransferFailed."""
    try:
        found = json.loads(answer.data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(name in found for name in names):
        raise TransferFailed(f"{what}: {answer.status} and no answer of a librarian; is the URL right?")
    return found


def refusal(what: str, answer: urllib3.BaseHTTPResponse) -> TransferFailed:
    """The error for an answer that is not the hoped-for one, with the server's own reason."""
    try:
        reason = json.loads(answer.data)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        reason = answer.reason or "refused"
    return TransferFailed(f"{what}: {answer.status} {reason}")

"""HTTP as a client: pools of connections, why a request failed, and what a refusal says.

Only the standard library and urllib3 are needed here: clients are installed without the rest.
"""

import json
import socket
from collections.abc import Callable
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

CHUNK = 1 << 18  # bytes that are sent or received at once

Check = Callable[[HTTPConnection], None]


def connection_pool(
    kind: type[urllib3.PoolManager] = urllib3.PoolManager,
    *,
    connect_tries: int = 3,
    read_tries: int = 0,
    pause: float = 0.3,
    redirects: int = 0,
    connect_seconds: float = 10,
    read_seconds: float = 300,
    most: int = 10,
    check: Check | None = None,
) -> Any:
    """A PoolManager of this `kind`; it takes no proxy from the environment.

    A connection that is refused is tried again `connect_tries` times, with pauses of `pause` seconds that
    double; a request that was sent only with `read_tries`.  It gives up after `read_seconds` without a byte.
    `redirects` of one request are followed.  `most` connections to one host are kept.  `check` is called with
    each connection that was made, before anything is sent over it, and raises to refuse it.
    """
    retries = urllib3.Retry(
        total=None,
        connect=connect_tries,
        read=read_tries,
        redirect=redirects,
        status=0,
        other=0,
        backoff_factor=pause,
        raise_on_status=False,
    )
    timeout = urllib3.Timeout(connect=connect_seconds, read=read_seconds)
    pool = kind(retries=retries, timeout=timeout, blocksize=CHUNK, maxsize=most)
    pool.pool_classes_by_scheme = _pool_classes(check)
    return pool


def _pool_classes(check: Check | None) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    class Checked:
        def connect(self: Any) -> None:
            super().connect()  # type: ignore[misc]  # of the connection that it is mixed into
            if check is not None:
                check(self)

    plain = type("Plain", (Checked, _Local), {})
    secure = type("Secure", (Checked, HTTPSConnection), {})
    return {
        "http": type("PlainPool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("SecurePool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }


class _Local(HTTPConnection):
    """Every name below localhost is this machine (RFC 6761, 6.3), also where the resolver knows none."""

    def _new_conn(self) -> socket.socket:
        named = self._dns_host
        if named.rstrip(".").endswith(".localhost"):
            self._dns_host = "localhost"
        try:
            return super()._new_conn()
        finally:
            self._dns_host = named


def failure(error: BaseException) -> str:
    """Why a request failed, in a few words.

    An error of urllib3 names its own objects; the error underneath has the reason.
    """
    inner = getattr(error, "reason", None) or error
    if isinstance(inner, urllib3.exceptions.NameResolutionError):
        return "there is no such host"
    if isinstance(inner, urllib3.exceptions.TimeoutError) and not inner.__cause__:
        return "no answer in time"
    while isinstance(inner, urllib3.exceptions.HTTPError) and (cause := inner.__cause__ or _inner(inner)):
        inner = cause
    if isinstance(inner, TimeoutError):
        return "no answer in time"
    return getattr(inner, "verify_message", None) or getattr(inner, "strerror", None) or str(inner)


def _inner(error: BaseException) -> BaseException | None:
    return next((each for each in error.args if isinstance(each, BaseException)), None)


def json_object(body: bytes | str) -> dict[str, Any] | None:
    """The JSON object that a body is; None for anything else."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def refusal_reason(body: bytes | str) -> str | None:
    """The reason in a librarian's ``{"error": reason}``; None if a body has none."""
    found = json_object(body)
    return str(found["error"]) if found and "error" in found else None

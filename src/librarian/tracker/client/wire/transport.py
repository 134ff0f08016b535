"""HTTP requests to a tracker: repetition, timeouts, and refusals as errors."""

import copy
import json
import logging
import os
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Self
from urllib.parse import quote, urlencode, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError

from librarian.net.exact_bodies import DeclaredBody
from librarian.net.http import connection_pool, refusal_reason
from librarian.net.interfaces import WrongLength
from librarian.tracker.client.interfaces import FileChanged, ProtocolMismatch, RemoteError, RemoteUnavailable

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 120.0  # seconds without a byte
ATTEMPTS = 5
_FIRST_PAUSE = 0.2  # seconds; doubled with each attempt
_REDIRECTS = 5  # followed for one request
_LONGEST_PAUSE = 10.0  # seconds, whatever Retry-After asks for
_REASON_LENGTH = 2000  # bytes of a refusal's body that are read

#: Statuses of a server that is busy or restarting.  507 (a full disk) is not among them: it lasts.
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


#: Redirections are urllib3's; repetition is ours, because it knows which statuses are transient.
_RETRIES = urllib3.Retry(connect=0, read=0, status=0, other=0, redirect=_REDIRECTS, raise_on_redirect=False)


class Transport:
    """Requests to one server; safe to share between threads.

    All requests of the protocol are idempotent (a write carries its version), so a request is repeated
    when the connection breaks or the server is busy, up to `attempts` times in all.  Proxies of the
    environment are not used.  `token` is sent as a bearer token to this server only, never to one that it
    redirects to.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None = None,
        attempts: int = ATTEMPTS,
        read_seconds: float = READ_TIMEOUT,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.attempts = attempts
        self.follows = True  # redirections, also to other servers
        self._sleep = sleep
        self._headers = {"User-Agent": "librarian-tracker"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._pool = connection_pool(most=8, connect_seconds=CONNECT_TIMEOUT, read_seconds=read_seconds)
        self._owner = os.getpid()

    def staying(self) -> Self:
        """The same server, but a redirection to another one is a refusal: RemoteError with a 3xx status."""
        twin = copy.copy(self)
        twin.follows = False
        return twin

    def url(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """The URL of `path`, unquoted text that begins with a slash.

        Lone surrogates (PEP 383) in it become the octets that they stand for.
        """
        tail = f"?{urlencode(query)}" if query else ""
        return self.base_url + quote(path, safe="/", errors="surrogateescape") + tail

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: BinaryIO | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """The answer, with a status below 300 and its body not yet read.

        `body` is sent from its present position on, and from there again if the request is repeated;
        `headers` must have its Content-Length, and no more is sent.  Raises RemoteError for a refusal,
        RemoteUnavailable if no attempt was answered, FileChanged if `body` is shorter.
        """
        url, start = self.url(path, query), body.tell() if body is not None else 0
        reason = ""
        for attempt in range(self.attempts):
            if attempt:
                self.pause(attempt - 1, reason)
            if body is not None:
                body.seek(start)
            try:
                return self._request_once(method, url, headers or {}, body)
            except (RemoteError, HTTPError, OSError) as error:
                if isinstance(error, RemoteError) and self._is_final(error, attempt):
                    raise
                reason = str(error)
        raise RemoteUnavailable(url, self.attempts, reason)

    def _is_final(self, error: RemoteError, attempt: int) -> bool:
        """Whether a refusal is not worth another attempt (RFC 9110, section 15.6), or was the last."""
        return error.status not in _TRANSIENT or attempt == self.attempts - 1

    def _request_once(
        self, method: str, url: str, headers: Mapping[str, str], body: BinaryIO | None
    ) -> urllib3.BaseHTTPResponse:
        try:
            response = self._send(method, url, headers, body)
        except WrongLength as error:
            raise FileChanged(str(error)) from None
        if response.status >= 300:
            raise _refusal(response)
        return response

    def pause(self, number: int, reason: str) -> None:
        """Wait before attempt `number` + 1: longer each time, and by chance, so that machines spread out."""
        spread = random.uniform(0.5, 1.0)  # noqa: S311  # no secret
        seconds = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**number) * spread
        log.info("asking again url=%s pause_seconds=%.2f reason=%s", self.base_url, seconds, reason)
        self._sleep(seconds)

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: BinaryIO | None
    ) -> urllib3.BaseHTTPResponse:
        if self._owner != os.getpid():  # after a fork: two processes must not share a socket
            self._pool.clear()
            self._owner = os.getpid()
        sent: Any = None
        if body is not None:
            sent = DeclaredBody(body, int(headers["Content-Length"]), may_grow=True)
        response = self._pool.request(
            method,
            url,
            body=sent,
            headers={**self._headers, **headers},
            preload_content=False,
            decode_content=False,
            redirect=self.follows,
            retries=_RETRIES,
        )
        if not 200 <= response.status < 600:
            raise ProtocolError(f"unexpected status {response.status}")
        return response


def read_all(response: urllib3.BaseHTTPResponse) -> bytes:
    """The whole body, unpacked; the connection goes back to the pool.  Raises RemoteUnavailable."""
    try:
        return response.read(decode_content=True)
    except HTTPError as error:
        raise RemoteUnavailable(response.url or "the server", 1, str(error)) from error
    finally:
        response.release_conn()


def json_field(body: bytes | str, name: str) -> Any:
    """The field `name` of an answer that is a JSON object.  Raises ProtocolMismatch."""
    try:
        return json.loads(body)[name]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ProtocolMismatch(f"the answer is no JSON object with {name!r}") from error


def _refusal(response: urllib3.BaseHTTPResponse) -> RemoteError:
    try:
        body = response.read(_REASON_LENGTH).decode("utf-8", "replace").strip()
    except (HTTPError, OSError):
        body = ""
    response.close()
    reason = response.headers.get("X-Exception") or _first_words(body) or str(response.reason or "")
    location = response.headers.get("Location")
    if response.status < 400 and location:
        parts = urlsplit(location)
        reason = f"the server redirects to {parts.scheme}://{parts.hostname or ''}{parts.path}"
    return RemoteError(response.status, reason)


def _first_words(body: str) -> str:
    """The reason in the body of a refusal: its first line, or the field ``error`` of JSON."""
    return refusal_reason(body) or next(iter(body.splitlines()), "")

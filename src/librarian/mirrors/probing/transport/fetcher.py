"""Requests to mirrors' servers, as many at the same time as the throttle allows.

aiohttp, because it gives access to the socket (`socket_factory`, for the address guard) and the
connection (`response_class`, for the peer and its certificate), follows no redirect unless told to, and
looks at no proxy of the environment; httpx 0.28 offers neither hook without private parts.
"""

import asyncio
import errno
import socket
import ssl
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp

from librarian.mirrors.probing.interfaces import (
    AddressRefused,
    Answer,
    BadResponseCode,
    BodyTooLarge,
    ConnectionFailed,
    InfiniteLoopDetected,
    InvalidCertificate,
    ProbeFailed,
    ProberSettings,
    ProberTimeout,
)
from librarian.mirrors.probing.transport import ftp
from librarian.mirrors.probing.transport.redirects import STATUSES, check_scheme, follow
from librarian.mirrors.probing.transport.throttle import Connection, HostLedger, Throttle
from librarian.net.networks import AddressGuard

# A name server that hangs holds a thread; the few threads of asyncio's default executor would all wait.
_THREADS = 32
_SLOWEST = 256 * 1024  # bytes a second; a slower mirror is of no use
_HEADERS = {
    "Accept-Encoding": "identity",
    "Cache-Control": "no-cache",
}  # the file as it is now


class _Response(aiohttp.ClientResponse):
    """An answer with the address and the certificate of the peer, read when the connection is still its own:
    a short answer has given the connection back before `session.request` returns."""

    peer_address = ""
    certificate_expires: datetime | None = None

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        if (transport := connection.transport) is not None:
            peer = transport.get_extra_info("peername")
            self.peer_address = peer[0] if peer else ""
            if certificate := transport.get_extra_info("peercert"):
                self.certificate_expires = datetime.fromtimestamp(
                    ssl.cert_time_to_seconds(certificate["notAfter"]), UTC
                )
        return await super().start(connection)


class _Redirected(Exception):
    """Internal: the hop ended in a redirect."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


class Fetcher:
    """Asks for URLs under the rules of one probing run; use as an async context manager.

    It keeps slots, time-outs and bad certificates of each host until the end of the run.
    """

    def __init__(self, settings: ProberSettings, throttle: Throttle | None = None) -> None:
        self.settings = settings
        self.on_silence: Callable[[], None] = lambda: None  # told of every request that was not answered
        self.throttle = throttle or Throttle(settings.parallel, settings.parallel_per_host)
        self.ledger = HostLedger(settings.skip_after_requests, settings.skip_below_ratio)
        self.guard = AddressGuard(settings.allowed_networks, "librarian.mirrors.allowed_networks")
        self._bad_certificates: dict[tuple[str, int], str] = {}
        self._threads = ThreadPoolExecutor(_THREADS, "prober")
        at_once = max(1, settings.parallel // 2)
        self._ftp_threads = ThreadPoolExecutor(at_once, "prober ftp")
        self._ftp_all = asyncio.Semaphore(at_once)
        self._ftp_hosts: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.settings.ca_file)

    async def __aenter__(self) -> Self:
        asyncio.get_running_loop().set_default_executor(self._threads)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.throttle.close()
        for threads in (self._threads, self._ftp_threads):
            threads.shutdown(wait=False, cancel_futures=True)

    async def head(self, url: str, family: int = socket.AF_UNSPEC) -> Answer:
        """Whether the file is there.  Raises a ProbeFailed."""
        return await self._request("HEAD", url, family, 0)

    async def get(self, url: str, max_bytes: int | None = None) -> Answer:
        """The file, if it has at most `max_bytes` (else the settings' limit).  Raises a ProbeFailed."""
        return await self._request("GET", url, socket.AF_UNSPEC, max_bytes or self.settings.max_body_bytes)

    async def families(self, host: str) -> frozenset[int]:
        """The address families `host` has addresses of, AF_INET and AF_INET6; empty if it is not known."""
        look_up = asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        try:
            found = await asyncio.wait_for(look_up, self.settings.timeout_seconds)
        except (OSError, UnicodeError):  # TimeoutError is an OSError; a label may be too long to be a name
            return frozenset()
        return frozenset(int(family) for family, *_ in found)

    async def digest(self, url: str, max_bytes: int) -> Answer:
        """The size and sha256 of a file of at most `max_bytes`, in constant memory.  Raises a ProbeFailed.

        The time-out for a large file is that of a request, and longer by as much as a slow line needs.
        """
        return await self._request("GET", url, socket.AF_UNSPEC, max(1, max_bytes), keep=False)

    async def _request(
        self, method: str, url: str, family: int, max_bytes: int, *, keep: bool = True
    ) -> Answer:
        target = url
        for _ in range(self.settings.max_redirects + 1):
            try:
                return await self._hop(method, target, family, max_bytes, keep)
            except _Redirected as redirected:
                target = follow(url, target, redirected.location)
            except (ProberTimeout, ConnectionFailed):
                self.on_silence()
                raise
        raise InfiniteLoopDetected(url, f"Infinite loop detected: {url} was redirected too often")

    async def _hop(self, method: str, url: str, family: int, max_bytes: int, keep: bool) -> Answer:
        scheme = check_scheme(url)
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        endpoint = (host, parts.port or 443)
        async with self._connection(scheme, host, parts.port, family) as connection:
            if scheme == "https" and endpoint in self._bad_certificates:
                raise InvalidCertificate(url, self._bad_certificates[endpoint])
            self.ledger.admit(host, url)
            with self._failures(method, url, endpoint):
                if scheme == "ftp":
                    return await self._ask_ftp(url, max_bytes, keep)
                connection.session = connection.session or self._open_session(family)
                return await self._ask(connection.session, method, url, max_bytes, keep)

    @contextmanager
    def _failures(self, method: str, url: str, endpoint: tuple[str, int]) -> Iterator[None]:
        """Raise errors of the network as a ProbeFailed; bad certificates of `endpoint` are remembered."""
        host = endpoint[0]
        try:
            yield
        except TimeoutError as error:
            self.ledger.timed_out(host)
            raise ProberTimeout(url, method, self.settings.timeout_seconds) from error
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            message = f"bad certificate of {host}: {_reason(error)}"
            self._bad_certificates[endpoint] = message
            raise InvalidCertificate(url, message) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _failure(url, error) from error

    def _patience(self, max_bytes: int, keep: bool) -> float:
        """Seconds until an answer must be complete; a large file that is only hashed has longer."""
        return self.settings.timeout_seconds + (0 if keep else max_bytes / _SLOWEST)

    async def _ask(
        self, session: aiohttp.ClientSession, method: str, url: str, max_bytes: int, keep: bool
    ) -> Answer:
        started = time.monotonic()
        limit = aiohttp.ClientTimeout(total=self._patience(max_bytes, keep))
        asked = session.request(method, url, proxy=self.settings.proxy, allow_redirects=False, timeout=limit)
        async with asked as response:
            assert isinstance(response, _Response)
            _check_status(response, url)
            size, body, digest = response.content_length, b"", ""
            if method == "GET":
                size, body, digest = await _read(response, url, max_bytes, keep)
            seconds = time.monotonic() - started
            peer, expires = response.peer_address, response.certificate_expires
            return Answer(url, size, seconds, body, digest, peer, expires)

    def _connection(
        self, scheme: str, host: str, port: int | None, family: int
    ) -> AbstractAsyncContextManager[Connection]:
        if scheme == "ftp":
            return self._ftp_connection(host)
        return self.throttle.connection(host, (scheme, port, family))

    @asynccontextmanager
    async def _ftp_connection(self, host: str) -> AsyncIterator[Connection]:
        """Room for the two connections that FTP needs, one for commands and one for data.

        At most half of all connections are for commands, so that the other half is left for data.
        """
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._ftp_hosts[host])
            await stack.enter_async_context(self._ftp_all)
            connection = await stack.enter_async_context(self.throttle.connection(host, keep=False))
            if min(self.settings.parallel, self.settings.parallel_per_host) > 1:
                await stack.enter_async_context(self.throttle.connection(host, keep=False))
            yield connection

    async def _ask_ftp(self, url: str, max_bytes: int, keep: bool) -> Answer:
        patience = self._patience(max_bytes, keep)
        talk = ftp.Talk(url, self.guard, patience)
        ask = asyncio.get_running_loop().run_in_executor(self._ftp_threads, talk.ask, max_bytes, keep)
        try:
            return await asyncio.wait_for(ask, patience)
        finally:
            talk.abort()  # the thread would go on for as long as a byte comes now and then

    def _open_session(self, family: int) -> aiohttp.ClientSession:
        """A session of one connection at a time: a shared session would keep
        idle connections, which its limit does not count."""
        connector = aiohttp.TCPConnector(
            limit=1,
            family=socket.AddressFamily(family),
            ssl=self._tls,
            # Behind a proxy the address is the proxy's, which the operator chose.
            socket_factory=None if self.settings.proxy else self.guard.socket,
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=self.settings.timeout_seconds),
            headers={**_HEADERS, "User-Agent": self.settings.user_agent},
            cookie_jar=aiohttp.DummyCookieJar(),
            response_class=_Response,
            auto_decompress=False,
            trust_env=False,
            requote_redirect_url=False,
        )


def _check_status(response: aiohttp.ClientResponse, url: str) -> None:
    """Raise _Redirected (RFC 9110, section 15.4), or BadResponseCode for what is not 200."""
    if response.status in STATUSES and "Location" in response.headers:
        raise _Redirected(response.headers["Location"])
    if response.status != 200:
        raise BadResponseCode(url, response.status)


async def _read(
    response: aiohttp.ClientResponse, url: str, max_bytes: int, keep: bool
) -> tuple[int, bytes, str]:
    """(size, body if it is to be kept, sha256) of the whole body.

    Raises BodyTooLarge as soon as it is clear that it is too long.
    """
    size, body, digest = 0, bytearray(), sha256()
    async for chunk in response.content.iter_chunked(64 * 1024):
        size += len(chunk)
        if size > max_bytes:
            raise BodyTooLarge(url, f"{url} has more than {max_bytes} bytes")
        digest.update(chunk)
        if keep:
            body += chunk
    return size, bytes(body), digest.hexdigest()


def _reason(error: BaseException) -> str:
    """The reason of an error below, in one phrase."""
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    return getattr(inner, "verify_message", None) or getattr(inner, "strerror", None) or str(inner)


def _failure(url: str, error: Exception) -> ProbeFailed:
    """The finding that an error of the client library stands for."""
    if isinstance(error, ProbeFailed):
        return error
    if isinstance(error, OSError) and error.errno == errno.EACCES:
        return AddressRefused(url, f"address refused for {url}: {_reason(error)}")
    return ConnectionFailed(url, f"no answer from {url}: {_reason(error) or type(error).__name__}")

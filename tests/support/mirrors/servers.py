"""Mirrors to probe: real HTTP and HTTPS servers on loopback, good ones and ones that misbehave."""

import asyncio
import ssl
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

Files = Mapping[str, bytes]  # by path from the mirror's root


@dataclass(slots=True)
class Request:
    """What a server was asked."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass(slots=True)
class Traffic:
    """What the servers of a farm saw; `peak` is the most requests under way at once."""

    requests: list[Request] = field(default_factory=list)
    under_way: Counter[str] = field(default_factory=Counter)
    peak: Counter[str] = field(default_factory=Counter)

    def enter(self, *names: str) -> None:
        for name in names:
            self.under_way[name] += 1
            self.peak[name] = max(self.peak[name], self.under_way[name])

    def leave(self, *names: str) -> None:
        self.under_way.subtract(names)


Behaviour = Callable[["MirrorServer", Request, asyncio.StreamWriter], Awaitable[None]]


class MirrorServer:
    """One mirror: an address, some files, and a behaviour that answers requests."""

    def __init__(self, farm: "MirrorFarm", files: Files, behaviour: Behaviour, host: str) -> None:
        self.farm = farm
        self.files = dict(files)
        self.behaviour = behaviour
        self.host = host
        self.requests: list[Request] = []
        self.port = 0
        self.scheme = "http"

    @property
    def url(self) -> str:
        """Where the mirror's files start."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    async def listen(self, tls: ssl.SSLContext | None) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, self.host, 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        self.scheme = "https" if tls else "http"
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read_request(reader)) is not None:
                self.requests.append(request)
                self.farm.traffic.requests.append(request)
                names = ("all", f"{self.host}:{self.port}")
                self.farm.traffic.enter(*names)
                try:
                    await self.behaviour(self, request, writer)
                    await writer.drain()
                finally:
                    self.farm.traffic.leave(*names)
                if writer.is_closing():
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the prober hung up, as it may; or the farm is closing
        finally:
            writer.close()


class MirrorFarm:
    """Servers that share one background thread; `close()` ends them all."""

    def __init__(self) -> None:
        self.traffic = Traffic()
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="mirror farm", daemon=True)
        self._thread.start()

    def add(
        self,
        files: Files,
        behaviour: Behaviour | None = None,
        *,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> MirrorServer:
        """Start one more mirror on a free port; without a `behaviour` it is a good one."""
        mirror = MirrorServer(self, files, behaviour or good, host)
        self._servers.append(asyncio.run_coroutine_threadsafe(mirror.listen(tls), self._loop).result(10))
        return mirror

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
    if not head:
        return None
    first, *lines = head.decode("latin-1").splitlines()
    method, target, _ = first.split(" ")
    headers = dict(line.split(": ", 1) for line in lines if ": " in line)
    return Request(method, unquote(target.partition("?")[0]).lstrip("/"), headers)


def reply(
    writer: asyncio.StreamWriter, request: Request, status: str, body: bytes = b"", *headers: str
) -> None:
    """Write an HTTP/1.1 answer; HEAD gets the header alone."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    writer.write("\r\n".join(lines).encode() + (body if request.method == "GET" else b""))


async def good(mirror: MirrorServer, request: Request, writer: asyncio.StreamWriter) -> None:
    """200 for what there is, 404 for what there is not."""
    if request.path in mirror.files:
        reply(writer, request, "200 OK", mirror.files[request.path])
    else:
        reply(writer, request, "404 Not Found")


async def hang(mirror: MirrorServer, request: Request, writer: asyncio.StreamWriter) -> None:
    """Takes the request and never says a word."""
    await asyncio.sleep(3600)


async def drip(mirror: MirrorServer, request: Request, writer: asyncio.StreamWriter) -> None:
    """One byte of the answer now and then, so that no read ever times out by itself."""
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" * 1000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def loop(mirror: MirrorServer, request: Request, writer: asyncio.StreamWriter) -> None:
    """Redirects to itself for ever."""
    reply(writer, request, "302 Found", b"", f"Location: /{request.path}")


async def sorry(mirror: MirrorServer, request: Request, writer: asyncio.StreamWriter) -> None:
    """Redirects everything to a page that says sorry with 200."""
    if request.path == "sorry.html":
        reply(writer, request, "200 OK", b"sorry")
    else:
        reply(writer, request, "302 Found", b"", "Location: /sorry.html")


async def yes(mirror: MirrorServer, request: Request, writer: asyncio.StreamWriter) -> None:
    """200 for whatever is asked."""
    reply(writer, request, "200 OK", mirror.files.get(request.path, b"<html>Welcome!</html>"))


async def wrong_bytes(mirror: MirrorServer, request: Request, writer: asyncio.StreamWriter) -> None:
    """The right names and sizes, and other bytes in the pool."""
    body = mirror.files.get(request.path)
    if body is None:
        reply(writer, request, "404 Not Found")
    else:
        reply(writer, request, "200 OK", b"x" * len(body) if request.path.startswith("pool/") else body)


async def garbage(mirror: MirrorServer, request: Request, writer: asyncio.StreamWriter) -> None:
    """Something that is no HTTP."""
    writer.write(b"\x00\xffSSH-2.0-OpenSSH_9.2\r\n")
    writer.close()


async def error_500(mirror: MirrorServer, request: Request, writer: asyncio.StreamWriter) -> None:
    """Broken, and says so."""
    reply(writer, request, "500 Internal Server Error", b"oops")


def redirect_to(base_url: str, status: str = "302 Found") -> Behaviour:
    """Redirects to the same file elsewhere."""

    async def behaviour(mirror: MirrorServer, request: Request, writer: asyncio.StreamWriter) -> None:
        reply(writer, request, status, b"", f"Location: {base_url}/{request.path}")

    return behaviour


def slow(seconds: float) -> Behaviour:
    """A good mirror that takes its time."""

    async def behaviour(mirror: MirrorServer, request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        await good(mirror, request, writer)

    return behaviour

"""Asking a server the same thing again and again, from several processes, and counting.

A client in Python is slower than a good server, so this writes prepared bytes to a socket and reads no
more of the answer than it must.
"""

import multiprocessing
import socket
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Rate:
    """What came out of one measurement."""

    per_second: float
    median_ms: float
    p99_ms: float
    bytes_per_second: float
    requests: int


START_SECONDS = 120.0  # that processes may take to start
_start: Any = None  # in a process that asks: the barrier at which it waits for the others


def measure(
    url: str, requests: Sequence[Sequence[bytes]], seconds: float, begun: Callable[[], None] = lambda: None
) -> Rate:
    """Send `requests`, one sequence for each connection, round and round for `seconds`.

    All begin at the same moment, when `begun` is called: one that began before the others would find the
    server less busy.  A sequence of which each request may be sent once only (uploads) ends when it is
    used up.
    """
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(len(requests) + 1, timeout=START_SECONDS)
    with context.Pool(len(requests), _wait_at, (barrier,)) as pool:
        asking = pool.starmap_async(_ask, [(url, list(one), seconds) for one in requests], chunksize=1)
        barrier.wait()
        begun()
        found = asking.get()
    times = sorted(duration for durations, _size, _elapsed in found for duration in durations)
    elapsed = max(one[2] for one in found)
    return Rate(
        len(times) / elapsed,
        1000 * statistics.median(times),
        1000 * times[int(len(times) * 0.99)],
        sum(one[1] for one in found) / elapsed,
        len(times),
    )


def get(path: str, **headers: str) -> bytes:
    return _head("GET", path, headers)


def put(path: str, body: bytes, **headers: str) -> bytes:
    return _head("PUT", path, {"Content_Length": str(len(body)), **headers}) + body


def _head(method: str, path: str, headers: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _wait_at(barrier: Any) -> None:
    global _start  # noqa: PLW0603  # a pool hands a barrier over at the start of a process only
    _start = barrier


def _ask(url: str, requests: list[bytes], seconds: float) -> tuple[list[float], int, float]:
    """Times of each request, bytes received, and how long it all took."""
    once = requests[0].startswith(b"PUT")
    durations, received, place = [], 0, 0
    with Connection(url) as connection:
        _start.wait()
        began = now = time.perf_counter()
        while now - began < seconds and (place < len(requests) or not once):
            received += connection.exchange(requests[place % len(requests)])
            place += 1
            after = time.perf_counter()
            durations.append(after - now)
            now = after
    return durations, received, now - began


class _Ended(RuntimeError):
    """The server closed the connection."""


class Connection:
    """One kept-alive connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = str(parts.hostname), int(parts.port or 80)
        self._buffer = bytearray(1 << 20)
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.create_connection(self._address, timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._socket.close()

    def exchange(self, request: bytes) -> int:
        """Send a request, read the whole answer; its size.  Raises RuntimeError if it is no success."""
        try:
            found = self._begin(request)
        except (_Ended, ConnectionError):  # the peer's server ends one now and then, between two requests
            self._socket.close()
            self._connect()
            found = self._begin(request)
        while b"\r\n\r\n" not in found:
            found += self._read_some()
        head, _, rest = found.partition(b"\r\n\r\n")
        if not head.startswith((b"HTTP/1.1 20", b"HTTP/1.0 20")):
            raise RuntimeError(found[:300])
        size = len(rest)
        fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
        if b"content-length" in fields:
            left = int(fields[b"content-length"]) - size
            while left > 0:
                count = self._socket.recv_into(self._buffer)
                if not count:
                    raise RuntimeError("the connection ended early")
                left -= count
                size += count
            return size
        while not (rest.endswith(b"0\r\n\r\n")):  # chunked
            block = self._read_some()
            size += len(block)
            rest = (rest + block)[-16:]
        return size

    def _begin(self, request: bytes) -> bytes:
        """Send a request; the first bytes of its answer."""
        self._socket.sendall(request)
        return self._read_some()

    def _read_some(self) -> bytes:
        count = self._socket.recv_into(self._buffer)
        if not count:
            raise _Ended("the connection ended early")
        return bytes(self._buffer[:count])

"""Rows about PUT of small files; each of ours is durable before it is answered, filetracker's are not."""

import random
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from benchmarks.figures.downloads import BOTH, identity, noise, path_of
from benchmarks.figures.processor import SECONDS, cost
from benchmarks.figures.rows import Figures, Row
from benchmarks.figures.sites import Sites
from benchmarks.filetracker import upload
from benchmarks.load import START_SECONDS, Rate, measure, put

KIB = 1 << 10
CONNECTIONS = 8
MOST = 3000  # uploads of a connection in a turn


def new_files(connections: int) -> list[list[bytes]]:
    """Uploads of bytes that no turn had before."""
    data = noise(KIB - 16)
    return [
        [put("/noise.bin", data + secrets.token_bytes(16)) for _one in range(MOST)]
        for _c in range(connections)
    ]


def new_versions(connections: int) -> list[list[bytes]]:
    """The same for the tracker, as its client sends them: text, packed."""
    words = [f"{number:x}" for number in range(100_000, 100_300)]
    text = " ".join(random.Random(1).choices(words, k=KIB // 7)).encode()

    def one() -> bytes:
        name = secrets.token_hex(8)
        return upload(f"put/{name}", (name.encode() + text)[:KIB])

    return [[one() for _one in range(MOST // 2)] for _connection in range(connections)]


def _ours(sites: Sites, connections: int = CONNECTIONS, engine: str = "file") -> tuple[float, Rate]:
    site = sites.ours(engine)
    return cost(site.server.urls["upload"], new_files(connections), site.pids())


def to_filetracker(sites: Sites) -> Figures:
    url, pids = sites.filetracker()
    ours, theirs = _ours(sites)[0], cost(url, new_versions(CONNECTIONS), pids)[0]
    return Figures(ours / theirs, (ours, theirs))


def many_to_one(sites: Sites) -> Figures:
    one, many = _ours(sites, 1)[1].per_second, _ours(sites)[1].per_second
    return Figures(many / one, (many, one))


def tracker_to_filetracker(sites: Sites) -> Figures:
    url, pids = sites.filetracker()
    site = sites.ours()
    ours = cost(site.server.urls["tracker"].rstrip("/"), new_versions(CONNECTIONS), site.pids())[0]
    theirs = cost(url, new_versions(CONNECTIONS), pids)[0]
    return Figures(ours / theirs, (ours, theirs))


def waiting_beside(sites: Sites) -> Figures:
    """The slowest hundredth of downloads while eight connections upload, and alone."""
    site = sites.ours()
    public, path = site.server.urls["public"], path_of(site, noise(KIB))
    alone = measure(public, identity(path, 1), SECONDS).p99_ms
    begun = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        uploads = site.server.urls["upload"], new_files(CONNECTIONS)
        uploading = pool.submit(measure, *uploads, 3 * SECONDS, begun.set)
        begun.wait(START_SECONDS)
        beside = measure(public, identity(path, 1), SECONDS).p99_ms
        uploading.result()
    return Figures(beside / alone, (beside, alone))


def by_two_workers(sites: Sites) -> Figures:
    two, one = _ours(sites, engine="two_workers")[1].per_second, _ours(sites)[1].per_second
    return Figures(two / one, (two, one))


def by_threads(engine: str) -> Callable[[Sites], Figures]:
    """A turn that compares a number of the application's threads with the default, 4."""

    def turn(sites: Sites) -> Figures:
        (cost_there, there), (cost_here, here) = _ours(sites, engine=engine), _ours(sites)
        parts = (cost_there, there.per_second, cost_here, here.per_second)
        return Figures(there.per_second / here.per_second, parts)

    return turn


COST_AND_RATE = "{:.0f} us {:.0f}/s, 4 threads {:.0f} us {:.0f}/s"

ROWS = (
    Row(
        "PUT 1 KiB by 2 workers, throughput to one process", ">= 1", by_two_workers, "{:.0f}/s, one {:.0f}/s"
    ),
    Row("PUT 1 KiB by 2 threads, throughput to 4", "", by_threads("two_threads"), COST_AND_RATE),
    Row("PUT 1 KiB by 8 threads, throughput to 4", "", by_threads("eight_threads"), COST_AND_RATE),
    Row("PUT 1 KiB, 8 connections, cost to filetracker (not durable)", "<= 1.0", to_filetracker, BOTH),
    Row("PUT 1 KiB, throughput of 8 connections to 1", ">= 2", many_to_one, "{:.0f}/s, one {:.0f}/s"),
    Row("PUT 1 KiB tracker, packed text, cost to filetracker", "<= 1.3", tracker_to_filetracker, BOTH),
    Row(
        "GET 1 KiB beside 8 that PUT, p99 to alone",
        "<= 2.5",
        waiting_beside,
        "{:.2f} ms, alone {:.2f} ms",
    ),
)

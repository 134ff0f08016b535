"""Rows about GET."""

import random
from contextlib import ExitStack
from urllib.parse import urlsplit

from benchmarks.figures.processor import cost
from benchmarks.figures.rows import Figures, Row
from benchmarks.figures.sites import Ours, Sites
from benchmarks.filetracker import upload
from benchmarks.load import Connection, get, measure

KIB, MIB = 1 << 10, 1 << 20
CONNECTIONS = 8
IDLE = 1000


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def path_of(ours: Ours, data: bytes) -> str:
    """Upload bytes to the public space; the path that they are downloaded from."""
    answer = ours.server.request("PUT", ours.server.urls["upload"] + "noise.bin", body=data)
    return urlsplit(answer.json()["url"]).path


def identity(path: str, connections: int = CONNECTIONS) -> list[list[bytes]]:
    return [[get(path, Accept_Encoding="identity")]] * connections


def _ours(sites: Sites, engine: str = "file") -> float:
    ours = sites.ours(engine)
    return cost(ours.server.urls["public"], identity(path_of(ours, noise(KIB))), ours.pids())[0]


def _tracked(sites: Sites, url: str, pids: list[int]) -> float:
    if sites.is_first(url):
        measure(url, [[upload("bench/kib", noise(KIB))]], 1)
    return cost(url, identity("/files/bench/kib"), pids)[0]


def _filetracker(sites: Sites) -> float:
    return _tracked(sites, *sites.filetracker())


def to_nginx(sites: Sites) -> Figures:
    nginx, pids = sites.nginx()
    ours, theirs = _ours(sites), cost(nginx.url, identity(nginx.add(noise(KIB))), pids)[0]
    return Figures(ours / theirs, (ours, theirs))


def to_filetracker(sites: Sites) -> Figures:
    theirs, ours = _filetracker(sites), _ours(sites)
    return Figures(ours / theirs, (ours, theirs))


def tracker_to_filetracker(sites: Sites) -> Figures:
    site, theirs = sites.ours(), _filetracker(sites)
    ours = _tracked(sites, site.server.urls["tracker"].rstrip("/"), site.pids())
    return Figures(ours / theirs, (ours, theirs))


def on_zeo(sites: Sites) -> Figures:
    there, here = _ours(sites, "zeo"), _ours(sites)
    return Figures(there / here, (there, here))


def on_postgres(sites: Sites) -> Figures:
    there, here = _ours(sites, "postgres"), _ours(sites)
    return Figures(there / here, (there, here))


def by_two_workers(sites: Sites) -> Figures:
    two, one = _ours(sites, "two_workers"), _ours(sites)
    return Figures(two / one, (two, one))


def beside_idle(sites: Sites) -> Figures:
    site = sites.ours()
    alone, path = _ours(sites), path_of(site, noise(KIB))
    with ExitStack() as stack:
        for _one in range(IDLE):
            # It has had an answer: what a connection costs when it comes is no part of what it costs later.
            stack.enter_context(Connection(site.server.urls["public"])).exchange(get(path))
        beside = _ours(sites)
    return Figures(beside / alone, (beside, alone))


def large_to_nginx(sites: Sites) -> Figures:
    nginx, pids = sites.nginx()
    site, data = sites.ours(), noise(10 * MIB)
    ours = cost(site.server.urls["public"], identity(path_of(site, data), 2), site.pids())[1]
    theirs = cost(nginx.url, identity(nginx.add(data), 2), pids)[1]
    return Figures(ours.per_second / theirs.per_second, (ours.per_second, theirs.per_second))


BOTH = "{:.0f} us, the other {:.0f} us"
ROWS = (
    Row("GET 1 KiB public, cost to nginx", "<= 2.5", to_nginx, BOTH),
    Row("GET 1 KiB public, cost to filetracker", "<= 0.2", to_filetracker, BOTH),
    Row("GET 1 KiB tracker, cost to filetracker", "<= 0.25", tracker_to_filetracker, BOTH),
    Row("GET 1 KiB public on zeo://, cost to FileStorage", "<= 1.2", on_zeo, BOTH),
    Row("GET 1 KiB public on postgres://, cost to FileStorage", "<= 1.2", on_postgres, BOTH),
    Row("GET 1 KiB public beside 1,000 idle, cost to alone", "<= 1.1", beside_idle, BOTH),
    Row("GET 1 KiB public by 2 workers, cost to one process", "<= 1.15", by_two_workers, BOTH),
    Row("GET 10 MiB, throughput to nginx", ">= 0.95", large_to_nginx, "{:.0f}/s, nginx {:.0f}/s"),
)

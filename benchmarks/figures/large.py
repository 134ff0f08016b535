"""Rows about a large PUT, against hashing it three times and writing it durably once."""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.figures.downloads import noise
from benchmarks.figures.rows import Figures, Row
from benchmarks.figures.sites import Missing, Sites

MIB, GIB = 1 << 20, 1 << 30
BLOCK = 16 * MIB


def pieces() -> Iterator[bytes]:
    """1 GiB."""
    block = noise(BLOCK)
    for number in range(GIB // BLOCK):
        block = number.to_bytes(8) + block[8:]
        yield from (block[start : start + MIB] for start in range(0, BLOCK, MIB))


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def hash_three_times(source: Path) -> None:
    hashes = [hashlib.sha256(), hashlib.sha1(), hashlib.md5()]
    with source.open("rb") as file:
        while block := file.read(MIB):
            for one in hashes:
                one.update(block)


def write_durably(source: Path, target: Path) -> None:
    with source.open("rb") as file, target.open("wb", buffering=0) as copy:
        while block := file.read(MIB):
            copy.write(block)
        os.fsync(copy.fileno())
    target.unlink()


def _bytes_written(pid: int) -> int:
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


def _upload(sites: Sites, source: Path) -> None:
    server = sites.ours().server
    with source.open("rb") as file:
        url, size = server.urls["upload"] + "large.bin", {"Content-Length": str(GIB)}
        answer = server.request("PUT", url, body=file, headers=size)
    if answer.status != 201:  # Created
        raise Missing(f"PUT 1 GiB is answered {answer.status}")


_written: list[float] = []  # of each turn, for the row behind the one that measures the time


def large(sites: Sites) -> tuple[float, float, float, float]:
    """Seconds of the upload, of the hashes and of the write, and bytes written to body."""
    server = sites.ours().server
    with tempfile.TemporaryDirectory(dir=server.folder) as name:
        source = Path(name, "source")
        with source.open("wb") as file:
            file.writelines(pieces())
        hashing = seconds(lambda: hash_three_times(source))
        writing = seconds(lambda: write_durably(source, Path(name, "copy")))
        before = _bytes_written(server.pid)
        took = seconds(lambda: _upload(sites, source))
        return took, hashing, writing, (_bytes_written(server.pid) - before) / GIB


def time_to_floor(sites: Sites) -> Figures:
    took, hashing, writing, written = large(sites)
    _written.append(written)
    return Figures(took / max(hashing, writing), (took, hashing, writing))


def written_to_body(sites: Sites) -> Figures:
    return Figures(_written.pop(0) if _written else large(sites)[3])


ROWS = (
    Row(
        "PUT 1 GiB, time to the larger of three hashes and a write",
        "<= 1.1",
        time_to_floor,
        "{:.2f} s, hashes {:.2f} s, durable write {:.2f} s",
    ),
    Row("PUT 1 GiB, bytes written to body", "<= 1.02", written_to_body),
)

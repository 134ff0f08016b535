"""A byte store that receives, beside what the hashes and a durable write take alone.

Alone: bin/py -m benchmarks receiving

Processor time is user and system of this process; wall time means something on an idle machine only.
"""

import hashlib
import io
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from librarian.clock import SystemClock
from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import IByteStore

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
PIECE = 256 * KIB
TURNS = 5
SMALL_FILES = 1000


class Cost(NamedTuple):
    wall: float  # seconds
    processor: float  # seconds
    written: int  # bytes

    @classmethod
    def of(cls, work: Callable[[], object]) -> "Cost":
        wall, processor, written = time.perf_counter(), time.process_time(), _bytes_written()
        work()
        return cls(time.perf_counter() - wall, time.process_time() - processor, _bytes_written() - written)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="librarian-bench-") as name:
        store: IByteStore = DiskStore(Path(name, "store"), SystemClock())
        show_large(store, Path(name, "copy"))
        show_small(store)


def show_large(store: IByteStore, copy: Path) -> None:
    """1 GiB in pieces, in turn with the hashes alone and the durable write alone; medians."""
    hashes, writes, receives = [], [], []
    for _turn in range(TURNS):
        hashes.append(Cost.of(_hash_three_times))
        writes.append(Cost.of(lambda: _write_durably(copy)))
        receives.append(Cost.of(lambda: _receive(store)))
    for title, costs in (("three hashes", hashes), ("durable write", writes), ("receive, keep", receives)):
        wall, processor = median(cost.wall for cost in costs), median(cost.processor for cost in costs)
        print(f"1 GiB  {title:<14} {wall:6.2f} s  processor {processor:5.2f} s", flush=True)
    larger = [max(one.wall, other.wall) for one, other in zip(hashes, writes, strict=True)]
    ratio = median(cost.wall for cost in receives) / median(larger)
    alone = median(one.processor + other.processor for one, other in zip(hashes, writes, strict=True))
    print(f"1 GiB  to the larger of the two: {ratio:.2f};", end=" ")
    print(f"processor to both: {median(cost.processor for cost in receives) / alone:.2f};", end=" ")
    print(f"bytes written to body: {median(cost.written for cost in receives) / GIB:.3f}")


def show_small(store: IByteStore) -> None:
    """put() of 1 KiB; file and folder are fsynced for each."""
    data = random.Random(2).randbytes(KIB - 8)

    def put() -> None:
        for number in range(SMALL_FILES):
            store.put(io.BytesIO(data + (first + number).to_bytes(8)))

    costs = []
    for turn in range(TURNS):
        first = turn * SMALL_FILES
        costs.append(Cost.of(put))
    wall, processor = median(cost.wall for cost in costs), median(cost.processor for cost in costs)
    micro = 1e6 / SMALL_FILES
    print(f"1 KiB  put            {wall * micro:6.0f} us processor {processor * micro:5.0f} us")


def _pieces() -> Iterator[bytes]:
    block = random.Random(1).randbytes(16 * MIB)
    for start in range(0, GIB, PIECE):
        offset = start % len(block)
        yield block[offset : offset + PIECE]


def _hash_three_times() -> None:
    hashes = [hashlib.sha256(), hashlib.sha1(), hashlib.md5()]
    for piece in _pieces():
        for one in hashes:
            one.update(piece)


def _write_durably(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for piece in _pieces():
            file.write(piece)
        os.fsync(file.fileno())
    path.unlink()


def _receive(store: IByteStore) -> None:
    receiving = store.receive(GIB)
    for piece in _pieces():
        receiving.write(piece)
    stored = store.keep(receiving.finish())
    store.remove(stored.sha256)


def _bytes_written() -> int:
    """By this process so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


if __name__ == "__main__":
    main()

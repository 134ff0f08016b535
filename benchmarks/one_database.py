"""How many uploads one database names: a simulation of processes whose commits take turns.

bin/py -m benchmarks.one_database [commit=MS] [upload=MS] [work=MS]

A process, such as a worker of a node, names what waits in one transaction at a time
(`librarian.tree.together`), at most MOST uploads.  It does their work beside the others; then the database,
which lets in one commit after the other, takes `commit` and `upload` for each.  Where another process has
committed meanwhile and both split the same bucket, all is done again.  Arithmetic gives the limit of each
part; what waiting, batches and conflicts make of them together it does not.  benchmarks.together measures
the costs; docs/scaling.md has what came of it.
"""

import math
import random
import sys
from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush

from librarian.tree.indexes import LEAF
from librarian.tree.together import MOST

COMMIT_MS, UPLOAD_MS, WORK_MS = 3.0, 0.3, 2.5
PROCESSES = (1, 2, 4, 8, 16)
RATES = (100, 200, 400, 800, 1200, 1600)  # uploads a second, of all processes
LIBRARIES = (10**4, 10**6, 10**9)  # files
SECONDS = 10.0  # of each run, in simulated time
INDEXES = 4  # random keys that an upload puts into trees: id, SHA-256, SHA-1, content and id
SPLITS = 2 / LEAF  # of the entries that are put into a bucket, which is split in halves when it is full
CROWDED_MS = 1000.0  # an upload that waits longer is one too many


@dataclass
class Process:
    """The uploads of a process that wait, and those that it is committing."""

    waiting: deque[float] = field(default_factory=deque)  # the times at which they came, in ms
    batch: list[float] = field(default_factory=list)
    begun: float = 0.0


@dataclass
class Costs:
    """Milliseconds."""

    commit: float = COMMIT_MS  # the database, for each transaction
    upload: float = UPLOAD_MS  # the database, for each upload in it
    work: float = WORK_MS  # the process, for each upload

    def limit(self) -> float:
        """Uploads a second at which the database does nothing else, if all transactions are full."""
        return 1000 * MOST / (self.commit + MOST * self.upload)


class Database:
    """Lets in one commit after the other, in the order in which they come."""

    def __init__(self, files: int, costs: Costs, chance: random.Random) -> None:
        self.free_at = 0.0
        self.conflicts = self.transactions = 0
        self._buckets = files / (0.7 * LEAF)
        self._costs, self._chance = costs, chance
        self._done: deque[tuple[float, int]] = deque(maxlen=1000)  # when, and how many uploads

    def commit(self, process: Process, now: float) -> tuple[float, bool]:
        """When the commit that comes now has ended, and whether it was done."""
        start = max(now, self.free_at)
        others = sum(number for when, number in self._done if when > process.begun)
        meeting = others * len(process.batch) * INDEXES * SPLITS / self._buckets
        fails = self._chance.random() < 1 - math.exp(-meeting)
        self.transactions += 1
        self.conflicts += fails
        took = self._costs.commit + (0 if fails else self._costs.upload * len(process.batch))
        self.free_at = start + took
        if not fails:
            self._done.append((self.free_at, len(process.batch)))
        return self.free_at, not fails


@dataclass
class Outcome:
    """Of one run: how long uploads waited until they were named, in ms, and the share of conflicts."""

    median: float
    p99: float
    conflicts: float


def run(processes: int, rate: float, files: int, costs: Costs) -> Outcome:
    """`rate` uploads a second come to so many `processes` for SECONDS, at random."""
    chance = random.Random(1)  # no secret
    database, every = Database(files, costs, chance), [Process() for _ in range(processes)]
    events: list[tuple[float, int, str]] = []  # when, number of the process, what
    took: list[float] = []

    def begin(number: int, now: float) -> None:
        process = every[number]
        if not process.batch:
            process.batch = [process.waiting.popleft() for _ in range(min(MOST, len(process.waiting)))]
        process.begun = now
        if process.batch:
            heappush(events, (now + costs.work * len(process.batch), number, "commit"))

    def arrive(number: int, now: float) -> None:
        every[number].waiting.append(now)
        if not every[number].batch:
            begin(number, now)

    def commit(number: int, now: float) -> None:
        ended, done = database.commit(every[number], now)
        heappush(events, (ended, number, "done" if done else "again"))

    def done(number: int, now: float) -> None:
        took.extend(now - came for came in every[number].batch)
        every[number].batch = []
        begin(number, now)

    deeds = {"arrive": arrive, "commit": commit, "done": done, "again": begin}
    now = 0.0
    while now < 1000 * SECONDS:
        now += chance.expovariate(rate / 1000)
        heappush(events, (now, chance.randrange(processes), "arrive"))
    while events:
        now, number, what = heappop(events)
        deeds[what](number, now)
    took.sort()
    return Outcome(
        took[len(took) // 2], took[len(took) * 99 // 100], database.conflicts / database.transactions
    )


def main() -> None:
    given = dict(word.partition("=")[::2] for word in sys.argv[1:])
    costs = Costs(**{name: float(value) for name, value in given.items()})
    print(f"{costs}; with full transactions {costs.limit():.0f} uploads a second")
    for files in LIBRARIES:
        print(f"{files} files: ms until named, median and p99 (share of transactions done again)")
        print(f"{'uploads/s':>10}" + "".join(f"{f'{number} processes':>20}" for number in PROCESSES))
        for rate in RATES:
            cells = [run(number, rate, files, costs) for number in PROCESSES]
            print(f"{rate:>10}" + "".join(f"{_cell(cell):>20}" for cell in cells), flush=True)


def _cell(found: Outcome) -> str:
    if found.median > CROWDED_MS:
        return "too many"
    return f"{found.median:.0f} {found.p99:.0f} ({100 * found.conflicts:.0f} %)"


if __name__ == "__main__":
    main()

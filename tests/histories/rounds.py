"""Rounds: many clients at a time work on a few objects, with faults in between; then it is judged."""

import random
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.histories.by_utilities import Process
from tests.histories.faults import AFTERWARDS, LEAP, Site
from tests.histories.history import Operation, Pen, by_subject, read_history
from tests.histories.linearizable import Violation, violation
from tests.histories.models import MODELS
from tests.histories.over_http import Browser, Client, Subject
from tests.histories.subjects import Maker

HTTP_CLIENTS = 6  # threads
PROCESSES = 2  # that use the utilities
PER_OBJECT = 250  # operations, about
PER_LINK = 60
SILENCE = 90.0  # seconds, after which a round is given up
_rounds = count()


@dataclass
class Outcome:
    """What a round, or several, came to."""

    operations: Counter[str] = field(default_factory=Counter)  # by kind
    unanswered: int = 0
    violations: list[Violation] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)  # answers that nothing explains, clients that ended
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether every answer is explained."""
        return not (self.violations or self.troubles)

    def add(self, other: "Outcome") -> None:
        """Add what another came to."""
        self.operations += other.operations
        self.unanswered += other.unanswered
        self.violations += other.violations
        self.troubles += other.troubles
        self.seconds += other.seconds

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {number}" for kind, number in sorted(self.operations.items()))
        told = f"{self.operations.total()} operations in {self.seconds:.0f} s, {self.unanswered} unanswered"
        return f"{told}: {len(self.violations)} violations, {len(self.troubles)} troubles ({kinds})"


def judged(operations: Sequence[Operation]) -> Outcome:
    """What a history comes to."""
    found = Outcome(Counter(each.kind for each in operations))
    found.unanswered = sum(each.answered is None for each in operations)
    for kind, history in by_subject(operations):
        if wrong := violation(history, MODELS[kind].initial, MODELS[kind].step):
            found.violations.append(wrong)
    return found


def run_round(
    site: Site,
    wanted: int,
    seed: str,
    *,
    faults: bool = True,
    keep: bool = True,
    kinds: Sequence[str] = tuple(MODELS),
) -> Outcome:
    """A round of at least so many operations, judged.  With `keep` what is not explained is kept."""
    folder, begun = Path(tempfile.mkdtemp(prefix="librarian-history-")), time.monotonic()
    work = Round(site, folder, wanted, seed, tuple(MODELS))
    work.run(faults)
    found = judged(read_history(folder))
    found.troubles, found.seconds = work.troubles, time.monotonic() - begun
    if found.violations and keep:
        found.troubles.append(f"the histories are in {folder}")
    else:
        shutil.rmtree(folder)
    return found


class Round:
    """One round, whose clients write into `folder`."""

    def __init__(self, site: Site, folder: Path, wanted: int, seed: str, kinds: Sequence[str]) -> None:
        self._site = site
        self._folder = folder
        self._wanted = wanted
        self._seed = seed
        self._number = next(_rounds)
        self._pens: list[Pen] = []  # of the clients over HTTP
        self._ended = threading.Event()
        self._names = count()
        self._processes: list[Process] = []
        self._pen = Pen(folder / "maker.history", f"{self._number} maker")
        self.troubles: list[str] = []
        self._browser = Browser(site.nodes, site.token)
        self._subjects = self._made(kinds)

    def _made(self, kinds: Sequence[str]) -> list[Subject]:
        self._site.move_clock(0)
        maker = Maker(self._browser, self._site.server, self._pen, self._number, random.Random(self._seed))
        share = self._wanted // len(kinds)
        each = {kind: max(2, share // (PER_LINK if kind == "link" else PER_OBJECT)) for kind in kinds}
        return maker.make(each)

    def run(self, faults: bool) -> None:
        """Let all clients work."""
        self._browser.close()
        threads = [threading.Thread(target=self._client, args=(number,)) for number in range(HTTP_CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            self._begin_processes()
            self._harm(self._faults() if faults else [])
        finally:
            self._ended.set()
            (self._folder / "stop").touch()
            for thread in threads:
                thread.join()
        self._end_processes(may_have_failed=faults)

    def _harm(self, steps: list[Callable[[], None]]) -> None:
        """One step after the other, with operations before, between and after them."""
        for number, step in enumerate(steps, 1):
            self._wait_until(self._wanted * number // (len(steps) + 1))
            step()
        self._wait_until(self._wanted)

    def _faults(self) -> list[Callable[[], None]]:
        site = self._site
        return [
            site.kill_process,
            lambda: site.move_clock(LEAP),
            self._kill_client,
            self._restart_engine,
            lambda: site.move_clock(AFTERWARDS),
        ]

    @property
    def _progress(self) -> int:
        """The operations that were answered: one that is refused while a server starts is none."""
        return sum(pen.answered for pen in self._pens)

    def _wait_until(self, operations: int) -> None:
        last, since = self._progress, time.monotonic()
        while self._progress < operations and not self.troubles:
            time.sleep(0.02)
            if self._progress > last:
                last, since = self._progress, time.monotonic()
            if time.monotonic() > since + SILENCE:
                self.troubles.append(f"no operation came to an end in {SILENCE:.0f} s")

    def _client(self, number: int) -> None:
        """One client over HTTP, in this thread."""
        try:
            self._work(number)
        except Exception as error:  # noqa: BLE001  # in a thread it would be seen by nothing
            self.troubles.append(f"http{number}: {type(error).__name__}: {error}")

    def _work(self, number: int) -> None:
        chance = random.Random(f"{self._seed} {number}")
        pen = Pen(self._folder / f"http{number}.history", f"{self._number} http{number}")
        self._pens.append(pen)
        browser = Browser(self._site.nodes, self._site.token)
        client = Client(browser, pen, chance)
        subjects: dict[str, list[Subject]] = {}
        for subject in self._subjects:
            if subject.kind != "claim":  # which only probers do, by the utilities
                subjects.setdefault(subject.kind, []).append(subject)
        kinds = sorted(subjects)
        while not self._ended.is_set():
            client.work_on(chance.choice(subjects[chance.choice(kinds)]))
        browser.close()
        pen.close()

    # Processes that use the utilities

    def _begin_processes(self) -> None:
        while len(self._processes) < PROCESSES:
            name = f"process{self._number}-{next(self._names)}"
            self._processes.append(
                Process(
                    name,
                    self._site.server.ini,
                    self._folder,
                    self._subjects,
                    self._site.first,
                    random.Random(f"{self._seed} {name}").randrange(1 << 30),
                )
            )

    def _kill_client(self) -> None:
        """Kill one of the processes; what it has claimed is void."""
        self._kill(self._processes.pop(0))
        self._begin_processes()

    def _kill(self, process: Process) -> None:
        claims = [subject.name for subject in self._subjects if subject.kind == "claim"]
        dying = [self._pen.begin("claim", name, ("died", process.name)) for name in claims]
        process.kill()
        for number in dying:
            self._pen.answer(number, ("done",))

    def _restart_engine(self) -> None:
        """With all processes, where one that has the tree open would keep the server from starting."""
        if self._site.engine_is_server:
            while self._processes:
                self._kill(self._processes.pop())
        self._site.restart_engine()
        self._processes = [process for process in self._processes if not process.has_ended()]
        self._begin_processes()

    def _end_processes(self, may_have_failed: bool) -> None:
        for process in self._processes:
            status = process.wait()
            if status and not may_have_failed:
                self.troubles.append(f"{process.name} ended with {status}: {process.told()}")

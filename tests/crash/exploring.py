"""Many states of recorded scenes, each judged; and the syncs without which something is lost."""

import random
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from tests.crash.judging import Expected, Judge
from tests.crash.operations import Sync
from tests.crash.recording import Recording, record
from tests.crash.scenes import Scene
from tests.crash.states import MODELS, Believes, Model, State, States

MEMORY = Path("/dev/shm")  # noqa: S108  # where a state is made: no disk has to wait for it

# The parts of a path that differ from run to run: kinds of syncs are told apart by what is left.
_DIFFERENT = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "DIGEST"),
    (re.compile(r"\b[0-9a-f]{2}/[0-9a-f]{2}\b"), "ab/cd"),
    (re.compile(r"(?<=bytes/)[0-9a-f]{2}$"), "ab"),
    (re.compile(r"\b[0-9a-f]{16,40}\b"), "RANDOM"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d+Z"), "TIME"),
    (re.compile(r"(?<=\.)\d+(?=\.unfinished$)"), "PID"),
)


def kind_of(sync: Sync) -> str:
    """The path of what is synced, without what differs from run to run: ``bytes/incoming/RANDOM``."""
    path = sync.path
    for pattern, instead in _DIFFERENT:
        path = pattern.sub(instead, path)
    return path


def without(kind: str) -> Believes:
    """Syncs of this kind do nothing."""
    return lambda sync: kind_of(sync) != kind


def kinds_of(recording: Recording) -> list[str]:
    """The kinds of syncs in a recording, in the order in which they come first."""
    syncs = (operation for operation in recording.operations if isinstance(operation, Sync))
    return list(dict.fromkeys(map(kind_of, syncs)))


@dataclass(frozen=True)
class Fault:
    """A state that is not as it should be."""

    scene: str
    state: State
    after: str  # the last operation before the cut
    lost: tuple[str, ...]  # the operations that are missing
    what: tuple[str, ...]

    def __str__(self) -> str:
        told = f"{self.scene}, {self.state.model}, cut {self.state.cut} after {self.after}"
        missing = f"  without {'; '.join(self.lost[:6])}{' ...' if len(self.lost) > 6 else ''}"
        return "\n".join((told, missing, *(f"  {line}" for line in self.what[:4])))


@dataclass
class Report:
    """What became of the states."""

    states: int = 0
    refusals: dict[str, int] = field(default_factory=dict)  # sentence without numbers -> how often
    faults: list[Fault] = field(default_factory=list)

    def refused(self, sentence: str) -> None:
        """Count a library that opened only after the documented command."""
        known = re.sub(r"\S*/\S*", "PATH", re.sub(r"\d+", "N", sentence))
        self.refusals[known] = self.refusals.get(known, 0) + 1


class Explorer:
    """The states of one recorded scene."""

    def __init__(self, scene: type[Scene], recording: Recording) -> None:
        self.scene = scene
        self.recording = recording

    @classmethod
    def of(cls, scene: type[Scene]) -> "Explorer":
        """Record a scene."""
        with tempfile.TemporaryDirectory(prefix="librarian-crash-") as folder:
            site = Path(folder) / "site"
            site.mkdir()
            scene.prepare(site)
            return cls(scene, record(Path(folder), lambda site, words: scene(site, words).run()))

    def sampled(
        self, number: int, seed: str, models: Iterable[Model] = MODELS
    ) -> Iterator[tuple[States, State]]:
        """So many states of different content, by chance, from all cuts and all models in turn."""
        chance, seen = random.Random(seed), set[tuple[bytes, int]]()
        all_states = [States(self.recording, model) for model in models]
        for attempt in range(20 * number):
            if len(seen) == number:
                return
            states = all_states[attempt % len(all_states)]
            state = self._one(states, chance)
            key = states.disk(state).digest(), len(states.said(state.cut))
            if key not in seen:
                seen.add(key)
                yield states, state

    @staticmethod
    def _one(states: States, chance: random.Random) -> State:
        cut = chance.choice(states.words() if chance.random() < 0.5 else states.cuts())
        if chance.random() < 0.5:
            return chance.choice(list(states.plain(cut)))
        return states.chosen(cut, chance.randrange(1 << 32))

    def decisive(self, believes: Believes, models: Iterable[Model]) -> Iterator[tuple[States, State]]:
        """The states that need no chance: those behind each word, the last first, by which most is promised;
        then all others."""
        seen = set[tuple[bytes, int]]()
        all_states = [States(self.recording, model, believes) for model in models]
        for cuts in (States.words, States.cuts):
            for states in all_states:
                for cut in reversed(cuts(states)):
                    for state in states.plain(cut):
                        key = states.disk(state).digest(), len(states.said(cut))
                        if key not in seen:
                            seen.add(key)
                            yield states, state

    def notices(self, kind: str, model: Model, most: int) -> Fault | None:
        """The first fault, in so many states at most, where syncs of a kind do nothing."""
        found = islice(self.decisive(without(kind), (model,)), most)
        return next(self.judge(found, Report()), None)

    def judge(self, found: Iterable[tuple[States, State]], report: Report) -> Iterator[Fault]:
        """The faults among some states, each as it is found; they are counted in the report."""
        for states, state in found:
            report.states += 1
            if what := self.look(states, state, report):
                fault = Fault(self.scene.__name__, state, self._after(state), self._lost(state), tuple(what))
                report.faults.append(fault)
                yield fault

    def look(self, states: States, state: State, report: Report) -> list[str]:
        """Judge one state."""
        folder = Path(tempfile.mkdtemp(prefix="librarian-state-", dir=MEMORY if MEMORY.is_dir() else None))
        try:
            states.disk(state).write_to(folder / "site")
            restarted = state.model != "killed"
            judge = Judge(folder / "site", Expected(states.said(state.cut)), restarted=restarted)
            what = judge.faults()
            for sentence in judge.refusals:
                report.refused(sentence)
            return what
        finally:
            shutil.rmtree(folder)

    def _after(self, state: State) -> str:
        return _told(self, state.cut - 1) if state.cut else "nothing"

    def _lost(self, state: State) -> tuple[str, ...]:
        return tuple(_told(self, index) for index in sorted(state.lost))


def _told(explorer: Explorer, index: int) -> str:
    """An operation in a few words, with paths instead of inodes where they have one at the end."""
    operation = explorer.recording.operations[index]
    paths = {inode: path for path, inode in explorer.recording.after.walk()}
    text = repr(operation)
    text = re.sub(r"inode=(\d+)", lambda match: paths.get(int(match[1]), match[0]), text)
    text = re.sub(r"\((\d+), '", lambda match: f"({paths.get(int(match[1]), match[1])!r}, '", text)
    return f"#{index} {text if len(text) < 160 else text[:157] + '...'}"

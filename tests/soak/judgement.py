"""Whether a run was good: pure functions of what was seen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.soak.samples import Sample
from tests.soak.watch import Span, Trouble, is_excused

WARM = 120.0  # seconds of a process in which its caches fill, and which are not judged
LEAST_JUDGED = 600.0  # seconds; what grows within less is not told from what fluctuates

#: The most that all processes together may grow in an hour, and why not nothing.
BOUNDS = {
    "memory": 100.0,  # MiB: caches of objects, and a table entry of 2 KiB for each file that was downloaded
    "descriptors": 15.0,  # by the chance of what is open when it is looked at
    "threads": 4.0,
}


@dataclass
class Run:
    """What was seen."""

    length: float  # seconds
    samples: list[Sample]
    troubles: list[Trouble]
    disturbances: list[Span]
    slow: list[Span] = field(default_factory=list)
    complaints: list[tuple[Span, str]] = field(default_factory=list)  # of the server's log
    lost: list[str] = field(default_factory=list)  # at the end, and what is found that should be gone
    lost_in_backup: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)  # what commands at the end complain of
    counts: dict[str, int] = field(default_factory=dict)  # operations by kind


def faults(run: Run) -> list[str]:
    """What is wrong, a line each; nothing, if all is well."""
    return [
        *(f"lost: {each}" for each in run.lost),
        *(f"lost in the backup: {each}" for each in run.lost_in_backup),
        *(f"check: {each}" for each in run.checks),
        *(told(each) for each in run.troubles if not is_excused(each, run.disturbances)),
        *(f"{each.ended - each.begun:.0f} s: {each.what} at {each.begun:.0f} s" for each in hanging(run)),
        *(f"log at {span.ended:.0f} s: {line}" for span, line in run.complaints if alone(span, run)),
        *(f"grows: {name} by {rate:+.1f} an hour" for name, rate in growing(run.samples)),
        *(f"never done: {kind}" for kind in unanswered(run)),
    ]


def told(trouble: Trouble) -> str:
    """A line."""
    span, word = trouble.span, "wrong" if trouble.is_wrong else "failed"
    return f"{word}: {span.what} at {span.begun:.0f} to {span.ended:.0f} s: {trouble.detail}"


def hanging(run: Run) -> list[Span]:
    """Operations that took too long while nothing was the matter."""
    return [each for each in run.slow if alone(each, run)]


def alone(span: Span, run: Run) -> bool:
    """Whether the server was not disturbed then."""
    return not any(span.meets(each) for each in run.disturbances)


def growing(samples: Sequence[Sample]) -> list[tuple[str, float]]:
    """What grows beyond its bound, and by how much in an hour."""
    rates = growth(samples)
    return [(name, rate) for name, rate in rates.items() if rate > BOUNDS[name]]


def growth(samples: Sequence[Sample]) -> dict[str, float]:
    """How much each figure grows in an hour, as long as no process is new; empty if that was too short."""
    settled = judged(samples)
    if sum(one[-1].at - one[0].at for one in settled) < LEAST_JUDGED:
        return {}
    readers: dict[str, Callable[[Sample], float]] = {
        "memory": lambda sample: sample.memory,
        "descriptors": lambda sample: sample.descriptors,
        "threads": lambda sample: sample.threads,
    }
    return {name: 3600 * slope(settled, read) for name, read in readers.items()}


def judged(samples: Sequence[Sample]) -> list[list[Sample]]:
    """The samples of each life without its warm-up, where there are several left."""
    lives: dict[int, list[Sample]] = {}
    for sample in samples:
        lives.setdefault(sample.life, []).append(sample)
    settled = [[each for each in life if each.at >= life[0].at + WARM] for life in lives.values()]
    return [life for life in settled if len(life) > 1]


def slope(lives: Sequence[Sequence[Sample]], read: Callable[[Sample], float]) -> float:
    """Least squares over all lives, each with a level of its own; a second."""
    above = below = 0.0
    for life in lives:
        mean = sum(each.at for each in life) / len(life)
        level = sum(map(read, life)) / len(life)
        above += sum((each.at - mean) * (read(each) - level) for each in life)
        below += sum((each.at - mean) ** 2 for each in life)
    return above / below if below else 0.0


def unanswered(run: Run) -> list[str]:
    """Kinds of operations of which none succeeded: a load that is none proves nothing."""
    failed: dict[str, int] = {}
    for trouble in run.troubles:
        failed[trouble.span.what] = failed.get(trouble.span.what, 0) + 1
    return [kind for kind, number in run.counts.items() if failed.get(kind, 0) >= number]

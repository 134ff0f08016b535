"""The result of a run: kept as JSON, told as a table, and written into docs/proof.md with a plot."""

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from tests.soak.judgement import BOUNDS, Run, growth
from tests.soak.plot import plotted
from tests.soak.samples import Sample, quantile
from tests.soak.watch import Span, Trouble, is_excused

PAGE, PLOT = Path("docs/proof.md"), Path("docs/hours.svg")
BEGIN, END = "<!-- hours: made by bin/py -m tests.soak write=1 -->", "<!-- hours: end -->"


@dataclass
class Result:
    """All that is to be told."""

    run: Run
    faults: list[str]
    facts: dict[str, Any]  # date, seed, workers, versions
    times: dict[str, list[float]]  # seconds: median, 99th percentile and slowest, by kind of operation
    jobs: dict[str, list[float]]  # how often, and the median and the most seconds
    compared: int = 0
    compared_restored: int = 0
    backup: list[float] = field(
        default_factory=list
    )  # begin and end of the last one, seconds since the start
    stored: list[float] = field(default_factory=list)  # MiB of tree and store at the end

    def save(self, file: Path) -> None:
        """As JSON."""
        file.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, file: Path) -> "Result":
        """What save() has written."""
        found = json.loads(file.read_text())
        run = found.pop("run")
        spans = {name: [Span(**each) for each in run[name]] for name in ("disturbances", "slow")}
        troubles = [Trouble(**{**each, "span": Span(**each["span"])}) for each in run["troubles"]]
        complaints = [(Span(**span), line) for span, line in run["complaints"]]
        samples = [Sample(**each) for each in run["samples"]]
        more = {**spans, "troubles": troubles, "complaints": complaints, "samples": samples}
        return cls(Run(**{**run, **more}), **found)


def summed(times: list[float]) -> list[float]:
    """Median, 99th percentile and the most."""
    ordered = sorted(times)
    return [median(ordered), quantile(ordered, 0.99), ordered[-1]]


def markdown(result: Result) -> str:
    """The block of the page."""
    run = result.run
    excused = [each for each in run.troubles if is_excused(each, run.disturbances)]
    lines = [
        _summary(result, len(excused)),
        "",
        f"![Memory, descriptors, sizes and times over the run]({PLOT.name})",
        "",
        "| operation | number | unanswered | median | 99 of 100 | slowest |",
        "|---|---|---|---|---|---|",
        *(_operation(result, kind, excused) for kind in sorted(run.counts)),
        "",
        "| beside it | times | median | longest |",
        "|---|---|---|---|",
        *(
            f"| {name} | {number:.0f} | {usual:.1f} s | {most:.1f} s |"
            for name, (number, usual, most) in sorted(result.jobs.items())
        ),
        "",
        *_growth(run.samples),
        *(f"- {line}" for line in result.faults[:20]),
    ]
    return "\n".join(lines).rstrip()


def _summary(result: Result, unanswered: int) -> str:
    run, facts, (tree, store) = result.run, result.facts, result.stored
    asked = f"{sum(run.counts.values()):,} operations of {len(run.counts)} kinds"
    lost, restored = len(run.lost), len(run.lost_in_backup)
    return (
        f"{facts['date']}: {run.length / 3600:.2g} hours, {asked}, {facts['workers']} workers, "
        f"Python {facts['python']}. {unanswered} had no answer, or 503, while it was killed or started. "
        f"At the end {result.compared:,} things were compared, of which {lost} were wrong, and "
        f"{result.compared_restored:,} at the restored backup, of which {restored} were wrong. The tree had "
        f"{tree:.0f} MiB then, and the store {store:.0f} MiB.{_stood_still(facts)} "
        f"**{len(result.faults)} faults.**"
    )


def _stood_still(facts: dict[str, Any]) -> str:
    pauses = facts["pauses"]
    return (
        f" The machine, busy with other work, stood still {len(pauses)} times, {max(pauses):.0f} s at most."
        if pauses
        else ""
    )


def _operation(result: Result, kind: str, excused: list[Trouble]) -> str:
    usual, rare, slowest = result.times[kind]
    unanswered = sum(each.span.what == kind for each in excused)
    numbers = f"{result.run.counts[kind]:,} | {unanswered}"
    return f"| {kind.replace('_', ' ')} | {numbers} | {_ms(usual)} | {_ms(rare)} | {_ms(slowest)} |"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _growth(samples: list[Sample]) -> list[str]:
    units = {"memory": " MiB"}
    rates = growth(samples)
    return [
        "| grows in an hour | by | at most |",
        "|---|---|---|",
        *(
            f"| {name} | {rates[name]:+.1f}{units.get(name, '')} | {bound:g}{units.get(name, '')} |"
            if rates
            else f"| {name} | too short to say | {bound:g}{units.get(name, '')} |"
            for name, bound in BOUNDS.items()
        ),
        "",
    ]


def write(result: Result, root: Path) -> None:
    """Put it into the page, in place of what was there before, and draw the plot beside it."""
    page = root / PAGE
    block = f"{BEGIN}\n\n{markdown(result)}\n\n{END}"
    text, number = re.subn(
        f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _found: block, page.read_text(), flags=re.DOTALL
    )
    if number != 1:
        raise ValueError(f"{page} has no place for it, from {BEGIN} to {END}")
    page.write_text(text)
    (root / PLOT).write_text(plotted(result.run.samples, result.run.disturbances, result.run.length))

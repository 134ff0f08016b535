"""The options and the summary of a probing run, for scripts and for operators."""

from dataclasses import dataclass, field
from typing import Any

from librarian.mirrors.enums import MirrorContent
from librarian.mirrors.probing.plan import ProbeReport
from librarian.mirrors.probing.verdict import Verdict
from librarian.mirrors.settings import MirrorSettings


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The mirrors that a run covers: their content, due or not, how many at most."""

    content: MirrorContent = MirrorContent.ARCHIVE
    force: bool = False
    limit: int | None = None


@dataclass(slots=True)
class RunSummary:
    """The outcome of a run, by mirror name."""

    probed: int = 0
    good: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)  # nothing is wrong with what is known of them
    lost: list[str] = field(default_factory=list)  # taken over by another prober meanwhile
    refused: list[str] = field(default_factory=list)  # at addresses the settings do not allow
    unconfirmed: list[str] = field(default_factory=list)  # failed, while no control answered either
    prober_offline: bool = False

    def count(self, report: ProbeReport, verdict: Verdict, kept: bool) -> None:
        """Add a mirror's name to the list of its verdict; to `lost` if the result was not `kept`."""
        name = report.plan.name
        if not kept:
            self.lost.append(name)
        elif verdict is Verdict.GOOD:
            self.good.append(name)
        elif verdict is Verdict.UNKNOWN:
            self.unknown.append(name)
        else:
            self.failed.append(name)


def summary_json(summary: RunSummary) -> dict[str, Any]:
    """The summary for a script."""
    return {
        "probed": summary.probed,
        "good": summary.good,
        "failed": summary.failed,
        "unknown": summary.unknown,
        "lost": summary.lost,
        "unconfirmed": summary.unconfirmed,
        "refused": summary.refused,
        "prober_offline": summary.prober_offline,
    }


def explain(summary: RunSummary) -> list[str]:
    """The sentences that an operator must read after a run."""
    said = []
    if summary.refused:
        said.append(
            f"{len(summary.refused)} of {summary.probed} mirrors are at addresses that are not public. "
            f"If that is as it should be, name their networks in {MirrorSettings.key('allowed_networks')}."
        )
    if summary.prober_offline:
        said.append("The prober seems to be offline: servers that have no reason to be down do not answer.")
    elif set(summary.unconfirmed) - set(summary.refused):
        said.append(
            "There is no server that could show whether the mirrors or the prober's network failed. "
            f"Name some in {MirrorSettings.key('control_urls')}."
        )
    if summary.unconfirmed:
        said.append(f"Not judged: {' '.join(sorted(summary.unconfirmed))}.")
    return said

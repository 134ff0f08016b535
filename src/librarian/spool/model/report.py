"""The end of a run: the report that it returns, and the short record of it that stays in the spool.

The record is for people who were not there: the log of a job of cron is elsewhere, if anywhere.  It is
written after every run and never read by a run, so a lost or damaged one does no harm.
"""

import json
import os
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

NAMES_KEPT = 1000  # refused names in a record; a report has all


class Outcome(StrEnum):
    """The outcome of a run."""

    NOTHING = "nothing"  # there was nothing to do
    DONE = "done"
    POSTPONED = "postponed"  # another program holds a lock; a later run will do it
    FAILED = "failed"


@dataclass
class Report:
    """The report of a run."""

    outcome: Outcome = Outcome.NOTHING
    files: list[str] = field(default_factory=list)  # have gone over, in this order
    refused: list[str] = field(default_factory=list)  # stay where they are, also if they have gone over
    reasons: dict[str, str] = field(default_factory=dict)  # why they were refused, by name
    lock: str | None = None  # the lock file on the server that postponed the run
    error: Exception | None = None  # what ended the run, if it failed

    @property
    def exit_status(self) -> int:
        """0: nothing is left to do; 1: something is."""
        return int(self.outcome in {Outcome.POSTPONED, Outcome.FAILED} or bool(self.refused))


@dataclass(frozen=True, slots=True)
class LastRun:
    """The record of the run that ended last."""

    at: str  # RFC 3339, when it ended
    outcome: Outcome
    files: int  # how many went over
    reasons: dict[str, str]  # why names were refused
    lock: str | None  # the lock file on the server that postponed the run
    error: str | None  # what ended the run, if it failed


def record_path(ledger: Path) -> Path:
    """The path of the record of the last run: beside the ledger."""
    return ledger.with_suffix(".last.json")


def write_record(ledger: Path, report: Report, now: datetime) -> None:
    """Replace the record in one step; not durable.  Raises OSError."""
    path = record_path(ledger)
    facts = {
        "at": now.isoformat(),
        "outcome": report.outcome,
        "files": len(report.files),
        "reasons": dict(list(report.reasons.items())[:NAMES_KEPT]),
        "lock": report.lock,
        "error": None if report.error is None else str(report.error),
    }
    fresh = path.with_suffix(f".{os.getpid()}.fresh")
    fresh.write_text(json.dumps(facts), encoding="utf-8")
    fresh.replace(path)


def read_record(ledger: Path) -> LastRun | None:
    """The record of the last run; None if there is none, or none that can be understood.  Raises OSError."""
    try:
        facts = json.loads(record_path(ledger).read_text("utf-8"))
        return LastRun(
            at=str(facts["at"]),
            outcome=Outcome(facts["outcome"]),
            files=int(facts["files"]),
            reasons={str(name): str(reason) for name, reason in facts["reasons"].items()},
            lock=_text(facts["lock"]),
            error=_text(facts["error"]),
        )
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _text(value: object) -> str | None:
    return None if value is None else str(value)

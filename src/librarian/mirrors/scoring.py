"""How a mirror did over the last month."""

from datetime import datetime, timedelta
from typing import Any

from librarian.mirrors.probing.verdict import HistoryEntry, Score, Verdict, score

SCORED = timedelta(days=30)


def history(mirror: Any, now: datetime, period: timedelta = SCORED) -> list[HistoryEntry]:
    """The conclusive probes of a period, oldest first."""
    return [
        HistoryEntry(each.date_created, each.verdict == Verdict.GOOD.value, each.mean_seconds, each.lag_hours)
        for each in mirror.records_since(now - period)
        if each.verdict in (Verdict.GOOD.value, Verdict.FAILED.value)
    ]


def score_of(mirror: Any, now: datetime) -> Score:
    """How the mirror did lately."""
    return score(history(mirror, now))

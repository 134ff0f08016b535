"""The scores of mirrors over the last month."""

from datetime import datetime, timedelta
from typing import Any

from librarian.mirrors.probing.verdict import HistoryEntry, Score, Verdict, score

SCORED = timedelta(days=30)
# Looked up once: a mirror that is down has hundreds of records, and is scored every hour.
_GOOD, _FAILED = Verdict.GOOD.value, Verdict.FAILED.value


def history(mirror: Any, now: datetime, period: timedelta = SCORED) -> list[HistoryEntry]:
    """The conclusive probes of a period, oldest first."""
    return [
        HistoryEntry(each.date_created, each.verdict == _GOOD, each.mean_seconds, each.lag_hours)
        for each in mirror.records_since(now - period)
        if each.verdict in (_GOOD, _FAILED)
    ]


def score_of(mirror: Any, now: datetime) -> Score:
    """The score over the last SCORED, thirty days."""
    return score(history(mirror, now))

"""Rows of the table, and how they are printed."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.figures.sites import Missing, Sites

TURNS = 5


@dataclass(frozen=True)
class Figures:
    """What one turn came to: the figure that is wanted, and what it is made of, for the reader."""

    figure: float
    parts: Sequence[float] = ()


@dataclass(frozen=True)
class Row:
    """`turn` measures once; `parts` says what its parts are, such as "{:.0f} us, nginx {:.0f} us"."""

    title: str
    wanted: str  # "<= 2.5"; "" where nothing is asked for
    turn: Callable[[Sites], Figures]
    parts: str = ""
    turns: int = TURNS

    def is_met(self, found: float) -> bool:
        """Whether a figure is as it is wanted."""
        if not self.wanted:
            return True
        relation, limit = self.wanted.split()
        return found <= float(limit) if relation == "<=" else found >= float(limit)


def show(rows: Sequence[Row], sites: Sites) -> int:
    """Print each row as soon as it is known; a row that fails says why.  The number of those."""
    failed, began = 0, time.monotonic()
    print(f"medians of {TURNS}, unless said; load of the machine at the start: {os.getloadavg()[0]:.1f}\n")
    print(f"{'':<62}{'found':>8}{'wanted':>10}")
    for row in rows:
        try:
            _show_found(row, [row.turn(sites) for _turn in range(row.turns)])
        except Missing as missing:
            print(f"{row.title:<62}{'-':>8}{row.wanted:>10}   left out: {missing}", flush=True)
        except Exception as error:  # noqa: BLE001  # the other rows are wanted all the same
            print(f"{row.title:<62}{'-':>8}{row.wanted:>10}   failed: {error!r}", flush=True)
            failed += 1
    print(f"\nload of the machine at the end: {os.getloadavg()[0]:.1f}; minutes: {_minutes(began):.0f}")
    return failed


def _minutes(began: float) -> float:
    return (time.monotonic() - began) / 60


def _show_found(row: Row, turns: Sequence[Figures]) -> None:
    found = median(turn.figure for turn in turns)
    mark = "   " if row.is_met(found) else " * "
    parts = [median(values) for values in zip(*(turn.parts for turn in turns), strict=True)]
    told = row.parts.format(*parts) + (" of one turn" if row.turns == 1 else "")
    print(f"{row.title:<62}{found:>8.2f}{row.wanted:>10}{mark}{told}", flush=True)

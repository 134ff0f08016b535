"""Rows about what an upload adds to the tree's file."""

from functools import cache

from benchmarks.figures.rows import Figures, Row
from benchmarks.figures.sites import Sites
from benchmarks.together import growth

UPLOADS = 5000


@cache
def _kilobytes() -> tuple[float, ...]:
    return tuple(found / 1000 for found in growth(UPLOADS))


def before_pack(_sites: Sites) -> Figures:
    return Figures(_kilobytes()[0])


def after_pack(_sites: Sites) -> Figures:
    return Figures(_kilobytes()[1])


ROWS = (
    Row("Data.fs an upload, before a pack, KB", "<= 3", before_pack, turns=1),
    Row("Data.fs an upload, after a pack, KB", "<= 0.9", after_pack, turns=1),
)

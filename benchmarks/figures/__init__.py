"""The table of figures: what a request costs us, as a ratio to a peer in the same run.

    make bench                      every row
    make bench ROWS=get,put         those with one of these words in their names
    make bench ROWS=s3              those about an object store

Each figure is the median of five turns, in which both sides are asked one after the other.  Cost is processor
time, user and system, of all processes of a server over the number of its requests: it depends little on
what else the machine does.  A row whose peer is not installed says so.
"""

import re
import sys
from contextlib import ExitStack

from benchmarks.figures import downloads, growth, large, object_store, uploads
from benchmarks.figures.rows import Row, show
from benchmarks.figures.sites import Sites

ROWS: tuple[Row, ...] = (*downloads.ROWS, *uploads.ROWS, *large.ROWS, *object_store.ROWS, *growth.ROWS)


def chosen(words: list[str]) -> list[Row]:
    """The rows with one of the words in their names; all without any."""
    found = [row for row in ROWS if not words or any(_has(row, word) for word in words)]
    if not found:
        sys.exit("no such row; there are:\n" + "\n".join(row.title for row in ROWS))
    return found


def _has(row: Row, word: str) -> bool:
    """Whether a word of the title begins so."""
    return re.search(rf"\b{re.escape(word)}", row.title, re.IGNORECASE) is not None


def main() -> None:
    rows = chosen([word for argument in sys.argv[1:] for word in argument.split(",")])
    with ExitStack() as stack:
        failed = show(rows, Sites(stack))
    sys.exit(1 if failed else 0)

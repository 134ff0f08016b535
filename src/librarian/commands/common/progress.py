"""Bars on a terminal, silence elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from librarian.remote.watching import Advance


def transfer_bar() -> Progress:
    """A bar for bytes on standard error, which shows nothing where that is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )


@contextmanager
def on_a_bar(title: str, total: int | None, have: int) -> Iterator[Advance]:
    """The Watch of commands: a bar for one file."""
    with transfer_bar() as bar:
        task = bar.add_task(title, total=total, completed=have)
        yield lambda count: bar.advance(task, count)

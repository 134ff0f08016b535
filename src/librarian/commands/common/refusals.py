"""What the project or the machine refuses, as a command says it: one line and exit status 1, no traceback."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import click

from librarian.interfaces import LibrarianError, one_line

log = logging.getLogger(__name__)


@contextmanager
def in_one_line() -> Iterator[None]:
    """Turn a refusal into click's own exception, which ends the command with its message."""
    try:
        yield
    except LibrarianError as error:
        raise click.ClickException(one_line(error)) from error
    except OSError as error:
        # The machine's troubles, such as a full disk, are no faults of ours to be traced back.
        log.info("system error", exc_info=True)
        raise click.ClickException(one_line(error)) from error

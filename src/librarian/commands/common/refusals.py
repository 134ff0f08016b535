"""Errors of the project and the machine as messages of a command: one line, exit status 1, no traceback."""

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
        # OSErrors such as a full disk are not bugs, so no traceback is shown.
        log.info("system error", exc_info=True)
        raise click.ClickException(one_line(error)) from error

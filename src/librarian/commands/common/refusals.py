"""Errors of the project and the machine as messages of a command: one line, exit status 1, no traceback."""

import logging
import select
import sys
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
        if isinstance(error, BrokenPipeError) and _is_read_no_more():
            raise  # `| head` has all that it wants: click ends the command in silence
        # OSErrors such as a full disk are not bugs, so no traceback is shown.
        log.info("system error", exc_info=True)
        raise click.ClickException(one_line(error)) from error


def _is_read_no_more() -> bool:
    """Whether what read this command's output has closed its end of the pipe (poll(2), POLLERR)."""
    try:
        output = sys.stdout.fileno()
    except (OSError, ValueError):  # closed, or no file
        return False
    poll = select.poll()
    poll.register(output, 0)
    return any(events & select.POLLERR for _descriptor, events in poll.poll(0))

"""What commands raise themselves; anything else they show comes from the package that does the work."""

import click

from librarian.interfaces import LibrarianError


class TransferFailed(LibrarianError):
    """A command got no file across, and says why in one line."""


class BadCall(click.ClickException):
    """The ini file or an option cannot be used: one line, and exit status 2."""

    exit_code = 2

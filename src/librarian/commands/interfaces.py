"""What commands raise themselves; anything else they show comes from the package that does the work."""

from librarian.interfaces import LibrarianError


class TransferFailed(LibrarianError):
    """A command got no file across, and says why in one line."""

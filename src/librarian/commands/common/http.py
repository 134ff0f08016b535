"""HTTP as the commands speak it: the connections of the process."""

from functools import cache

from librarian.remote.connection import Pool, new_pool


@cache
def pool() -> Pool:
    """The connections of this command."""
    return new_pool()

"""Files: contents, aliases, tokens, and their life."""

from librarian.library.opening import open_library

__all__ = ["open_library"]

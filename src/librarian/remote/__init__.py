"""A library from elsewhere, for programs: HTTP alone, with neither the database nor the web framework.

from librarian.remote import Library

library = Library("https://library.example.org/", "http://files.internal:9090/", token=token)
file = library.add(Path("poem.txt"), expires="never")
library.get(file.url, Path("copy.txt"))
"""

from librarian.remote.events import Event
from librarian.remote.interfaces import RemoteError, TransferFailed
from librarian.remote.library import Entry, File, Library, Match

__all__ = ["Entry", "Event", "File", "Library", "Match", "RemoteError", "TransferFailed"]

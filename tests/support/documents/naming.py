"""What documents on the named tree need."""

from io import BytesIO
from typing import Any

from zope.component import getUtility

from librarian.library.interfaces import ILibraryFileAliasSet
from tests.support.servers.in_process import request


def new_file(text: str, name: str = "report.txt") -> Any:
    """A new alias with this text; not committed."""
    aliases = getUtility(ILibraryFileAliasSet)
    return aliases.create(name, len(text), BytesIO(text.encode()), "text/plain")


def names_in(url: str, token: str | None = None) -> list[str]:
    """The names in the listing at `url`, as a client with this Authorization field gets it."""
    headers = {} if token is None else {"Authorization": token}
    return [entry["name"] for entry in request("GET", url, headers).json["entries"]]

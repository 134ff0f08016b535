"""The rule for the URLs that an import may read from.

A URL is passed to git, hg or svn on a machine of the service, and these accept more than web addresses:
``ext::`` runs a command, a plain path reads the local disk, a leading hyphen is an option.
"""

import re
from urllib.parse import SplitResult, urlsplit

from librarian.machines.enums import RevisionControlSystem
from librarian.machines.interfaces import BadCodeImport

SCHEMES = {
    RevisionControlSystem.GIT: frozenset({"https", "http", "git", "ssh"}),
    RevisionControlSystem.HG: frozenset({"https", "http", "ssh"}),
    RevisionControlSystem.SVN: frozenset({"https", "http", "svn", "svn+ssh"}),
}
LONGEST_URL = 2000

_HOST = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9.:\[\]_-]*")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


def checked_url(url: str, rcs_type: RevisionControlSystem) -> str:
    """`url` if it is one that an import of `rcs_type` may have.  Raises BadCodeImport.

    A ``file:`` URL is accepted, for repositories on the machines; a controller fetches it only if it was
    started with ``--local-repositories``.
    """
    if len(url) > LONGEST_URL or not url.isprintable() or not url.isascii() or " " in url:
        raise BadCodeImport("url", "printable ASCII without spaces, at most 2000 characters")
    parts = _parts_of(url)
    if parts.scheme == "file":
        if parts.netloc or not parts.path.startswith("/"):
            raise BadCodeImport("url", "file:///an/absolute/path")
        return url
    if parts.scheme not in SCHEMES[rcs_type] or "::" in url.split("/", maxsplit=1)[0]:
        schemes = ", ".join(sorted(SCHEMES[rcs_type]))
        raise BadCodeImport("url", f"one of the schemes {schemes} for {rcs_type.name}")
    if not parts.hostname or not _HOST.fullmatch(parts.hostname) or parts.port == 0:
        raise BadCodeImport("url", "a host, and a port if any")
    if parts.password is not None or (parts.username is not None and not _USER.fullmatch(parts.username)):
        # Logs and pages would show it; the machines have an ssh agent instead.
        raise BadCodeImport("url", "no password, and a plain user name if any")
    return url


def _parts_of(url: str) -> SplitResult:
    """`url` in parts, of which the port is a number or None.  Raises BadCodeImport."""
    try:
        parts = urlsplit(url)
        _port = parts.port  # raises ValueError for what is no number, and above 65535
    except ValueError as error:
        raise BadCodeImport("url", str(error)) from None
    return parts

"""Listings whose names may be encoded twice.

filetracker-server on Python 3 takes each octet of a request's path for a character, as WSGI (PEP 3333)
passes it, and lists these characters as UTF-8: each name outside ASCII is encoded twice, ``ż`` listed as
``Å¼``.  Its own client decodes once and then asks for names that do not exist.  Our server encodes names
once.  No header tells which of both a server does, but its files do: of the two names that a line may mean,
often only one exists.
"""

from collections.abc import Callable, Iterable

ENOUGH = 3  # lines by which one reading must lead; more than one, because files come and go meanwhile


class Listings:
    """Decodes the listings of one server, once it is known how the server encodes.

    `exists` tells whether the server has a file of this name (with its leading slash); None: unknown.
    """

    def __init__(self, exists: Callable[[str], bool | None]) -> None:
        self._exists = exists
        self._doubled: bool | None = None

    def names(self, directory: str, lines: list[str]) -> list[str]:
        """The names that these lines mean, relative to `directory` (no slashes around it) as the lines are.

        A line that cannot be encoded twice stays as it is.
        """
        if self._doubled is None:
            prefix = f"/{directory}/" if directory else "/"
            self._doubled = is_doubled(lines, lambda path: self._exists(prefix + path))
        if not self._doubled:
            return lines
        return [name if (name := decoded(line)) is not None else line for line in lines]


def decoded(line: str) -> str | None:
    """The name that a line means if it is encoded twice; None if it cannot be.

    Octets that are not UTF-8 become lone surrogates (PEP 383): such a file exists, but no client can ask
    for it by a name that is text.
    """
    try:
        return line.encode("latin-1").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None


def is_doubled(lines: Iterable[str], exists: Callable[[str], bool | None]) -> bool | None:
    """Whether these lines are encoded twice; None if no line shows it.

    `exists` tells whether the server has a file of this name, relative as the line is; None: unknown.  A
    line shows nothing if both of its readings exist, or neither.  Unless all lines are ASCII, some line of
    a listing shows it.
    """
    lead = 0
    for line in lines:
        other = decoded(line)
        if other is None or other == line:
            continue
        as_listed, as_decoded = exists(line), exists(other)
        if None not in (as_listed, as_decoded):
            lead += bool(as_decoded) - bool(as_listed)
        if abs(lead) >= ENOUGH:
            break
    return lead > 0 if lead else None

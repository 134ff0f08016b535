"""What the lines of a server's listing stand for.

filetracker-server on Python 3 takes each octet of a request's path for a character, as WSGI (PEP 3333)
hands it over, and later writes these characters as UTF-8: every name outside ASCII is listed encoded
twice, ``ż`` as ``Å¼``.  Its own client undoes nothing and asks for names that are not there.  Our server
lists names as they are.  Neither says which it does, but it can be found out: of the two names that a
line may stand for, often just one is there.
"""

from collections.abc import Callable, Iterable

ENOUGH = 3  # lines more for one reading than for the other; more than one, as files come and go meanwhile


def undone(line: str) -> str | None:
    """The name that a line of a doubly encoded listing stands for, or None if it cannot be such a line.

    Octets that are not UTF-8 become lone surrogates (PEP 383): a name that exists, and that no client
    can ask for as text.
    """
    try:
        return line.encode("latin-1").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None


def is_doubled(lines: Iterable[str], is_there: Callable[[str], bool | None]) -> bool | None:
    """Whether these lines are encoded twice; None if no line can tell.

    `is_there` says whether the server has a file of that name (without its leading slash), None if it
    does not say.  A line whose two readings are both there, or both not, tells nothing.  Among the
    lines of one kind of server there is always one that tells, unless all of them are ASCII.
    """
    lead = 0
    for line in lines:
        other = undone(line)
        if other is None or other == line:
            continue
        as_listed, as_undone = is_there(line), is_there(other)
        if None not in (as_listed, as_undone):
            lead += bool(as_undone) - bool(as_listed)
        if abs(lead) >= ENOUGH:
            break
    return lead > 0 if lead else None

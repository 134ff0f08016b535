"""The ini file of commands that are called without one."""

from pathlib import Path

DATA = "librarian-data"  # the folder that `librarian serve` makes in an empty one
USUAL = ("development.ini", "librarian.ini", f"{DATA}/librarian.ini")
SAID = ", ".join(USUAL)


def usual_ini() -> str | None:
    """The first of USUAL that is here; None without any."""
    return next((name for name in USUAL if Path(name).is_file()), None)


def usual_ini_or_first() -> str:
    """The same; the first of USUAL where there is none, for a message that it is missing."""
    return usual_ini() or USUAL[0]

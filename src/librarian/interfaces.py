"""What every layer stands on.  This module imports nothing of ours."""

from datetime import datetime

from zope.interface import Interface


class LibrarianError(Exception):
    """The root of every refusal this project makes on purpose."""


def one_line(error: BaseException) -> str:
    """What an error says to a person: in one line, without the number that Python puts before it."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    if not text and isinstance(error, TimeoutError):
        text = "somebody else took too long to answer"
    return " ".join(text.split()) or type(error).__name__


class IClock(Interface):
    """Where the time comes from; tests and doctests put a hand-moved one in its place."""

    def now() -> datetime:
        """The current time, aware, in UTC."""

    def monotonic() -> float:
        """Seconds since a moment of its own; no step of the wall clock moves it (CLOCK_MONOTONIC)."""

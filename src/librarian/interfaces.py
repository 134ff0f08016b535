"""What every layer stands on.  This module imports nothing of ours."""

from datetime import datetime

from zope.interface import Interface


class LibrarianError(Exception):
    """The root of every refusal this project makes on purpose."""


class IClock(Interface):
    """Where the time comes from; tests and doctests put a hand-moved one in its place."""

    def now() -> datetime:
        """The current time, aware, in UTC."""

    def monotonic() -> float:
        """Seconds since a moment of its own; no step of the wall clock moves it (CLOCK_MONOTONIC)."""

"""The times that a request or script spent: actions with a category and a detail.

Reading a file through the librarian client leaves ``librarian-connection`` and ``librarian-read``
actions whose detail is the file's URL.
"""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

KEPT_ACTIONS = 1000  # per timeline; the oldest go first, so a long-lived script stays small


@dataclass(slots=True)
class TimedAction:
    """One thing done: when it began, in seconds since the timeline began, and how long it took."""

    category: str
    detail: str
    start_seconds: float
    duration_seconds: float | None = None  # None while it goes on


@dataclass(slots=True)
class Timeline:
    """The latest actions of one request, script or thread, oldest first."""

    actions: deque[TimedAction] = field(default_factory=lambda: deque(maxlen=KEPT_ACTIONS))
    began: float = field(default_factory=time.monotonic)

    @contextmanager
    def record(self, category: str, detail: str) -> Iterator[TimedAction]:
        """Record what happens inside the `with`, whether or not it succeeds."""
        start = time.monotonic()
        action = TimedAction(category, detail, start - self.began)
        self.actions.append(action)
        try:
            yield action
        finally:
            action.duration_seconds = time.monotonic() - start


_current: ContextVar[Timeline | None] = ContextVar("timeline", default=None)


def current_timeline() -> Timeline:
    """The timeline of the request or script that runs in this thread; made if there is none."""
    timeline = _current.get()
    if timeline is None:
        timeline = Timeline()
        _current.set(timeline)
    return timeline


@contextmanager
def fresh_timeline() -> Iterator[Timeline]:
    """A separate timeline for what runs inside the `with`, such as one request."""
    token = _current.set(Timeline())
    try:
        yield current_timeline()
    finally:
        _current.reset(token)

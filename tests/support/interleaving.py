"""Two threads at one object, in every order: the first stops before each of its steps in turn, and the second
then runs to its end, or until it waits for the first.

A step is a line, or an instruction of the interpreter, in one of the files that are named.  No clock decides:
that a thread waits is seen in /proc.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, Generic, TypeVar

T = TypeVar("T")

PATIENCE = 20.0  # seconds; only a test that fails takes them
PAUSE = 0.0005  # seconds between two looks at a thread
LOOKS = 4  # so many times in the same place, asleep: it waits


def interleaved(
    make: Callable[[], T],
    first: Callable[[T], Any],
    second: Callable[[T], Any],
    *within: ModuleType,
    finely: bool = False,
) -> Iterator[tuple[T, Any, Any]]:
    """A new object, and what `first` and `second` returned of it; once for each step of the first.

    `finely`, each instruction is a step: the parts of ``a += 1`` are on one line.  Raises what one of them
    raised, AssertionError if they do not come to an end.
    """
    files = {str(module.__file__) for module in within}
    for step in range(1, 10_000):
        thing = make()
        one, other = _Stopping(partial(first, thing), files, step, finely), _Thread(partial(second, thing))
        one.start()
        one.stands.wait(PATIENCE)
        if one.steps < step:
            one.outcome()
            return
        other.start()
        other.run_or_wait()
        one.goes_on.set()
        yield thing, one.outcome(), other.outcome()


class _Thread(threading.Thread, Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._found: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._found.append(self._work())
        except BaseException as error:  # noqa: BLE001  # the caller's
            self._error = error

    def outcome(self) -> T:
        """What the work returned.  Raises what it raised."""
        self.join(PATIENCE)
        if self._error is not None:
            raise self._error
        assert self._found, "the threads wait for each other"
        return self._found[0]

    def run_or_wait(self) -> None:
        """Return once the thread has ended or waits."""
        looks: list[Any] = []
        while self.is_alive() and not (len(looks) == LOOKS and len(set(looks)) == 1 and looks[0]):
            self.join(PAUSE)
            looks = [*looks, self._asleep_at()][-LOOKS:]

    def _asleep_at(self) -> tuple[int, int] | None:
        """Where it sleeps; None while it runs."""
        frame = sys._current_frames().get(self.ident or 0)
        try:
            state = Path(f"/proc/self/task/{self.native_id}/stat").read_text().rpartition(") ")[2][0]
        except (FileNotFoundError, ProcessLookupError):
            return None
        return (id(frame), frame.f_lasti) if frame is not None and state == "S" else None


class _Stopping(_Thread[T]):
    """Stops before one of its steps."""

    def __init__(self, work: Callable[[], T], files: set[str], stop: int, finely: bool) -> None:
        super().__init__(work)
        self._files = files
        self._stop_at = stop
        self._finely = finely
        self.steps = 0
        self.stands, self.goes_on = threading.Event(), threading.Event()

    def run(self) -> None:
        sys.settrace(self._enter)
        try:
            super().run()
        finally:
            sys.settrace(None)
            self.stands.set()

    def _enter(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        if frame.f_code.co_filename not in self._files:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = self._finely, not self._finely
        return self._step

    def _step(self, _frame: FrameType, event: str, _argument: Any) -> Any:
        if event in ("line", "opcode"):
            self.steps += 1
            if self.steps == self._stop_at:
                self.stands.set()
                self.goes_on.wait(PATIENCE)
        return self._step

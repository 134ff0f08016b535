"""Whether a history is linearizable: each operation took effect at a moment between its call and its answer.

M. Herlihy and J. Wing, "Linearizability", ACM TOPLAS 12(3), 1990, define it.  The search is that of J. Wing
and C. Gong (1993) with what G. Lowe made of it ("Testing for linearizability", 2017): configurations that
were seen are not looked at again, and operations take effect *just in time*, when an answer cannot wait.
So the cost grows with the number of operations at a time, not with the length of the history.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.histories.history import Operation

State = Hashable
Step = Callable[[Any, Operation], Iterable[State]]
Configuration = tuple[State, frozenset[int]]  # and the operations in flight that have taken effect


@dataclass(frozen=True)
class Violation:
    """An answer that no order explains, and what was possible before it."""

    operation: Operation
    states: tuple[State, ...]
    before: tuple[Operation, ...]  # the last of those that were answered earlier

    def __str__(self) -> str:
        lines = [f"  {each}" for each in self.before]
        return "\n".join((f"{self.operation} from {self.states[:4]}, after", *lines))


def violation(history: Iterable[Operation], initial: State, step: Step) -> Violation | None:
    """The first answer that cannot be explained; None for a history that is linearizable.

    `step` gives the states that an operation may lead to from a state: none if its answer is wrong there.
    An operation without an answer may take effect at any time after its call, or never.
    """
    operations = list(history)
    possible: set[Configuration] = {(initial, frozenset())}
    in_flight: dict[int, Operation] = {}
    answered: list[Operation] = []
    for _time, is_answer, number in sorted(_events(operations)):
        operation = operations[number]
        if not is_answer:
            in_flight[number] = operation
            continue
        found = _explained(possible, in_flight, number, step)
        if not found:
            states = dict.fromkeys(state for state, _done in possible)
            return Violation(operation, tuple(states), tuple(answered[-8:]))
        possible = found
        del in_flight[number]
        answered.append(operation)
    return None


def _events(operations: list[Operation]) -> Iterable[tuple[int, bool, int]]:
    """Time, whether it is an answer, and number.  At the same time calls come first: then they overlap."""
    for number, operation in enumerate(operations):
        yield operation.called, False, number
        if operation.answered is not None:
            yield operation.answered, True, number


def _explained(
    possible: set[Configuration], in_flight: dict[int, Operation], number: int, step: Step
) -> set[Configuration]:
    """The configurations in which an operation has taken effect, reached through others in flight."""
    found = Reached(in_flight)
    seen = Reached(in_flight)
    # Those in which the fewest have taken effect come first, so that they make others needless.
    waiting = deque(sorted(possible, key=lambda configuration: len(configuration[1])))
    for configuration in waiting:
        seen.add(configuration)
    while waiting:
        state, done = waiting.popleft()
        if number in done:
            found.add((state, done - {number}))
            continue
        for configuration in _next(state, done, in_flight, step):
            if seen.add(configuration):
                waiting.append(configuration)
    return found.configurations()


class Reached:
    """Configurations, without those that another makes needless.

    An operation that was not answered may have had no effect.  So of two configurations with the same state
    and the same answered operations, the one in which fewer of the others are used up can do all that the
    other can.
    """

    def __init__(self, in_flight: dict[int, Operation]) -> None:
        self._unanswered = frozenset(n for n, each in in_flight.items() if each.answered is None)
        self._used: dict[Configuration, list[frozenset[int]]] = {}

    def add(self, configuration: Configuration) -> bool:
        """Whether it was needed."""
        state, done = configuration
        used = done & self._unanswered
        others = self._used.setdefault((state, done - used), [])
        if any(other <= used for other in others):
            return False
        others[:] = [other for other in others if not used < other]
        others.append(used)
        return True

    def configurations(self) -> set[Configuration]:
        """All of them."""
        return {(state, done | used) for (state, done), each in self._used.items() for used in each}


def _next(
    state: State, done: frozenset[int], in_flight: dict[int, Operation], step: Step
) -> Iterable[Configuration]:
    """What one more operation makes of a configuration.

    All readings that are right in it come first, and together: they change nothing, so nothing is lost by it.
    """
    others = _others(done, in_flight)
    right = [number for number in others if _is_right_reading(in_flight[number], state, step)]
    if right:
        return [(state, done.union(right))]
    return [
        (following, done | {number})
        for number in others
        if in_flight[number].what[0] != "read"
        for following in step(state, in_flight[number])
        if following != state or in_flight[number].answered is not None
    ]


def _others(done: frozenset[int], in_flight: dict[int, Operation]) -> list[int]:
    """The operations in flight that have not taken effect; of those alike without an answer the first."""
    others: dict[Any, int] = {}
    for number, operation in in_flight.items():  # in the order of their calls
        if number not in done:
            alike = number if operation.answered is not None else operation.what
            others.setdefault(alike, number)
    return list(others.values())


def _is_right_reading(operation: Operation, state: State, step: Step) -> bool:
    return operation.what[0] == "read" and any(True for _ in step(state, operation))

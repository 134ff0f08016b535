"""A model of writers and sweeps around the keys of one digest, and a search through all of its states.

The store is as weak as one may be.  HEAD and LIST may show whatever was true once; a DELETE that was sent
lands at any later time, or again; a PUT that was given up may land later.  The tree is a database: a
transaction sees one moment, and its commit fails if what it has read has changed since (`version`).

A state is sound if the bytes are there whenever an acknowledged upload is named.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

Keys = frozenset[int]  # generations


class Writer(NamedTuple):
    """An upload: `step`, the generation it has asked for, and what its naming has read."""

    step: str = "begins"  # asked, stored, naming, done
    generation: int = 0
    version: int = 0
    attempts: int = 2


class Sweep(NamedTuple):
    """A sweep of one key: what the listing showed, and what its transaction has read."""

    step: str = "begins"  # judged, retired, done
    key: int = 0
    version: int = 0
    named: bool = False
    generation: int = 0


class State(NamedTuple):
    """Of the tree: `version` to `acknowledged`; of the store: `keys` to `puts`; then those who act."""

    version: int = 0
    named: bool = False
    generation: int = 0
    acknowledged: bool = False  # by the naming of an upload that is still meant
    keys: Keys = frozenset()
    past: Keys = frozenset()  # what HEAD and LIST may show
    deletes: Keys = frozenset()  # sent
    puts: Keys = frozenset()  # given up
    writers: tuple[Writer, ...] = (Writer(), Writer())
    sweeps: tuple[Sweep, ...] = (Sweep(), Sweep())
    drops: int = 1
    damages: int = 1

    @property
    def is_sound(self) -> bool:
        """Whether what was acknowledged is there."""
        return not self.acknowledged or self.generation in self.keys


@dataclass(frozen=True)
class Rules:
    """The design, and what may be left out of it."""

    conflicts: bool = True  # commits are refused when what they have read has changed
    tombstones: bool = True  # a sweep commits the next generation before it deletes
    forgets: bool = False  # tombstones are removed after the DELETE was sent

    def next_states(self, state: State) -> Iterator[State]:
        """Every state that one step of one of them leads to."""
        yield from _store(state)
        for number, writer in enumerate(state.writers):
            for after, changed in self._write(state, writer):
                yield after._replace(writers=_put_in(after.writers, number, changed))
        for number, sweep in enumerate(state.sweeps):
            for after, swept in self._sweep(state, sweep):
                yield after._replace(sweeps=_put_in(after.sweeps, number, swept))
        if state.named and state.drops:
            yield _changed(state, named=False, acknowledged=False, drops=state.drops - 1)
        if state.named and state.damages:
            following = state.generation + 1
            yield _changed(state, generation=following, acknowledged=False, damages=state.damages - 1)

    def _may_commit(self, state: State, version: int) -> bool:
        return not self.conflicts or state.version == version

    def _write(self, state: State, writer: Writer) -> Iterator[tuple[State, Writer]]:
        left = writer.attempts - 1
        again = writer._replace(step="begins" if left else "done", attempts=left)
        key = frozenset({writer.generation})
        if writer.step == "begins":
            yield state, writer._replace(step="asked", generation=state.generation)
        elif writer.step == "asked":
            yield state._replace(keys=state.keys | key, past=state.past | key), writer._replace(step="stored")
            yield state._replace(puts=state.puts | key), again
            if key <= state.past:
                yield state, writer._replace(step="stored")  # HEAD has found it
        elif writer.step == "stored":
            if writer.generation == state.generation:
                yield state, writer._replace(step="naming", version=state.version)
            else:
                yield state, again
        elif writer.step == "naming":
            if self._may_commit(state, writer.version):
                yield self._named(state, writer.generation), writer._replace(step="done")
            else:
                yield state, again

    def _named(self, state: State, generation: int) -> State:
        if state.named and state.generation == generation:
            return state._replace(acknowledged=True)  # the content is read at the commit, and not written
        return _changed(state, named=True, generation=generation, acknowledged=True)

    def _sweep(self, state: State, sweep: Sweep) -> Iterator[tuple[State, Sweep]]:
        done = sweep._replace(step="done")
        if sweep.step == "begins":
            for key in state.past:
                seen = (state.version, state.named, state.generation)
                yield state, Sweep("judged", key, *seen)
        elif sweep.step == "judged":
            if sweep.key < sweep.generation:
                yield _sent(state, sweep.key), done
            elif sweep.key > sweep.generation or sweep.named:
                yield state, done
            elif not self.tombstones:
                yield _sent(state, sweep.key), done
            elif self._may_commit(state, sweep.version):
                named = state.named and not self.conflicts
                after = _changed(state, generation=sweep.key + 1) if not named else state
                yield after, sweep._replace(step="retired")
            else:
                yield state, done
        elif sweep.step == "retired":
            after = _sent(state, sweep.key)
            if self.forgets and not after.named:
                after = _changed(after, generation=0)
            yield after, done


def _store(state: State) -> Iterator[State]:
    """What was sent may land."""
    for key in state.deletes & state.keys:
        yield state._replace(keys=state.keys - {key})
    for key in state.puts - state.keys:
        yield state._replace(keys=state.keys | {key}, past=state.past | {key})


def _changed(state: State, **changes: object) -> State:
    return state._replace(version=state.version + 1, **changes)  # type: ignore[arg-type]  # the fields' own


def _sent(state: State, key: int) -> State:
    return state._replace(deletes=state.deletes | {key})


def _put_in(all_of: tuple[Any, ...], number: int, one: object) -> tuple[Any, ...]:
    """In one order: two states in which two writers have changed places are the same."""
    return tuple(sorted((*all_of[:number], one, *all_of[number + 1 :])))


def explore(rules: Rules, start: State = State()) -> tuple[int, State | None]:  # noqa: B008  # immutable
    """The number of states that were met, and the first one that is not sound, if there is one."""
    met, waiting = {start}, [start]
    while waiting:
        following: list[State] = []
        for state in waiting:
            for after in rules.next_states(state):
                if not after.is_sound:
                    return len(met), after
                if after not in met:
                    met.add(after)
                    following.append(after)
        waiting = following
    return len(met), None


WITHOUT = {
    "conflicts": replace(Rules(), conflicts=False),
    "tombstones": replace(Rules(), tombstones=False),
    "remembering tombstones": replace(Rules(), forgets=True),
}

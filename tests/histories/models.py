"""What each kind of object is to its clients: a state, and what an operation may make of it.

A model gives the states that an operation may lead to from a state.  None at all says that the answer is
wrong there; an operation without an answer gives what it would have done.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from tests.histories.history import Answer, Operation

NOT_THERE, CONFLICT, REFUSED = ("missing",), ("conflict",), ("refused",)
DONE = ("done",)


@dataclass(frozen=True)
class Model:
    """The state that an object begins with, and its steps."""

    initial: Any
    step: Callable[[Any, Operation], Iterable[Any]]


def one(state: Any, operation: Operation, right: tuple[Any, ...], following: Any) -> Iterator[Any]:
    """The step whose answer is `right` in a state, to what follows; unanswered it may happen as well."""
    if operation.answer is None or operation.answer == right:
        yield following


def file_step(state: str, operation: Operation) -> Iterator[Any]:
    """An alias: a digest, or "" while it is deleted.  Deleting twice is no error, bringing back twice is."""
    digest = operation.what[1]
    match operation.what[0]:
        case "read":
            yield from one(state, operation, ("bytes", digest) if state else NOT_THERE, state)
        case "delete":
            yield from one(state, operation, DONE, "")
        case "undelete" if state:
            yield from one(state, operation, CONFLICT, state)
        case "undelete":
            yield from one(state, operation, DONE, digest)
        case "create" if state == "new":
            yield from one(state, operation, DONE, digest)


def tracker_step(state: Any, operation: Operation) -> Iterator[Any]:
    """A name of the tracker: (version, digest), or None.  An older version changes nothing; each put is told
    what the name holds after it."""
    match operation.what:
        case ("read",):
            yield from one(state, operation, NOT_THERE if state is None else state, state)
        case ("put", version, digest):
            after = (version, digest) if state is None or version >= state[0] else state
            yield from one(state, operation, after, after)
        case ("delete", _version) if state is None:
            yield from one(state, operation, NOT_THERE, state)
        case ("delete", version):
            yield from one(state, operation, DONE, None if state[0] <= version else state)


def link_step(state: int, operation: Operation) -> Iterator[Any]:
    """A link: how often it is still good."""
    match operation.what:
        case ("use", digest):
            yield from one(state, operation, ("bytes", digest) if state else NOT_THERE, max(state - 1, 0))
        case ("revoke",):
            yield from one(state, operation, DONE, 0)
        case ("make", uses):
            yield from one(state, operation, DONE, uses)


def quota_step(state: tuple[int, int], operation: Operation) -> Iterator[Any]:
    """A person's quota: the limit and the use, in bytes."""
    limit, used = state
    match operation.what:
        case ("limit", size):
            yield from one(state, operation, DONE, (size, used))
        case ("put", size) if used + size <= limit:
            yield from one(state, operation, DONE, (limit, used + size))
        case ("put", _size):
            yield from one(state, operation, REFUSED, state)
        case ("delete", size):
            yield from one(state, operation, DONE, (limit, used - size))
        case ("read",):
            yield from one(state, operation, ("used", used), state)


def tree_step(state: tuple[tuple[str, str], ...], operation: Operation) -> Iterator[Any]:
    """A folder of the named tree: its names with their digests."""
    names = dict(state)
    match operation.what:
        case ("read",):
            yield from one(state, operation, ("names", state), state)
        case ("put", name, digest, condition):
            if condition is not None and not _holds(condition, names.get(name)):
                yield from one(state, operation, REFUSED, state)
            else:
                right = ("replaced",) if name in names else ("created",)
                yield from one(state, operation, right, _with(names, name, digest))
        case ("delete", name) if name not in names:
            yield from one(state, operation, NOT_THERE, state)
        case ("delete", name):
            yield from one(state, operation, DONE, _with(names, name, None))
        case ("move", name, _target) if name not in names:
            yield from one(state, operation, NOT_THERE, state)
        case ("move", name, target) if target in names:
            yield from one(state, operation, CONFLICT, state)
        case ("move", name, target):
            moved = dict(_with(names, name, None))
            yield from one(state, operation, DONE, _with(moved, target, names[name]))


def _holds(condition: str, digest: str | None) -> bool:
    """ "*" is If-None-Match: *, anything else the digest of If-Match."""
    return digest is None if condition == "*" else digest == condition


def _with(names: dict[str, str], name: str, digest: str | None) -> tuple[tuple[str, str], ...]:
    changed = {**names, name: digest}
    return tuple(sorted((name, digest) for name, digest in changed.items() if digest is not None))


EVENTS = 10  # of a machine, the newest, are shown
EVENT_OF = {"ONLINE": "ONLINE", "OFFLINE": "OFFLINE", "QUIESCING": "QUIESCE"}  # of a transition to a state


def machine_step(state: tuple[str, ...], operation: Operation) -> Iterator[Any]:
    """A machine: the transitions that it has made, the newest first, as its events tell them."""
    now = next(name for name, event in EVENT_OF.items() if event == state[0])
    match operation.what:
        case ("read",):
            yield from one(state, operation, ("events", now, state), state)
        case ("set", wanted) if wanted == now or (wanted == "QUIESCING" and now != "ONLINE"):
            yield from one(state, operation, CONFLICT, state)
        case ("set", wanted):
            yield from one(state, operation, DONE, (EVENT_OF[wanted], *state)[:EVENTS])


@dataclass(frozen=True)
class Claim:
    """A mirror's claim: whose, by whose process, and until when in seconds of the clock, None if unknown."""

    token: str = ""
    process: str = ""
    until: float | None = None
    dead: frozenset[str] = frozenset()

    def may_be_free(self, time: float) -> set[bool]:
        """Whether another may claim the mirror at a time: at most one, but for an unknown end."""
        if not self.token or self.process in self.dead:
            return {True}
        if self.until is None:
            return {True, False}
        return {not time < self.until < time + 2 * CLAIMED_SECONDS}


CLAIMED_SECONDS = 7200.0


def claim_step(state: Claim, operation: Operation) -> Iterator[Any]:
    """A mirror that probers claim, for two hours; a claim of a dead process is void at once.

    An answer tells the clock before and after, as it may be moved meanwhile.
    """
    match operation.what:
        case ("died", process):
            yield replace(state, dead=state.dead | {process})
        case ("claim", token, process):
            yield from _claimed(state, operation.answer, token, process)
        case ("release", token):
            yield Claim(dead=state.dead) if state.token == token else state
        case ("read",):
            yield from one(state, operation, ("token", state.token), state)


def _claimed(state: Claim, answer: Answer | None, token: str, process: str) -> Iterator[Claim]:
    if answer is None:
        yield Claim(token, process, None, state.dead)
        return
    for time in sorted(set(answer[1:])):
        free = state.may_be_free(time)
        if answer[0] == "claimed" and True in free:
            yield Claim(token, process, time + CLAIMED_SECONDS, state.dead)
        if answer[0] == "refused" and False in free:
            yield state


MODELS = {
    "file": Model("new", file_step),
    "tracker": Model(None, tracker_step),
    "link": Model(0, link_step),
    "quota": Model((0, 0), quota_step),
    "tree": Model((), tree_step),
    "machine": Model(("ONLINE",), machine_step),
    "claim": Model(Claim(), claim_step),
}

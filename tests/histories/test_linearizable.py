"""The checker itself: histories that are linearizable, and histories that are not, written by hand."""

import random
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.histories.history import NotAsked, Operation, Pen, Unanswered, by_subject, read_history
from tests.histories.linearizable import violation
from tests.histories.models import MODELS, Claim, claim_step


def history(kind: str, *rows: tuple[int, int | None, tuple[Any, ...], Any]) -> list[Operation]:
    """Of one object: when each was called and answered, what was asked, and the answer."""
    return [
        Operation(kind, "x", what, answer, called, answered, str(number))
        for number, (called, answered, what, answer) in enumerate(rows)
    ]


def is_linearizable(operations: list[Operation]) -> bool:
    """By the model of their kind."""
    model = MODELS[operations[0].kind]
    return violation(operations, model.initial, model.step) is None


MADE = (0, 1, ("make", 1), ("done",))
USE, GOT, GONE = ("use", "d"), ("bytes", "d"), ("missing",)
PUT1, PUT2 = ("put", 1, "one"), ("put", 2, "two")
ONE, TWO = (1, "one"), (2, "two")
CLAIMED = (0, 1, ("claim", "t", "p"), ("claimed", 0.0, 0.0))
ON, OFF = ("events", "ONLINE", ("ONLINE",)), ("events", "OFFLINE", ("OFFLINE", "ONLINE"))

GOOD = {
    "a read during a put sees either": [
        history("tracker", (0, 9, PUT1, ONE), (1, 8, ("read",), GONE), (2, 7, ("read",), ONE)),
    ],
    "an older version changes nothing, and is told so": [
        history("tracker", (0, 1, PUT2, TWO), (2, 3, PUT1, TWO), (4, 5, ("read",), TWO)),
    ],
    "what had no answer may happen later, or never": [
        history("tracker", (0, None, PUT1, None), (1, 2, ("read",), GONE), (3, 4, ("read",), ONE)),
        history("tracker", (0, None, PUT1, None), (1, 2, ("read",), GONE)),
    ],
    "one of two at the same time gets the last use": [
        history("link", MADE, (2, 9, USE, GONE), (3, 8, USE, GOT)),
        history("link", MADE, (2, None, USE, None), (3, 8, USE, GONE)),
    ],
    "what is full is refused, and has room after a deletion": [
        history(
            "quota",
            (0, 1, ("limit", 9), ("done",)),
            (2, 3, ("put", 5), ("done",)),
            (4, 5, ("put", 5), ("refused",)),
            (6, 9, ("delete", 5), ("done",)),
            (7, 8, ("put", 9), ("done",)),
        ),
    ],
    "one of two creations succeeds": [
        history(
            "tree",
            (0, 9, ("put", "a", "1", "*"), ("created",)),
            (0, 9, ("put", "a", "2", "*"), ("refused",)),
            (10, 11, ("move", "a", "b"), ("done",)),
            (12, 13, ("read",), ("names", (("b", "1"),))),
        ),
    ],
    "a transition makes one event": [
        history("machine", (0, 1, ("set", "OFFLINE"), ("done",)), (2, 3, ("read",), OFF)),
        history("machine", (0, 9, ("set", "OFFLINE"), ("done",)), (2, 3, ("read",), ON)),
    ],
    "a deleted file comes back": [
        history(
            "file",
            (0, 1, ("create", "d"), ("done",)),
            (2, 3, ("delete", "d"), ("done",)),
            (4, 5, ("read", "d"), GONE),
            (6, 7, ("undelete", "d"), ("done",)),
            (8, 9, ("undelete", "d"), ("conflict",)),
            (10, 11, ("read", "d"), GOT),
        ),
    ],
    "a claim ends with its time, or with its process": [
        history("claim", CLAIMED, (2, 3, ("claim", "u", "q"), ("refused", 1.0, 1.0))),
        history("claim", CLAIMED, (2, 3, ("claim", "u", "q"), ("claimed", 7200.0, 7200.0))),
        history(
            "claim",
            CLAIMED,
            (2, 9, ("died", "p"), ("done",)),
            (3, 4, ("claim", "u", "q"), ("refused", 1.0, 1.0)),
            (5, 6, ("claim", "u", "q"), ("claimed", 1.0, 1.0)),
        ),
    ],
}  # fmt: skip

BAD = {
    "a put that was answered is not seen": history("tracker", (0, 1, PUT1, ONE), (2, 3, ("read",), GONE)),
    "a read goes back": history(
        "tracker", (0, 9, PUT1, ONE), (1, 2, ("read",), ONE), (3, 4, ("read",), GONE)
    ),
    "an older version wins": history("tracker", (0, 1, PUT2, TWO), (2, 3, PUT1, ONE)),
    "the bytes of another version": history("tracker", (0, 1, PUT1, ONE), (2, 3, ("read",), (1, "two"))),
    "what was read without an answer is gone later": history(
        "tracker", (0, None, PUT1, None), (1, 2, ("read",), ONE), (3, 4, ("read",), GONE)
    ),
    "a link for one is good for two": history("link", MADE, (2, 9, USE, GOT), (3, 8, USE, GOT)),
    "a revoked link": history(
        "link", (0, 1, ("make", 5), ("done",)), (2, 3, ("revoke",), ("done",)), (4, 5, USE, GOT)
    ),
    "more than the quota": history(
        "quota",
        (0, 1, ("limit", 9), ("done",)),
        (2, 9, ("put", 5), ("done",)),
        (3, 8, ("put", 5), ("done",)),
    ),
    "a refusal with room left": history(
        "quota", (0, 1, ("limit", 9), ("done",)), (2, 3, ("put", 5), ("refused",))
    ),
    "two creations succeed": history(
        "tree", (0, 9, ("put", "a", "1", "*"), ("created",)), (0, 9, ("put", "a", "2", "*"), ("replaced",))
    ),
    "a name is in two places": history(
        "tree",
        (0, 1, ("put", "a", "1", None), ("created",)),
        (2, 3, ("move", "a", "b"), ("done",)),
        (4, 5, ("read",), ("names", (("a", "1"), ("b", "1")))),
    ),
    "two events of one transition": history(
        "machine",
        (0, 1, ("set", "OFFLINE"), ("done",)),
        (2, 3, ("read",), ("events", "OFFLINE", ("OFFLINE", "OFFLINE", "ONLINE"))),
    ),
    "two transitions to one state": history(
        "machine", (0, 9, ("set", "OFFLINE"), ("done",)), (1, 8, ("set", "OFFLINE"), ("done",))
    ),
    "a deleted file is served": history(
        "file",
        (0, 1, ("create", "d"), ("done",)),
        (2, 3, ("delete", "d"), ("done",)),
        (4, 5, ("read", "d"), GOT),
    ),
    "a mirror is claimed twice": history(
        "claim",
        (0, 9, ("claim", "t", "p"), ("claimed", 0.0, 0.0)),
        (1, 8, ("claim", "u", "q"), ("claimed", 0.0, 0.0)),
    ),
}  # fmt: skip


class Checker(unittest.TestCase):
    def test_what_is_linearizable(self) -> None:
        for name, histories in GOOD.items():
            for operations in histories:
                with self.subTest(name):
                    self.assertTrue(is_linearizable(operations))

    def test_what_is_not(self) -> None:
        for name, operations in BAD.items():
            with self.subTest(name):
                self.assertFalse(is_linearizable(operations))

    def test_every_kind_can_be_refused(self) -> None:
        self.assertEqual({operations[0].kind for operations in BAD.values()}, set(MODELS))

    def test_a_violation_names_the_answer_and_what_was_possible(self) -> None:
        operations = BAD["a link for one is good for two"]
        found = violation(operations, 0, MODELS["link"].step)
        self.assertIsNotNone(found)
        self.assertEqual((found.operation, found.states), (operations[1], (0,)))  # type: ignore[union-attr]
        self.assertIn("('use', 'd') -> ('bytes', 'd') from (0,)", str(found))

    def test_a_claim_that_had_no_answer_has_no_known_end(self) -> None:
        (claimed,) = claim_step(Claim(), history("claim", (0, None, ("claim", "t", "p"), None))[0])
        self.assertEqual(claimed.may_be_free(5.0), {True, False})


class ManyOperations(unittest.TestCase):
    """Histories made by a real register with a lock, and the same with one answer changed."""

    def register(self, seed: int, length: int, clients: int) -> list[Operation]:
        """Puts and reads, each taking effect at some moment between its call and its answer."""
        chance, found = random.Random(seed), []
        state: tuple[Any, ...] | None = None
        moments = sorted(chance.random() for _ in range(length))
        for number, moment in enumerate(moments):
            width = clients / length
            called, answered = moment - chance.random() * width, moment + chance.random() * width
            if chance.random() < 0.5:
                what: tuple[Any, ...] = ("put", number, str(number))
                answer: tuple[Any, ...] = (number, str(number))
                state = answer
            else:
                what, answer = ("read",), state or ("missing",)
            times = int(called * 10**9), int(answered * 10**9)
            found.append(Operation("tracker", "x", what, answer, *times, str(number)))
        return found

    def test_true_histories_are_accepted(self) -> None:
        for seed in range(3):
            self.assertTrue(is_linearizable(self.register(seed, 1000, 3)))

    def test_one_wrong_answer_among_thousands_is_found(self) -> None:
        for seed in range(3):
            operations = self.register(seed, 1000, 3)
            late = next(at for at in range(800, 1000) if operations[at].what == ("read",))
            old = operations[300].answer
            changed = Operation(
                *("tracker", "x", ("read",), old, operations[late].called, operations[late].answered)
            )
            operations[late] = changed
            self.assertFalse(is_linearizable(operations))


UNANSWERED = 24  # as after an engine was killed, when all clients are answered 503 for a while
NAMES = ("a", "b", "c")
FIRST = {
    "file": ("create", "d"),
    "quota": ("limit", 99),
}
ASKED: dict[str, Callable[[int], tuple[Any, ...]]] = {
    "file": lambda number: ("delete", "d") if number % 2 else ("undelete", "d"),
    "quota": lambda number: ("put", (1, 20, 45)[number % 3]),
    "tracker": lambda number: ("put", number, f"d{number}"),
    "tree": lambda number: ("put", NAMES[number % 3], f"d{number}", None),
    "machine": lambda number: ("set", ("ONLINE", "OFFLINE", "QUIESCING")[number % 3]),
}  # fmt: skip
SEEN = {
    "file": ("bytes", "d"),
    "quota": ("used", 66),
    "tracker": (UNANSWERED - 1, f"d{UNANSWERED - 1}"),
    "tree": ("names", (("a", "d9"), ("c", "d11"))),
    "machine": ("events", "QUIESCING", ("QUIESCE", "ONLINE", "OFFLINE", "ONLINE")),
}
MOST_STEPS = 50_000


class ManyUnanswered(unittest.TestCase):
    def judge(self, kind: str, right: bool) -> None:
        """A history of many operations without an answer, and readings after them that are right or not."""
        steps = 0

        def step(state: Any, operation: Operation) -> Any:
            nonlocal steps
            steps += 1
            self.assertLess(steps, MOST_STEPS)
            return MODELS[kind].step(state, operation)

        rows: list[Any] = [(0, 1, FIRST[kind], ("done",))] if kind in FIRST else []
        rows += [(2 + number, None, ASKED[kind](number), None) for number in range(UNANSWERED)]
        seen = SEEN[kind] if right else (*SEEN[kind][:-1], "none of them")
        reading = ("read", "d") if kind == "file" else ("read",)
        rows += [(100 + at, 101 + at, reading, seen) for at in range(0, 10, 2)]
        found = violation(history(kind, *rows), MODELS[kind].initial, step)
        self.assertEqual(found is None, right)

    def test_the_cost_does_not_grow_beyond_bounds(self) -> None:
        for kind in SEEN:
            for right in (True, False):
                with self.subTest(kind, right=right):
                    self.judge(kind, right)


class Written(unittest.TestCase):
    def test_what_a_client_writes_is_read(self) -> None:
        def fail(error: Exception) -> Any:
            raise error

        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        pen = Pen(folder / "a.history", "a")
        pen.do("tracker", "/x", ("put", 1, "one"), lambda: ONE)
        pen.do("tracker", "/x", ("put", 2, "two"), lambda: fail(Unanswered()))
        pen.do("tracker", "/x", ("put", 3, "three"), lambda: fail(NotAsked()))
        pen.do("tracker", "/x", ("read",), lambda: fail(Unanswered()))
        pen.do("link", "l", ("make", 2), lambda: ("done",))
        pen.close()
        with (folder / "a.history").open("a") as file:
            file.write('{"id": "a 6", "kind": "tr')  # killed in the middle
        found = dict(by_subject(read_history(folder)))
        self.assertEqual([each.what for each in found["tracker"]], [("put", 1, "one"), ("put", 2, "two")])
        self.assertEqual([each.answer for each in found["tracker"]], [ONE, None])
        self.assertTrue(is_linearizable(found["link"]))

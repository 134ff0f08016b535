"""Operations, and the file that a client writes them to: a line at the call, a line at the answer.

The calls of a process that is killed stand there without an answer.  Times are of CLOCK_MONOTONIC, which all
processes of a machine share.
"""

import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Answer = tuple[Any, ...]


class Unanswered(Exception):
    """The operation may have taken effect or not; a reading that raises it is left out."""


class NotAsked(Exception):
    """The operation has not reached the library."""


@dataclass(frozen=True)
class Operation:
    """What a client asked of an object, and what it was answered; `answered` is None if it was not."""

    kind: str
    subject: str
    what: tuple[Any, ...]
    answer: Answer | None
    called: int  # nanoseconds
    answered: int | None  # nanoseconds
    client: str = ""

    def __str__(self) -> str:
        until = "never" if self.answered is None else f"{self.answered / 1e9:.6f}"
        told = "no answer" if self.answer is None else self.answer
        return (
            f"{self.kind} {self.subject} {self.client} {self.called / 1e9:.6f}..{until} {self.what} -> {told}"
        )


class Pen:
    """Writes the operations of one client."""

    def __init__(self, path: Path, client: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._client = client
        self._number = 0
        self.answered = 0  # operations

    def close(self) -> None:
        """Nothing more is written."""
        os.close(self._file)

    def do(self, kind: str, subject: str, what: tuple[Any, ...], ask: Callable[[], Answer]) -> Answer | None:
        """Call `ask`, and write what was asked and answered; the answer, None if there was none."""
        number = self.begin(kind, subject, what)
        try:
            answer = ask()
        except Unanswered:
            return None
        except NotAsked:
            self._write(number, asked=False)
            return None
        self.answer(number, answer)
        return answer

    def begin(self, kind: str, subject: str, what: tuple[Any, ...]) -> str:
        """Write that something begins that may never be answered; its id."""
        self._number += 1
        number = f"{self._client} {self._number}"
        self._write(number, kind=kind, subject=subject, what=what, called=time.monotonic_ns())
        return number

    def answer(self, number: str, answer: Answer) -> None:
        """Write what the operation with this id was answered."""
        self.answered += 1
        self._write(number, answer=answer, answered=time.monotonic_ns())

    def _write(self, number: str, **facts: Any) -> None:
        os.write(self._file, (json.dumps({"id": number, **facts}) + "\n").encode())


def read_history(folder: Path) -> list[Operation]:
    """The operations of all clients that wrote into a folder."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.history")):
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):  # a client was killed while it wrote
                facts = json.loads(line)
                found.setdefault(facts["id"], {}).update(facts)
    return [operation for facts in found.values() if (operation := _operation(facts))]


def _operation(facts: dict[str, Any]) -> Operation | None:
    what = _frozen(facts["what"])
    if not facts.get("asked", True) or ("answered" not in facts and what[0] == "read"):
        return None
    return Operation(
        facts["kind"],
        facts["subject"],
        what,
        _frozen(facts["answer"]) if "answered" in facts else None,
        facts["called"],
        facts.get("answered"),
        facts["id"],
    )


def _frozen(value: Any) -> Any:
    """Lists as tuples."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def by_subject(operations: Iterable[Operation]) -> Iterator[tuple[str, list[Operation]]]:
    """The kind and the history of each object."""
    found: dict[tuple[str, str], list[Operation]] = defaultdict(list)
    for operation in operations:
        found[operation.kind, operation.subject].append(operation)
    for (kind, _subject), history in found.items():
        yield kind, history

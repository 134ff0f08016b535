"""The tests of a package in a warm process: which functions each calls, and whether they notice a change.

A change is made in a fork, by a new `__code__` in the living function, so nothing is written or imported.
What runs once, while the world is set up, is therefore not judged.
"""

import gc
import json
import os
import select
import signal
import sys
import threading
import time
import unittest
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any

from tests import test_documents
from tests.support.layers import Functional, Unit
from tools.mutants.changes import Mutant

Place = tuple[str, int]  # file, first line of a function
MOST_SECONDS = 120.0  # for the tests of one change, the quick ones first
SILENT_SECONDS = 20.0  # and ten times what the longest test took: then it hangs, and is noticed
PASSED = "passed"


@dataclass
class Known:
    """A test, and what was seen of it when nothing was changed."""

    test: Any
    layer: Any
    seconds: float = 0.0
    calls: frozenset[Place] = frozenset()
    passes: bool = False


def tests_of(names: Iterable[str]) -> list[Known]:
    """Unit and functional tests of `tests.<name>` and the documents in `doctests/<name>`."""
    found: list[Known] = []
    for name in names:
        modules = sorted(Path("tests", name).rglob("test_*.py"))
        for module in (".".join(path.with_suffix("").parts) for path in modules):
            found += _flat(unittest.defaultTestLoader.loadTestsFromName(module))
        for path in sorted(Path("doctests", name).glob("*.rst")):
            if test_documents.shows_something(path):
                layer = test_documents.layer_of(path)
                found += [Known(each, layer) for each in test_documents.document_suite(path.resolve())]
    return [each for each in found if each.layer in (None, Unit, Functional)]


def _flat(suite: Any) -> Iterator[Known]:
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from _flat(each)
        else:
            yield Known(each, getattr(each, "layer", None))


def passes(known: Known) -> bool:
    """Run one test in its layer."""
    result = unittest.TestResult()
    functional = known.layer is Functional
    if functional:
        Functional.testSetUp()
    try:
        unittest.TestSuite([known.test]).run(result)
    finally:
        if functional:
            Functional.testTearDown()
    return result.wasSuccessful()


def look(tests: list[Known], below: str) -> None:
    """Run each test once, in a fork, and note what it calls of the files below a folder."""

    def work(say: Callable[[Any], None]) -> None:
        for number, known in enumerate(tests):
            seen: set[Place] = set()
            begun = time.monotonic()
            fine = _watched(known, below, seen)
            say([number, time.monotonic() - begun, fine, sorted(seen)])

    for number, seconds, fine, seen in forked(work, 3600.0):
        known = tests[number]
        known.seconds, known.passes = seconds, fine
        known.calls = frozenset((path, line) for path, line in seen)


def steady(tests: list[Known]) -> list[Known]:
    """Those that pass again in one process, the quick ones first, as `notices` runs them."""
    tests = sorted((known for known in tests if known.passes), key=lambda known: known.seconds)

    def work(say: Callable[[Any], None]) -> None:
        for known in tests:
            say(passes(known))

    return [known for known, fine in zip(tests, forked(work, 3600.0), strict=False) if fine]


def _watched(known: Known, below: str, seen: set[Place]) -> bool:
    def note(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(below):
            seen.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        return passes(known)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def notices(mutant: Mutant, tests: list[Known]) -> str:
    """The name of the test that fails, "a hang", nothing, or "none living": no function has this code."""
    concerned = [known for known in tests if mutant.place in known.calls]

    def work(say: Callable[[Any], None]) -> None:
        if not apply(mutant):
            say("none living")
            return
        ends = time.monotonic() + MOST_SECONDS
        for known in concerned:
            if not passes(known):
                say(str(known.test))
                return
            say(PASSED)
            if time.monotonic() > ends:
                break
        say("")

    silent = SILENT_SECONDS + 10 * max((known.seconds for known in concerned), default=0.0)
    for said in forked(work, silent):
        if said != PASSED:
            return str(said)
    return "a hang, or the end of the process"


def apply(mutant: Mutant) -> int:
    """Give all living functions of this place the changed code; how many they are."""
    number = 0
    for one in gc.get_objects():
        if type(one) is FunctionType and _place(one) == (*mutant.place, mutant.function):
            try:
                one.__code__ = mutant.code
            except ValueError:  # it uses another number of names from outside, such as super()
                continue
            number += 1
    return number


def _place(function: FunctionType) -> tuple[str, int, str]:
    code = function.__code__
    return code.co_filename, code.co_firstlineno, code.co_qualname


def forked(work: Callable[[Callable[[Any], None]], None], silent_seconds: float) -> Iterator[Any]:
    """What `work` says in a process of its own, as JSON, until it ends or is silent for too long."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        _work(work, writing)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb", buffering=0) as lines:
            while select.select([lines], [], [], silent_seconds)[0]:
                line = lines.readline()
                if not line:
                    return
                yield json.loads(line)
    finally:
        try:
            os.killpg(child, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(child, 0)


def _work(work: Callable[[Callable[[Any], None]], None], writing: int) -> None:
    status = 1
    try:
        for descriptor in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
        with os.fdopen(writing, "w", buffering=1) as said:
            work(lambda what: print(json.dumps(what), file=said, flush=True))
        status = 0
    finally:
        os._exit(status)

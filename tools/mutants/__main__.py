"""bin/py -m tools.mutants PACKAGE [sample=40] [seed=1] [only=N] [tests=store,library] [in=part of a path]."""

import random
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.layers import Functional
from tools.mutants.changes import Mutant, mutants
from tools.mutants.running import Known, Place, look, notices, steady, tests_of

SOURCE = Path("src/librarian").resolve()


@dataclass(frozen=True)
class Wanted:
    """What the command line says."""

    package: str
    sample: int = 40
    seed: str = "1"
    only: int = -1
    tests: tuple[str, ...] = ()
    within: str = ""


def read_wanted(arguments: list[str]) -> Wanted:
    """Exits with a line on what is wrong with `arguments`."""
    try:
        package, *rest = arguments
        given = dict(each.split("=", 1) for each in rest)
        tests = tuple(given.pop("tests", package).split(","))
        within, seed = given.pop("in", ""), given.pop("seed", "1")
        numbers = {name: int(value) for name, value in given.items()}
        return Wanted(package, seed=seed, tests=tests, within=within, **numbers)
    except (TypeError, ValueError):
        sys.exit(__doc__)


def main() -> None:
    wanted = read_wanted(sys.argv[1:])
    sources = sorted(path for path in (SOURCE / wanted.package).rglob("*.py") if wanted.within in str(path))
    Functional.setUp()
    tests = tests_of(wanted.tests)
    look(tests, str(SOURCE / wanted.package))
    usable = steady(tests)
    called = {place for known in usable for place in known.calls}
    print(f"{len(usable)} of {len(tests)} tests, {sum(known.seconds for known in usable):.0f} s", flush=True)
    every = [one for path in sources for one in mutants(path)]
    chosen = sampled(every, called, wanted)
    sys.exit(judge(chosen, usable, wanted))


def sampled(every: list[Mutant], called: set[Place], wanted: Wanted) -> list[Mutant]:
    """As many as are wanted of those in functions that a test calls; the same ones for the same seed."""
    reached = [one for one in every if one.place in called]
    print(f"{len(every)} changes, {len(every) - len(reached)} of them in functions that no such test calls")
    random.Random(f"{wanted.seed} {wanted.package}").shuffle(reached)  # noqa: S311  # a sample
    return reached[: wanted.sample]


def judge(chosen: list[Mutant], tests: list[Known], wanted: Wanted) -> int:
    """Try them, say what becomes of each, and how many were noticed; 1 if fewer than nine of ten."""
    noticed, tried = 0, 0
    for number, mutant in enumerate(chosen):
        if wanted.only not in (-1, number):
            continue
        by = notices(mutant, tests)
        if by == "none living":
            continue
        tried += 1
        noticed += bool(by)
        shown = str(mutant).removeprefix(f"{SOURCE}/")
        print(
            f"{number:3} {'noticed  ' if by else 'SURVIVED '} {shown}" + (f"   by {by}" if by else ""),
            flush=True,
        )
    print(f"{wanted.package}, seed {wanted.seed}: {noticed} of {tried} noticed")
    return 0 if noticed * 10 >= tried * 9 else 1


if __name__ == "__main__":
    main()

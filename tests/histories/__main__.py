"""make soak: histories of a million operations, on every engine, with faults, each judged by its model.

    bin/py -m tests.histories [operations=1000000] [seed=TEXT] [engine=NAME]

Exit status 1 if a history cannot be explained, or if an answer came that nothing explains.  A history is not
repeated by its seed, since threads and processes take their turns as they come: what was not linearizable is
kept in a folder that is named.
"""

import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.histories.faults import ENGINES, Engine, running
from tests.histories.rounds import Outcome, run_round

OF_A_ROUND = 10_000  # operations


def main() -> None:
    """Do it, and tell."""
    given = dict(argument.partition("=")[::2] for argument in sys.argv[1:])
    if unknown := set(given) - {"operations", "seed", "engine"}:
        sys.exit(f"unknown: {' '.join(unknown)}; operations=NUMBER, seed=TEXT and engine=NAME are known")
    seed = given.get("seed") or secrets.token_hex(4)
    engines = [engine for engine in ENGINES if given.get("engine", engine.name) == engine.name]
    wanted = int(given.get("operations", 1_000_000)) // len(engines)
    print(
        f"seed {seed}: {wanted} operations on each of {', '.join(each.name for each in engines)}", flush=True
    )
    outcomes = [many_rounds(engine, wanted, seed) for engine in engines]
    sys.exit(0 if all(outcome.is_good for outcome in outcomes) else 1)


def many_rounds(engine: Engine, wanted: int, seed: str) -> Outcome:
    """So many operations on one engine."""
    found = Outcome()
    if why := engine.missing():
        print(f"{engine.name} is left out: {why}", flush=True)
        return found
    with (
        tempfile.TemporaryDirectory(prefix="librarian-histories-") as folder,
        running(engine, Path(folder)) as site,
    ):
        told = time.monotonic()
        while found.operations.total() < wanted:
            one = run_round(site, min(OF_A_ROUND, wanted), f"{seed} {found.operations.total()}")
            for each in (*one.violations, *one.troubles):
                print(f"{engine.name}: {each}", flush=True)
            found.add(one)
            if time.monotonic() > told + 60:
                print(f"{engine.name:<12}{found}", flush=True)
                told = time.monotonic()
    print(f"{engine.name:<12}{found}", flush=True)
    return found


if __name__ == "__main__":
    main()

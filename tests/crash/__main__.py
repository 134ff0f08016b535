"""make soak: a thousand power cuts and more, then each kind of sync left out in turn.

    bin/py -m tests.crash [states=1000] [seed=TEXT] [scene=NAME] [syncs=300]

`states` are those of all scenes together, `syncs` the number of states in which a sync that does nothing has
to be noticed; 0 leaves these out.  Exit status 1 if anything acknowledged was lost, or if a sync that was
left out made no difference and `syncs.UNNEEDED` does not say why.
"""

import secrets
import sys
import time
from dataclasses import dataclass
from typing import Any

from tests.crash import recording
from tests.crash.exploring import Explorer, Report, kinds_of
from tests.crash.scenes import SCENES, Scene
from tests.crash.syncs import UNNEEDED
from tests.support.layers import Functional


@dataclass(frozen=True)
class Wanted:
    """What the command line says, as name=value: bin/py keeps options to itself."""

    states: int = 1000
    seed: str = ""
    scene: str = ""
    syncs: int = 300

    @property
    def scenes(self) -> list[type[Scene]]:
        """The scenes to be explored."""
        return [scene for scene in SCENES if self.scene in ("", scene.__name__)]


def read_wanted(arguments: list[str]) -> Wanted:
    """Exits with a line on what is wrong with `arguments`."""
    given: dict[str, Any] = dict(argument.partition("=")[::2] for argument in arguments)
    try:
        for name in {"states", "syncs"} & set(given):
            given[name] = int(given[name])
        return Wanted(**{"seed": secrets.token_hex(4), **given})
    except (TypeError, ValueError):
        sys.exit("usage: bin/py -m tests.crash [states=NUMBER] [seed=TEXT] [scene=NAME] [syncs=NUMBER]")


def main() -> None:
    """Explore, and tell."""
    wanted = read_wanted(sys.argv[1:])
    if why := recording.missing():
        sys.exit(f"nothing can be recorded: {why}")
    Functional.setUp()
    explorers = [Explorer.of(scene) for scene in wanted.scenes]
    faults = explore(explorers, wanted)
    unexplained = leave_out_syncs(explorers, wanted.syncs) if wanted.syncs else 0
    sys.exit(1 if faults or unexplained else 0)


def explore(explorers: list[Explorer], wanted: Wanted) -> int:
    """Judge states of all scenes; the number of faults."""
    report, begun = Report(), time.monotonic()
    print(f"seed {wanted.seed}: {wanted.states} states of {len(explorers)} scenes", flush=True)
    for number, explorer in enumerate(explorers):
        share = wanted.states // len(explorers) + (number < wanted.states % len(explorers))
        before = report.states
        for fault in explorer.judge(explorer.sampled(share, wanted.seed), report):
            print(fault, flush=True)
        operations = len(explorer.recording.operations)
        print(f"{report.states - before:6} {explorer.scene.__name__}, {operations} operations", flush=True)
    for sentence, often in report.refusals.items():
        print(f"refused, and opened after a repair, {often} times: {sentence}")
    seconds = time.monotonic() - begun
    print(
        f"{report.states} states in {seconds:.0f} s, seed {wanted.seed}: {len(report.faults)} faults",
        flush=True,
    )
    return len(report.faults)


def leave_out_syncs(explorers: list[Explorer], most: int) -> int:
    """Leave out each kind of sync in each scene; the number of kinds that nothing explains."""
    noticed: dict[str, str] = {}
    for explorer in explorers:
        for kind in kinds_of(explorer.recording):
            if kind not in noticed and (fault := explorer.notices(kind, "posix", most)):
                noticed[kind] = explorer.scene.__name__
                print(f"without {kind}: {explorer.scene.__name__}: {fault.what[0][:100]}", flush=True)
    kinds = {kind for explorer in explorers for kind in kinds_of(explorer.recording)}
    for kind in sorted(kinds - set(noticed)):
        print(f"without {kind}: nothing is lost: {UNNEEDED.get(kind, 'and nothing says why')}", flush=True)
    return len(kinds - set(noticed) - set(UNNEEDED))


if __name__ == "__main__":
    main()

"""The month of outages with 200 mirrors, for several seeds: bin/py -m benchmarks.outages

What doctests/mirrors/outages.rst shows with forty.  Ends with status 1 if a mirror was switched off wrongly,
or a dead one not at all.
"""

import sys

from tests.support.mirrors.outages import DYING, MIRRORS, Month
from tests.support.world import World

SEEDS = range(2026, 2029)


def main() -> None:
    world = World()
    months = [judged(world, seed, home) for seed in SEEDS for home in (True, False)]
    sys.exit(0 if all(months) else 1)


def judged(world: World, seed: int, archive_at_home: bool) -> bool:
    """Whether nothing wrong came of the month, of which a line is printed."""
    world.begin()
    try:
        month = Month(world.clock, seed=seed, archive_at_home=archive_at_home)
        month.run()
    finally:
        world.end()
    hours = f"{month.hours[0]:.1f} to {month.hours[-1]:.1f} hours" if month.hours else "never"
    print(
        f"{MIRRORS} mirrors, seed {seed}, archive {'at home' if archive_at_home else 'outside'}: "
        f"{len(month.wrongly)} wrongly switched off, {len(month.hours)} of {DYING} rightly, {hours}",
        flush=True,
    )
    return not month.wrongly and len(month.hours) == DYING


if __name__ == "__main__":
    main()

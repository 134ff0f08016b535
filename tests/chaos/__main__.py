"""make soak: each part of a cluster is killed ten times under load; a table says what that cost.

`bin/py -m tests.chaos [rounds=NUMBER] [only=NAME,...]`; ends with 1 where something acknowledged was lost, a
byte was wrong, an answer was 5xx other than 503 and 507, or something did not come to its end.  Each wait has
a limit.
"""

import signal
import sys
import time

from tests.chaos.rounds import all_outcomes, summary
from tools.cluster.cluster import missing


def main() -> None:
    given = dict(argument.partition("=")[::2] for argument in sys.argv[1:])
    if why := missing():
        sys.exit(f"no chaos: {why}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # the parts are ended too
    only = [name for name in given.get("only", "").split(",") if name]
    begun = time.monotonic()
    outcomes = all_outcomes(int(given.get("rounds", 10)), only, lambda line: print(line, flush=True))
    for each in outcomes:
        for what in [*each.lost, *each.wrong, *each.failures][:20]:
            print(f"{each.name}: {what}")
    print(summary(outcomes, time.monotonic() - begun))
    sys.exit(not all(each.is_good for each in outcomes))


if __name__ == "__main__":
    main()

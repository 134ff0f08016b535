"""make soak: schemathesis asks a fresh server by its description, 20,000 times or more, by a new seed.

bin/py -m tests.web.openapi [cases=NUMBER] [seed=NUMBER]
"""

import secrets
import sys
import time

from tests.support.servers.librarian import ServerProcess
from tests.web.openapi.asking import ENDPOINTS, PROGRAM, Asked, Questioner

ROUND = 40  # random cases of an operation


def main() -> None:
    given = dict(argument.partition("=")[::2] for argument in sys.argv[1:])
    try:
        wanted, seed = int(given.get("cases") or 20_000), int(given.get("seed") or secrets.randbelow(10**6))
    except ValueError:
        sys.exit("usage: bin/py -m tests.web.openapi [cases=NUMBER] [seed=NUMBER]")
    if not PROGRAM.exists():
        sys.exit("schemathesis is not there: .venv/bin/python tools/peers.py")
    sys.exit(soak(wanted, seed))


def soak(wanted: int, seed: int) -> int:
    """Rounds over all endpoints until there were as many cases; 1 if anything was found."""
    cases, failed, begun, number = 0, False, time.monotonic(), 0
    while cases < wanted:
        server = ServerProcess()  # a new one each round: what was made would fill it with many things
        server.start()
        try:
            questioner = Questioner(server)
            for endpoint in ENDPOINTS:
                asked = questioner.ask(endpoint, ROUND, seed + number)
                cases += asked.cases
                failed |= tell(asked, seed + number)
            if "Traceback" in server.log.read_text():
                failed = True
                print(server.log.read_text()[-5000:])
        finally:
            server.stop()
            server.remove()
        number += 1
    print(f"{cases} cases in {time.monotonic() - begun:.0f} s, first seed {seed}")
    return int(failed)


def tell(asked: Asked, seed: int) -> bool:
    """Print what came of one endpoint; whether anything was found."""
    print(
        f"{asked.endpoint}: {asked.cases} cases, seed {seed}: {'found' if asked.status else 'nothing'}",
        flush=True,
    )
    if asked.status:
        print(asked.output)
    return bool(asked.status)


if __name__ == "__main__":
    main()

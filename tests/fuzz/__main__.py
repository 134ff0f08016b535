"""make soak: 100,000 hostile requests to a fresh server.  index=N sends one of a seed again, and shows it."""

import secrets
import sys
import time
from dataclasses import dataclass, replace
from typing import Any

from tests.fuzz.campaign import Campaign, Process, send
from tests.fuzz.generator import attempt
from tests.fuzz.judging import faults
from tests.fuzz.words import Facts
from tests.fuzz.world import furnish, unharmed
from tests.support.servers.librarian import ServerProcess


@dataclass(frozen=True)
class Wanted:
    """What the command line says, as name=value: bin/py keeps options to itself."""

    requests: int = 100_000
    seed: str = ""  # empty: a new one
    first: int = 0  # the index to begin at
    index: int = -1  # send only this one, and show what is said


def read_wanted(arguments: list[str]) -> Wanted:
    """Exits with a line on what is wrong with `arguments`."""
    given = dict(argument.partition("=")[::2] for argument in arguments)
    try:
        numbers: dict[str, Any] = {name: int(value) for name, value in given.items() if name != "seed"}
        found = Wanted(seed=given.get("seed", ""), **numbers)
    except (TypeError, ValueError):
        sys.exit("usage: bin/py -m tests.fuzz [requests=NUMBER] [seed=TEXT] [first=INDEX] [index=INDEX]")
    return found if found.seed else replace(found, seed=secrets.token_hex(4))


def main() -> None:
    wanted = read_wanted(sys.argv[1:])
    server = ServerProcess()
    server.start()
    try:
        facts = furnish(server)
        if wanted.index >= 0:
            sys.exit(show(server, facts, wanted.seed, wanted.index))
        sys.exit(soak(server, facts, wanted))
    finally:
        server.stop()
        server.remove()


def soak(server: ServerProcess, facts: Facts, wanted: Wanted) -> int:
    print(f"seed {wanted.seed}: {wanted.requests} requests", flush=True)
    begun = time.monotonic()
    process = Process(server.urls, server.pid, server.log)
    campaign = Campaign(process, facts, wanted.seed, lambda line: print(line, flush=True))
    report = campaign.run(wanted.requests, wanted.first)
    found = [*report.faults, *unharmed(server, facts)]
    for status, number in sorted(report.statuses.items()):
        print(f"{number:7} {status}")
    print(f"{report.sent} sent in {time.monotonic() - begun:.0f} s, seed {wanted.seed}: {len(found)} faults")
    for fault in found:
        print(fault)
    if found:
        print(f"again: bin/py -m tests.fuzz seed={wanted.seed} index=N")
    return 1 if found else 0


def show(server: ServerProcess, facts: Facts, seed: str, index: int) -> int:
    made = attempt(seed, index, facts)
    log_seen = server.log.stat().st_size
    print(f"to {made.endpoint}, half-closed: {made.half_close}, abandoned: {made.abandon}")
    for piece in made.pieces:
        print(f"> {piece!r}")
    heard = send(server.urls[made.endpoint], made)
    print(f"< {heard.answer!r}\n< {heard.end}")
    found = faults(made, heard)
    print("\n".join(found) or "no fault")
    print(server.log.read_text()[log_seen:])
    return 1 if found else 0


if __name__ == "__main__":
    main()

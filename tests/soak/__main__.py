"""make soak: hours of mixed load with upkeep, restarts and kills; then everything is compared.

    bin/py -m tests.soak hours=1 [minutes=NUMBER] [workers=2] [share=1.0] [seed=TEXT] [folder=PATH] [write=1]
    bin/py -m tests.soak result=PATH write=1

With `write` the table and the plot go into docs/proof.md; `result` is that of an earlier run, which lies in
its folder as result.json.  Exit status 1 if there is a fault.
"""

import secrets
import signal
import sys
import tempfile
from pathlib import Path

from tests.soak.campaign import Campaign
from tests.soak.report import Result, markdown, write

KNOWN = {"hours", "minutes", "workers", "share", "seed", "folder", "write", "result"}


def main() -> None:
    """Do it, and tell."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # the server and the browser are ended too
    given = dict(argument.partition("=")[::2] for argument in sys.argv[1:])
    if unknown := set(given) - KNOWN:
        sys.exit(f"unknown: {' '.join(unknown)}\n{__doc__}")
    result = Result.load(Path(given["result"])) if "result" in given else run(given)
    print(markdown(result))
    if given.get("write"):
        write(result, Path.cwd())
    for line in result.faults:
        print(line)
    sys.exit(bool(result.faults))


def run(given: dict[str, str]) -> Result:
    """A run, whose result is kept in its folder."""
    hours = float(given.get("hours", 0)) + float(given.get("minutes", 0)) / 60
    folder = Path(given.get("folder") or tempfile.mkdtemp(prefix="librarian-soak-")).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(folder)  # the server's folder and all others are below it
    campaign = Campaign(
        folder,
        3600 * (hours or 1.0),
        given.get("seed") or secrets.token_hex(4),
        int(given.get("workers", 2)),
        float(given.get("share", 1.0)),
        lambda line: print(line, flush=True),
    )
    result = campaign.run()
    result.save(folder / "result.json")
    print(f"the result is in {folder / 'result.json'}", flush=True)
    return result


if __name__ == "__main__":
    main()

"""Which pins of versions.cfg are behind what the package index offers: `make pins`.

The index is asked through pip, as tools/bootstrap.py has it, for the packages that are pinned and no others.
Without an index, or without a network, nothing is compared, and that is said.  A pin that stays behind on
purpose has its reason in BEHIND; one that is named there and is the newest is reported too.

Hashes are not compared: buildout has no option for them.  `bin/py -m tools.pins requirements` prints the pins
as a requirements file, for pip-audit and for `pip-compile --generate-hashes`.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.bootstrap import PYTHON, vendored_pip

CHECKOUT = Path(__file__).resolve().parent.parent
SECONDS = 120.0  # for one question
#: Why a newer one is not taken.
BEHIND = {
    "setuptools": "Pyramid 2.1 imports pkg_resources, which 82 no longer has",
    "soupsieve": "what came later wants Python 3.11.5",
    "Sphinx": "what came later wants Python 3.12",
}
_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)\s*=\s*([\w.!+-]+)\s*$")
_NEWEST = re.compile(r"\(([^)]+)\)")

Ask = Callable[[str], str | None]


def pins(text: str) -> Iterator[tuple[str, str]]:
    """Name and version of each pin in the [versions] of a buildout file."""
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip()
        found = _PIN.match(line)
        if found and section == "[versions]":
            yield found[1], found[2]


def newest(name: str) -> str | None:
    """The newest version of one package that fits this Python; None where the index cannot be asked."""
    command: list[str | Path] = [
        PYTHON,
        vendored_pip(),
        "index",
        "versions",
        "--disable-pip-version-check",
        name,
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _NEWEST.search(done.stdout.partition("\n")[0])
    return found[1] if done.returncode == 0 and found else None


def judge(pinned: list[tuple[str, str]], ask: Ask) -> tuple[list[str], int]:
    """A line for each pin that is behind, or is said to be and is not; how many could be asked for."""
    with ThreadPoolExecutor(4) as pool:
        offered = list(pool.map(lambda pin: ask(pin[0]), pinned))
    lines = []
    for (name, version), latest in zip(pinned, offered, strict=True):
        if latest is None:
            continue
        if latest != version and name not in BEHIND:
            lines.append(f"{name} {version}: the index has {latest}")
        elif latest == version and name in BEHIND:
            lines.append(f"{name} {version} is the newest: BEHIND need not name it")
    return lines, sum(latest is not None for latest in offered)


def main() -> None:
    pinned = list(pins((CHECKOUT / "versions.cfg").read_text("utf-8")))
    if sys.argv[1:] == ["requirements"]:
        print("\n".join(f"{name}=={version}" for name, version in pinned))
        return
    if newest(pinned[0][0]) is None:
        print("pins: no package index can be asked; nothing is compared")
        return
    lines, asked = judge(pinned, newest)
    print(
        "\n".join(
            [*lines, f"pins: {len(lines)} to look at; {asked} of {len(pinned)} packages were asked for"]
        )
    )
    sys.exit(1 if lines else 0)


if __name__ == "__main__":
    main()

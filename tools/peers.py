"""What tests and benchmarks compare with, installed where the build has no part in it.

    .venv/bin/python tools/peers.py            the client of filetracker, for the tests
    .venv/bin/python tools/peers.py --server   its server too, for the benchmarks

The client goes to parts/peers without its dependencies: of those it needs six alone (and requests, which
the build has), the others are for its server and want a compiler and Berkeley DB.  The server gets an
environment of its own, parts/filetracker-server.  What cannot be had is said, and is no error: the tests
and benchmarks that want it say that it was left out.
"""

import configparser
import subprocess
import sys
import venv
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
CLIENT = CHECKOUT / "parts" / "peers"
SERVER = CHECKOUT / "parts" / "filetracker-server"
(WHEEL,) = (CHECKOUT / "tools").glob("pip-*.whl")


def main() -> None:
    versions = pinned()
    if not (CLIENT / "filetracker").is_dir():
        wanted = [f"{name}=={versions[name]}" for name in ("filetracker", "six")]
        install(sys.executable, "--no-deps", "--target", str(CLIENT), *wanted)
    CLIENT.mkdir(parents=True, exist_ok=True)
    (CLIENT / ".tried").touch()
    if "--server" in sys.argv and not (SERVER / "bin" / "filetracker-server").exists():
        venv.create(SERVER, clear=True, with_pip=False, symlinks=True)
        wanted = [f"{name}=={versions[name]}" for name in ("six",)]
        install(str(SERVER / "bin" / "python"), f"filetracker[server]=={versions['filetracker']}", *wanted)


def pinned() -> dict[str, str]:
    """What versions.cfg says."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # names keep their case
    parser.read(CHECKOUT / "versions.cfg")
    return dict(parser["versions"])


def install(python: str, *arguments: str) -> None:
    command = [python, str(WHEEL / "pip"), "install", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"not installed: {' '.join(arguments)}: {done.stderr.strip().splitlines()[-1:]}")


if __name__ == "__main__":
    main()

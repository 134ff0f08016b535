"""`bin/py -m tools.cluster start|stop|keep [FOLDER] [--any-port]`; the folder is var/cluster if not said."""

import argparse
import sys
from pathlib import Path

from tools.cluster import keeper
from tools.cluster.cluster import missing
from tools.cluster.layout import CHECKOUT, NoCluster


def main() -> None:
    """Do what is asked; a failure is one line, and status 1."""
    parser = argparse.ArgumentParser(prog="tools.cluster", description=__doc__)
    parser.add_argument("what", choices=["start", "stop", "keep"])
    parser.add_argument("folder", nargs="?", type=Path, default=CHECKOUT / "var" / "cluster")
    parser.add_argument("--any-port", action="store_true", help="take free ports, where it has none yet")
    asked = parser.parse_args()
    try:
        act(asked.what, asked.folder.absolute(), asked.any_port)
    except NoCluster as error:
        sys.exit(f"cluster: {error}")


def act(what: str, folder: Path, any_port: bool) -> None:
    """`keep` stays in the foreground.  Raises NoCluster."""
    if what == "stop":
        print("cluster: stopped" if keeper.stop(folder) else "cluster: none is running")
        return
    if why := missing():
        raise NoCluster(why)
    if what == "keep":
        keeper.keep(folder, any_port)
    else:
        print(keeper.start(folder, any_port), end="")


if __name__ == "__main__":
    main()

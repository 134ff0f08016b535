"""The walks of an upload, a download, a link, an export, a probe and a transition through the modules.

`bin/py tools/walks.py [name ...]` does each in a world in memory, and prints our modules in the order in
which they are entered, indented by how deep they are below the first.  A module is printed again only where
the walk comes back to it from above; calls within a module are left out.  CONTRIBUTING.md has drawings made
of this.
"""

import sys
import threading
from collections.abc import Callable
from io import BytesIO
from types import FrameType
from typing import Any

import transaction
from zope.component import getUtility

from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.tokens.interfaces import ITimeLimitedTokenSet
from librarian.machines.enums import CodeImportMachineState
from librarian.machines.interfaces import ICodeImportMachineSet
from librarian.testing.application import request
from librarian.testing.world import overlay
from tests.support.mirrors.sample import SampleFarm
from tests.support.servers.ftp import Scene
from tests.support.world import World

OURS = "librarian."
QUIET = tuple(f"{OURS}{name}" for name in ("testing", "settings", "clock", "binding", "security"))


class Walk:
    """Records the modules of ours that are entered, in all threads, and how deep."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        module = frame.f_globals.get("__name__", "")
        if event != "call" or not module.startswith(OURS) or module.startswith(QUIET):
            return
        above = callers(frame)
        if not above or above[-1] != module:
            step = (len(above), f"{module.removeprefix(OURS)}.{frame.f_code.co_name}")
            if step not in self.lines[-8:]:
                self.lines.append(step)


def callers(frame: FrameType) -> list[str]:
    """The modules of ours that led here, outermost first, each run of the same one once."""
    found: list[str] = []
    above = frame.f_back
    while above is not None:
        module = above.f_globals.get("__name__", "")
        if module.startswith(OURS) and not module.startswith(QUIET) and found[-1:] != [module]:
            found.append(module)
        above = above.f_back
    return found[::-1]


def upload(world: World) -> None:
    headers = {"Content-Type": "text/plain"}
    traced(lambda: request("PUT", "http://localhost:9090/poem.txt", headers, b"roses"))


def download(world: World) -> None:
    alias = getUtility(ILibraryFileAliasSet).create("poem.txt", 5, BytesIO(b"roses"), "text/plain")
    transaction.commit()
    request("GET", alias.http_url)  # what is looked up once is not part of the walk
    traced(lambda: request("GET", alias.http_url))


def link(world: World) -> None:
    aliases = getUtility(ILibraryFileAliasSet)
    alias = aliases.create("poem.txt", 5, BytesIO(b"roses"), "text/plain", restricted=True)
    transaction.commit()
    url = alias.private_url
    token = getUtility(ITimeLimitedTokenSet).allocate(url)
    traced(lambda: request("GET", f"{url}?token={token}"))


def export(world: World) -> None:
    scene = Scene()
    try:
        scene.spool("article.xml", "First things first.")
        traced(scene.export)
    finally:
        scene.close()


def probe(world: World) -> None:
    with overlay("[librarian.mirrors]\nallowed_networks = 127.0.0.0/8"):
        farm = SampleFarm()
        try:
            farm.add("good")
            traced(farm.probe)
        finally:
            farm.close()


def transition(world: World) -> None:
    machines = getUtility(ICodeImportMachineSet)
    machines.new("frobisher.example.com", CodeImportMachineState.OFFLINE)
    transaction.commit()
    machine = machines.getByHostname("frobisher.example.com")
    traced(lambda: machine.setOnline("it was repaired"))


def traced(work: Callable[[], Any]) -> None:
    walk = Walk()
    threading.setprofile(walk)
    sys.setprofile(walk)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    for depth, module in walk.lines:
        print("  " * depth + module)


WALKS = {each.__name__: each for each in (upload, download, link, export, probe, transition)}


def main() -> None:
    world = World()
    for name in sys.argv[1:] or WALKS:
        print(f"--- {name}")
        world.begin()
        try:
            WALKS[name](world)
        finally:
            world.end()


if __name__ == "__main__":
    main()

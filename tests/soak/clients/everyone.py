"""Who works on the server, and how many of each."""

from tests.soak.clients.base import Client
from tests.soak.clients.browsing import Browsing
from tests.soak.clients.exchange import Exchange
from tests.soak.clients.named import Named
from tests.soak.clients.pieces import Pieces
from tests.soak.clients.plain import Plain
from tests.soak.clients.trackers import Ours, Theirs, missing
from tests.soak.world import World
from tests.support import browser


def everyone(world: World, seed: str) -> tuple[list[Client], list[str]]:
    """The clients, and why some kinds are left out."""
    kinds: list[type[Client]] = [Plain, Plain, Plain, Named, Named, Ours, Pieces, Exchange]
    left_out = []
    for why, kind in ((missing(), Theirs), (browser.missing(), Browsing)):
        if why:
            left_out.append(why)
        else:
            kinds.append(kind)
    return [kind(world, number, seed) for number, kind in enumerate(kinds)], left_out

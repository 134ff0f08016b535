"""Who holds a lease and is killed keeps it for its time, by the database's clock, and then another has it."""

import json
import subprocess
import sys
import unittest

from tests.support.layers import Engines
from tests.support.servers.engines import Engine
from tests.support.servers.forked import with_path

# A node in the middle of work.  It takes every lease there is for `seconds`, and says which it got; then for
# each line of its input as many seconds anew, again and again until it has them all.
NODE = """
import datetime as d, json, sys, time
import librarian.clock as c, librarian.library.upkeep.leases as upkeep
ini, minutes, seconds = sys.argv[1:]
c.NodeClock.own = lambda self: d.datetime.now(d.UTC) + d.timedelta(minutes=int(minutes))
from zope.component import getUtility
from librarian.commands.common.site import opened_site
from librarian.interfaces import IClock
from librarian.library.upkeep.interfaces import UpkeepBusy
from librarian.tree.interfaces import ITree

def take_upkeep(tree, clock, lifetime):
    upkeep.LEASE = lifetime
    held = upkeep.HeldLease(tree, clock, "sweep")
    try:
        held.renew()
    except UpkeepBusy:
        return None
    return held.release

def take_events(tree, clock, lifetime):
    now = clock.now()
    if tree.run(lambda: tree.subtree("events").take(minutes, now, now + lifetime)):
        return lambda: tree.run(lambda: tree.subtree("events").release(minutes))

KINDS = {"upkeep": take_upkeep, "events": take_events}
held = {}

def take(lifetime):
    for kind in KINDS.keys() - held.keys():
        release = KINDS[kind](tree, clock, lifetime)
        if release is not None:
            held[kind] = release

with opened_site(ini):
    tree, clock = getUtility(ITree), getUtility(IClock)
    with tree.session():
        take(d.timedelta(seconds=int(seconds)))
        print(json.dumps(sorted(held)), flush=True)
        for line in sys.stdin:
            for kind in list(held):
                held.pop(kind)()
            while len(held) < len(KINDS):
                take(d.timedelta(seconds=int(line)))
                time.sleep(0.1)
            print(json.dumps(sorted(held)), flush=True)
"""
ALL = ["events", "upkeep"]


class Leases(unittest.TestCase):
    """The same on every engine with several servers; `place` is that of the engine among the layer's."""

    layer = Engines
    place: int

    @property
    def engine(self) -> Engine:
        return Engines.engines[self.place]

    def test_a_node_that_was_killed_is_followed_after_the_time_of_the_lease(self) -> None:
        """Not before, by a node whose own clock says that the time was over long ago."""
        holder = self.node(minutes=0)
        self.assertEqual(said(holder), ALL)
        follower = self.node(minutes=5)
        self.assertEqual(said(follower), [])
        tell(holder, 2)
        self.assertEqual(said(holder), ALL)
        holder.kill()
        tell(follower, 2)
        self.assertEqual(said(follower), ALL)
        follower.kill()

    def node(self, *, minutes: int) -> "subprocess.Popen[str]":
        """A process whose clock is so far ahead, and which takes what it can get for four minutes."""
        process = subprocess.Popen(
            [sys.executable, "-c", NODE, str(self.engine.first.ini), str(minutes), "240"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=with_path({}),
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process


def said(process: "subprocess.Popen[str]") -> list[str]:
    """The leases that the process says it has."""
    assert process.stdout is not None
    found: list[str] = json.loads(process.stdout.readline() or "null")
    return found


def tell(process: "subprocess.Popen[str]", seconds: int) -> None:
    """Have the process take all leases anew."""
    assert process.stdin is not None
    process.stdin.write(f"{seconds}\n")
    process.stdin.flush()


class OnZEO(Leases):
    place = 1


class OnPostgreSQL(Leases):
    place = 2


del Leases  # runs on no engine of its own

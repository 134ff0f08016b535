"""Claims: two probers at once, a prober that was killed, a clock that was wrong."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
from datetime import timedelta

import transaction
from zope.security.proxy import removeSecurityProxy

from librarian.mirrors.runs.probe_run import ProbeRun
from librarian.mirrors.runs.summary import RunOptions
from tests.mirrors.runs.test_probe_run import FILES, RunCase
from tests.support.mirrors import servers as mirrorservers
from tests.support.mirrors.servers import MirrorFarm
from tests.support.servers.librarian import ServerProcess


class Clocks(RunCase):
    def test_a_probe_from_the_future_does_not_count(self) -> None:
        mirror = self.add("good")
        self.clock.move(days=365)
        self.probe()
        self.clock.move(days=-365)
        self.assertEqual(self.probe().probed, 1)
        self.assertEqual(mirror.probe_records.count(), 2)

    def test_a_claim_from_the_future_does_not_count(self) -> None:
        mirror = removeSecurityProxy(self.add("good"))
        mirror.claim = ("token", self.clock.now() + timedelta(days=365), "elsewhere 1 1")
        self.assertEqual(self.probe().probed, 1)


class TwoProbers(RunCase):
    def test_two_at_once_leave_no_doubled_record(self) -> None:
        mirrors = [self.add(f"mirror{n}", self.farm.add(FILES, mirrorservers.slow(0.01))) for n in range(6)]
        transaction.commit()
        runs = [ProbeRun(RunOptions()) for _ in range(3)]
        threads = [threading.Thread(target=run.run) for run in runs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        transaction.begin()
        self.assertEqual([mirror.probe_records.count() for mirror in mirrors], [1] * 6)
        self.assertEqual(sum(run.summary.probed for run in runs), 6)
        self.assertEqual({mirror.claim for mirror in map(removeSecurityProxy, mirrors)}, {None})

    def test_a_claim_of_the_dead_is_void_and_one_of_the_living_is_not(self) -> None:
        mirror = removeSecurityProxy(self.add("claimed"))
        later = self.clock.now() + timedelta(hours=1)
        for who, probed in (
            (f"{socket.gethostname()} {os.getpid()} 1", 1),  # this pid, but another process
            (f"{socket.gethostname()} 999999999 1", 1),
            ("elsewhere 1 1", 0),
        ):
            mirror.claim = ("token", later, who)
            self.assertEqual(self.probe(force=True).probed, probed, who)
        self.clock.move(hours=2)
        self.assertEqual(self.probe(force=True).probed, 1)  # even elsewhere, once the claim has ended


_SET_UP = """
import json, sys
from zope.component import getUtility
from librarian.commands.common.site import opened_site
from librarian.people.interfaces import IPersonSet
from tests.support.mirrors.sample import add_mirror, add_sample
from librarian.tree.interfaces import ITree

def work():
    ubuntu = add_sample()
    owner = getUtility(IPersonSet).getByName("name16")
    for mirror in ubuntu.mirrors:
        mirror.enabled = False
    for number, url in enumerate(sys.argv[2:]):
        add_mirror(ubuntu, owner, f"mirror{number}", url)

with opened_site(sys.argv[1]):
    getUtility(ITree).run(work)
"""

_COUNT = """
import json, sys
from zope.component import getUtility
from librarian.commands.common.site import opened_site
from librarian.mirrors.interfaces import IDistributionMirrorSet

with opened_site(sys.argv[1]):
    mirrors = [mirror for mirror in getUtility(IDistributionMirrorSet) if mirror.enabled]
    print(json.dumps([mirror.probe_records.count() for mirror in mirrors]))
"""


class KilledInTheMiddle(unittest.TestCase):
    """A prober that is killed leaves what it recorded, and nothing that stops the next one."""

    def setUp(self) -> None:
        self.farm = MirrorFarm()
        self.addCleanup(self.farm.close)
        more = "librarian.mirrors.allowed_networks = 127.0.0.0/8\nlibrarian.mirrors.parallel = 4"
        self.site = ServerProcess(more)
        self.addCleanup(self.site.remove)
        self.site.make()

    def python(self, code: str, *arguments: str) -> "subprocess.Popen[str]":
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.site.folder,
            env=environ,
        )

    def run_python(self, code: str, *arguments: str) -> str:
        out, errors = self.python(code, str(self.site.ini), *arguments).communicate(timeout=60)
        self.assertEqual(errors, "")
        return out

    def test_kill_9(self) -> None:
        servers = [self.farm.add(FILES, mirrorservers.slow(0.01), host=f"127.0.4.{n + 1}") for n in range(6)]
        self.run_python(_SET_UP, *(server.url for server in servers))
        prober = self.python(
            "from librarian.commands.main import main; main()",
            *("mirrors", "probe", "--no-mail", "-c", str(self.site.ini)),
        )
        while len(self.farm.traffic.requests) < 3 * 43 and prober.poll() is None:  # half of them
            time.sleep(0.005)
        prober.send_signal(signal.SIGKILL)
        prober.communicate(timeout=30)
        counts = json.loads(self.run_python(_COUNT))
        self.assertLessEqual(max(counts), 1)
        done = self.site.command("mirrors", "probe", "--no-mail")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(self.run_python(_COUNT)), [1] * 6)
        self.assertIn("INFO    Probing Distribution Mirrors\n", done.stderr)
        self.assertIn("INFO    Done.\n", done.stderr)

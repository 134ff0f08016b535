"""One run from its first request to the comparison of its restored backup."""

import platform
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.soak.clients.everyone import everyone
from tests.soak.comparing import differences
from tests.soak.jobs import Jobs
from tests.soak.judgement import Run, faults, told
from tests.soak.machine import probe
from tests.soak.report import Result, summed
from tests.soak.samples import Sampler, size_mib
from tests.soak.watch import Span
from tests.soak.world import World, new_server
from tests.support.servers.librarian import ServerProcess

LOOKS = 30  # samples of a short run; a long one has one a minute


@dataclass
class Campaign:
    """A run of so many seconds in a folder, at `share` of the usual load."""

    folder: Path
    length: float
    seed: str
    workers: int = 2
    share: float = 1.0
    say: Callable[[str], None] = print

    def run(self) -> Result:
        """All of it."""
        server = new_server(self.folder, self.workers)
        try:
            with World(self.folder, server) as world:
                return self._run(world)
        finally:
            server.stop()
            server.remove()

    def _run(self, world: World) -> Result:
        self.say(f"seed {self.seed}, in {self.folder}: the server has {world.server.folder}")
        jobs, sampler = Jobs(world, self.length, self.seed), Sampler(world)
        self._load(world, jobs, sampler)
        for why in world.refused_starts:
            self.say(f"a start was refused: {why}")
        watch = world.watch
        seen = watch.troubles, watch.disturbances, watch.slow, world.complaints
        run = Run(self.length, sampler.samples, *seen, counts=dict(watch.counts))
        result = self._result(run, jobs, sampler)
        self._judge(result, world, jobs)
        return result

    def _load(self, world: World, jobs: Jobs, sampler: Sampler) -> None:
        """Everything at once, until the time is over."""
        clients, left_out = everyone(world, self.seed)
        for why in left_out:
            self.say(f"left out: {why}")
        ended, jobs_ended = threading.Event(), threading.Event()
        working = [self._thread(world, client.kind, client.run, ended, self.share) for client in clients]
        every = min(60.0, self.length / LOOKS)
        beside = [
            self._thread(world, "upkeep", jobs.upkeep, jobs_ended),
            self._thread(world, "harm", jobs.harm, jobs_ended),
            self._thread(world, "samples", sampler.run, ended, every),
            self._thread(world, "machine", probe, world.watch, self.folder, ended),
        ]
        world.watch.began = time.monotonic()
        for thread in (*working, *beside):
            thread.start()
        try:
            while (left := self.length - world.watch.now()) > 0:
                time.sleep(min(left, 60.0))
                self._tell(world, sampler)
        finally:
            jobs_ended.set()
            ended.set()
            for thread in (*beside, *working):
                thread.join()
        sampler.take()

    def _thread(
        self, world: World, name: str, run: Callable[..., None], *arguments: object
    ) -> threading.Thread:
        def watched() -> None:
            begun = world.watch.now()
            try:
                run(*arguments)
            except Exception as error:  # noqa: BLE001  # in a thread it would be seen by nothing
                span = Span(begun, world.watch.now(), name)
                world.watch.fail(span, f"it has ended: {type(error).__name__}: {error}")

        return threading.Thread(target=watched, name=name)

    def _tell(self, world: World, sampler: Sampler) -> None:
        if sampler.samples:
            last, watch = sampler.samples[-1], world.watch
            done = f"{sum(watch.counts.values())} operations, {len(watch.troubles)} troubles"
            self.say(f"{watch.now():6.0f} s: {done}, {last}")
            for each in watch.new_faults():
                self.say(told(each))

    def _result(self, run: Run, jobs: Jobs, sampler: Sampler) -> Result:
        server = jobs.world.server
        spans: dict[str, list[float]] = {}
        for each in jobs.done:
            spans.setdefault(each.what, []).append(each.ended - each.begun)
        facts = {
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "seed": self.seed,
            "workers": self.workers,
            "python": platform.python_version(),
            "pauses": [each.ended - each.begun for each in jobs.world.watch.pauses],
        }
        return Result(
            run,
            [],
            facts,
            {kind: summed(times) for kind, times in sampler.times.items()},
            {name: [len(times), *summed(times)[::2]] for name, times in spans.items()},
            backup=[jobs.backup.begun, jobs.backup.ended] if jobs.backup else [],
            stored=[size_mib(server.folder / "tree"), size_mib(server.byte_store)],
        )

    def _judge(self, result: Result, world: World, jobs: Jobs) -> None:
        """Compare everything, at the server and at what its last backup is restored to."""
        now = time.monotonic()
        run = result.run
        self.say("everything that was acknowledged is compared")
        result.compared, run.lost = differences(world, world.ledger, now, now)
        for words in (("fsck",), ("scrub",), ("fsck", "--backup", str(jobs.backups))):
            if complaint := world.command(*words):
                run.checks.append(complaint)
        world.read_log()
        if jobs.backup is None:
            run.checks.append("no backup came to its end")
        else:
            self.say("the last backup is restored and compared")
            self._compare_restored(result, world, jobs.backup, jobs.backups)
        result.faults = faults(run)

    def _compare_restored(self, result: Result, world: World, backup: Span, folder: Path) -> None:
        target = self.folder / "restored"
        if complaint := world.command("restore", str(folder), "--to", str(target)):
            result.run.checks.append(complaint)
            return
        begun, ended = (world.watch.began + each for each in (backup.begun, backup.ended))
        with ExitStack() as stack:
            site = ServerProcess(
                database_uri=f"file://{target}/tree/Data.fs",
                byte_store=target / "bytes",
                workers=self.workers,
            )
            stack.callback(site.remove)
            site.start()
            stack.callback(site.stop)
            found = differences(world.at(site), world.ledger, begun, ended)
            result.compared_restored, result.run.lost_in_backup = found
            checked = site.command("fsck")
            if checked.returncode:
                result.run.checks.append(
                    f"fsck of what was restored: {(checked.stdout + checked.stderr)[-1500:]}"
                )

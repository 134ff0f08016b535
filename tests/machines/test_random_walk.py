"""Random sequences of calls, with a clock that jumps: the invariants hold after each."""

import random
import unittest
from collections.abc import Callable
from datetime import timedelta

from librarian.interfaces import LibrarianError
from librarian.machines.editing import delete_import, edit_import
from librarian.machines.enums import (
    TRANSITIONS,
    CodeImportEventType,
    CodeImportJobState,
    CodeImportMachineOfflineReason,
    CodeImportMachineState,
    CodeImportResultStatus,
    CodeImportReviewStatus,
)
from librarian.machines.jobs import finish_job, job_heartbeat, kill_job, request_job, start_job
from librarian.machines.transitions import arrive, set_offline, set_online, set_quiescing, watch
from tests.machines.world import World, seconds

OFFLINE, ONLINE, QUIESCING = CodeImportMachineState
MOVES = {"ONLINE": ONLINE, "OFFLINE": OFFLINE, "QUIESCE": QUIESCING}


class Walk:
    """Random steps in a world of three machines and four imports."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = World()
        self.registry = self.world.registry
        for hostname in ("a", "b", "c"):
            self.world.machine(hostname, self.random.choice([ONLINE, OFFLINE]))
        self.born = {machine.hostname: machine.state for machine in self.registry.machines.values()}
        for name in ("k", "l", "m", "n"):
            self.world.code_import(name)

    def step(self) -> None:
        """One of the things that can happen; refusals are among them."""
        context = self.world.context(self.random.choice([None, "sam"]))
        machine = self.registry.machines[self.random.choice("abc")]
        code_import = self.registry.imports.get(self.random.choice("klmn"))
        job = self.registry.jobs.get(self.random.choice([*self.registry.jobs, 0]))
        registry, status = self.registry, self.random.choice(list(CodeImportResultStatus))
        review_status = self.random.choice(list(CodeImportReviewStatus))
        choices: list[Callable[[], object]] = [
            lambda: self.world.take(machine.hostname, self.random.randrange(4)),
            lambda: self.world.take(machine.hostname, 2),
            lambda: set_online(registry, machine, context),
            lambda: set_offline(registry, machine, CodeImportMachineOfflineReason.STOPPED, context),
            lambda: set_quiescing(registry, machine, context),
            lambda: arrive(registry, machine.hostname, context),
            lambda: watch(registry, timedelta(minutes=15), context),
        ]
        if job is not None:
            choices += [
                lambda: start_job(registry, job, machine, context),
                lambda: job_heartbeat(job, "x", context),
                lambda: finish_job(registry, job, status, context),
            ]
        if code_import is not None:
            choices += [
                lambda: request_job(registry, code_import, context),
                lambda: kill_job(registry, code_import, context),
                lambda: edit_import(registry, code_import, {"review_status": review_status}, context),
                lambda: edit_import(registry, code_import, {"url": "https://example.org/y"}, context),
            ]
            if self.random.random() < 0.05:
                choices.append(lambda: delete_import(registry, code_import, context))
        self.world.now += seconds(self.random.choice([0, 1, 60, 301, 3600, 90_000, -5, -7200]))
        try:
            self.random.choice(choices)()
        except LibrarianError:
            pass  # a refusal; the invariants are checked after it, too


class Invariants(unittest.TestCase):
    def check(self, walk: Walk) -> None:
        registry = walk.registry
        waiting = [key[2] for key in registry.queue]
        placed = [job_id for machine in registry.machines.values() for job_id in machine.job_ids]
        self.assertEqual(sorted([*waiting, *placed]), list(registry.jobs), "each job is in one place")
        for job in registry.jobs.values():
            self.assertEqual(registry.imports[job.code_import].job_id, job.id)
            self.assertEqual(job.state is CodeImportJobState.PENDING, job.machine is None)
            if job.state is CodeImportJobState.PENDING:
                self.assertIn(job.queue_key(), registry.queue)
        for code_import in registry.imports.values():
            reviewed = code_import.review_status is CodeImportReviewStatus.REVIEWED
            self.assertEqual(reviewed, code_import.job_id is not None, "the reviewed have a job")
        for machine in registry.machines.values():
            if machine.state is OFFLINE:
                self.assertEqual(machine.job_ids, (), "what is offline runs nothing")
            if machine.state is ONLINE:
                self.assertFalse(machine.pinned)

    def check_events(self, walk: Walk) -> None:
        """The events alone tell how each machine came to be what it is, by ways there are."""
        for machine in walk.registry.machines.values():
            state = OFFLINE if walk.born[machine.hostname] is ONLINE else walk.born[machine.hostname]
            for event in walk.registry.events.of_machine(machine.hostname):
                wanted = MOVES.get(event.event_type.name)
                if wanted is not None:
                    self.assertIn(wanted, TRANSITIONS[state])
                    state = wanted
            self.assertIs(state, machine.state)
        ids = [event.id for event in walk.registry.events]
        self.assertEqual(ids, sorted(set(ids)))

    def test_sixty_walks_of_two_hundred_steps(self) -> None:
        kinds: set[str] = set()
        for seed in range(60):
            with self.subTest(seed=seed):
                walk = Walk(seed)
                for _step in range(200):
                    walk.step()
                    self.check(walk)
                self.check_events(walk)
                kinds |= {event.event_type.name for event in walk.registry.events}
        # The walks upload no bundle and cordon no machine; all other kinds of events must have occurred.
        expected = set(CodeImportEventType.__members__) - {"PUBLISH", "CORDON", "UNCORDON"}
        self.assertEqual(kinds, expected)

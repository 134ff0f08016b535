"""Machines: every transition, polls for jobs, the watchdog, and cordons."""

import unittest
from datetime import timedelta

from librarian.machines.enums import CodeImportMachineOfflineReason, CodeImportMachineState
from librarian.machines.interfaces import (
    BadHostname,
    InvalidCreationState,
    MachineCordoned,
    MachineExists,
    MachineInBackoff,
    MachinePinned,
    NoCordonReason,
    NoSuchMachine,
    NotCordoned,
    WrongMachineState,
)
from librarian.machines.jobs import start_job
from librarian.machines.model.machines import CodeImportMachine
from librarian.machines.transitions import (
    add_cordon,
    arrive,
    new_machine,
    remove_cordon,
    remove_machine,
    set_offline,
    set_online,
    set_quiescing,
    should_look_for_job,
    watch,
)
from tests.machines.world import START, World, seconds

OFFLINE, ONLINE, QUIESCING = CodeImportMachineState
STOPPED, QUIESCED, WATCHDOG = CodeImportMachineOfflineReason
MINUTES = timedelta(minutes=1)


class WithWorld(unittest.TestCase):
    def setUp(self) -> None:
        self.world = World()
        self.registry = self.world.registry

    def machine_in(self, state: CodeImportMachineState, hostname: str = "apollo") -> CodeImportMachine:
        machine = self.world.machine(hostname, OFFLINE if state is OFFLINE else ONLINE)
        if state is QUIESCING:
            set_quiescing(self.registry, machine, self.world.context("sam"))
        return machine


class Transitions(WithWorld):
    """The whole table: from each state, each of the three verbs."""

    ALLOWED = frozenset(
        [(OFFLINE, ONLINE), (ONLINE, OFFLINE), (ONLINE, QUIESCING), (QUIESCING, OFFLINE), (QUIESCING, ONLINE)]
    )

    def change(self, machine: CodeImportMachine, wanted: CodeImportMachineState) -> None:
        context = self.world.context("sam")
        if wanted is ONLINE:
            set_online(self.registry, machine, context)
        elif wanted is OFFLINE:
            set_offline(self.registry, machine, STOPPED, context)
        else:
            set_quiescing(self.registry, machine, context)

    def test_every_pair(self) -> None:
        for before in CodeImportMachineState:
            for wanted in CodeImportMachineState:
                with self.subTest(before=before.name, wanted=wanted.name):
                    hostname = f"m-{before.value}-{wanted.value}"
                    machine = self.machine_in(before, hostname)
                    events = self.world.event_types(hostname)
                    if (before, wanted) in self.ALLOWED:
                        self.change(machine, wanted)
                        self.assertIs(machine.state, wanted)
                        name = "QUIESCE" if wanted is QUIESCING else wanted.name
                        self.assertEqual(self.world.event_types(hostname), [*events, name])
                        continue
                    with self.assertRaises(AssertionError) as caught:
                        self.change(machine, wanted)
                    self.assertIsInstance(caught.exception, WrongMachineState)
                    self.assertEqual(str(caught.exception), f"State of machine {hostname} was {before.name}.")
                    self.assertIs(machine.state, before)
                    self.assertEqual(self.world.event_types(hostname), events)

    def test_offline_needs_a_reason(self) -> None:
        machine = self.machine_in(ONLINE)
        for reason in (None, "STOPPED", ONLINE):
            with self.assertRaises(AssertionError):
                set_offline(self.registry, machine, reason, self.world.context())  # type: ignore[arg-type]
        self.assertEqual((machine.state, self.world.event_types()), (ONLINE, ["ONLINE"]))

    def test_only_an_offline_machine_is_removed_and_its_events_stay(self) -> None:
        for state in (ONLINE, QUIESCING):
            self.machine_in(state, "busy")
            self.assertRaises(WrongMachineState, remove_machine, self.registry, "busy")
            del self.registry.machines["busy"]
        set_offline(self.registry, self.machine_in(ONLINE), STOPPED, self.world.context())
        remove_machine(self.registry, "APOLLO")
        self.assertEqual(list(self.registry.machines), [])
        self.assertEqual(self.world.event_types(), ["ONLINE", "OFFLINE"])
        self.assertRaises(NoSuchMachine, remove_machine, self.registry, "apollo")

    def test_state_cannot_be_assigned(self) -> None:
        machine = self.machine_in(OFFLINE)
        with self.assertRaises(AttributeError):
            machine.state = ONLINE  # type: ignore[misc]

    def test_offline_keeps_reason_and_message_and_online_clears_them(self) -> None:
        machine = self.machine_in(ONLINE)
        set_offline(self.registry, machine, STOPPED, self.world.context("sam", "new disk"))
        self.assertEqual(
            (machine.offline_reason, machine.pinned_by, machine.message), (STOPPED, "sam", "new disk")
        )
        set_online(self.registry, machine, self.world.context("sam"))
        self.assertEqual((machine.offline_reason, machine.message, machine.pinned), (None, None, False))


class New(WithWorld):
    def test_online_leaves_an_event_and_no_heartbeat(self) -> None:
        machine = self.world.machine("apollo", ONLINE)
        self.assertEqual(self.world.event_types(), ["ONLINE"])
        self.assertIsNone(machine.heartbeat)

    def test_offline_leaves_no_event(self) -> None:
        self.world.machine("apollo", OFFLINE)
        self.assertEqual(self.world.event_types(), [])

    def test_a_new_machine_is_not_quiescing(self) -> None:
        with self.assertRaises(InvalidCreationState) as caught:
            self.world.machine("apollo", QUIESCING)
        self.assertEqual(str(caught.exception), "Invalid machine creation state: QUIESCING.")
        self.assertEqual(list(self.registry.machines), [])

    def test_names_are_host_names_in_lower_case(self) -> None:
        self.assertEqual(self.world.machine("Import-3.Example.COM").hostname, "import-3.example.com")
        for name in (
            "",
            "-a",
            "a-",
            "a..b",
            "a/b",
            "../x",
            "<b>",
            "a b",
            "ä",
            "a" * 64,
            "a." * 127 + "ab",
            "x\n",
        ):
            with self.subTest(name=name):
                self.assertRaises(BadHostname, self.world.machine, name)

    def test_names_are_unique(self) -> None:
        self.world.machine("apollo")
        self.assertRaises(MachineExists, new_machine, self.registry, "APOLLO", ONLINE, self.world.context())


class Polling(WithWorld):
    """Each state, with no job, some, as many as the limit, and more."""

    def poll(self, machine: CodeImportMachine, limit: int) -> bool:
        return should_look_for_job(self.registry, machine, limit, self.world.context())

    def with_jobs(self, state: CodeImportMachineState, jobs: int) -> CodeImportMachine:
        machine = self.world.machine("apollo")
        for number in range(jobs):
            self.world.code_import(f"import-{number}")
            self.world.run()
        if state is QUIESCING:
            set_quiescing(self.registry, machine, self.world.context("sam"))
        machine.heartbeat = None
        self.world.now += seconds(7)
        return machine

    def test_online(self) -> None:
        for jobs, expected in ((0, True), (1, True), (2, False), (3, False)):
            with self.subTest(jobs=jobs):
                self.setUp()
                machine = self.with_jobs(ONLINE, jobs)
                self.assertIs(self.poll(machine, 2), expected)
                self.assertEqual(machine.heartbeat, START + seconds(7))

    def test_a_limit_of_nothing(self) -> None:
        self.assertFalse(self.poll(self.with_jobs(ONLINE, 0), 0))

    def test_quiescing_with_jobs_waits(self) -> None:
        machine = self.with_jobs(QUIESCING, 1)
        self.assertFalse(self.poll(machine, 2))
        self.assertIs(machine.state, QUIESCING)
        self.assertEqual(machine.heartbeat, START + seconds(7))

    def test_quiescing_without_jobs_goes_offline(self) -> None:
        machine = self.with_jobs(QUIESCING, 0)
        self.assertFalse(self.poll(machine, 2))
        self.assertEqual((machine.state, machine.offline_reason), (OFFLINE, QUIESCED))
        self.assertEqual(self.world.event_types()[-2:], ["QUIESCE", "OFFLINE"])

    def test_an_offline_machine_gets_no_job_and_no_heartbeat(self) -> None:
        machine = self.world.machine("apollo", OFFLINE)
        self.assertFalse(self.poll(machine, 2))
        self.assertIsNone(machine.heartbeat)
        self.assertEqual(self.world.event_types(), [])


class Watchdog(WithWorld):
    LIMIT = 15 * MINUTES

    def watch(self) -> list[str]:
        return watch(self.registry, self.LIMIT, self.world.context())

    def test_a_machine_may_be_silent_up_to_the_limit(self) -> None:
        machine = self.machine_in(ONLINE)
        should_look_for_job(self.registry, machine, 1, self.world.context())
        self.world.now += self.LIMIT
        self.assertEqual(self.watch(), [])
        self.world.now += seconds(1)
        self.assertEqual(self.watch(), ["apollo"])
        self.assertEqual((machine.state, machine.offline_reason), (OFFLINE, WATCHDOG))
        self.assertEqual(self.watch(), [])
        self.assertEqual(self.world.event_types(), ["ONLINE", "OFFLINE"])

    def test_machines_without_a_heartbeat_and_quiescing_ones_are_judged(self) -> None:
        self.machine_in(ONLINE, "a")
        self.machine_in(QUIESCING, "b")
        self.machine_in(OFFLINE, "c")
        self.world.now += self.LIMIT + seconds(1)
        self.assertEqual(self.watch(), ["a", "b"])

    def test_a_dead_machine_set_online_gets_one_more_limit(self) -> None:
        machine = self.machine_in(OFFLINE)
        self.world.now += 100 * self.LIMIT
        set_online(self.registry, machine, self.world.context("sam"))
        self.assertEqual(self.watch(), [])

    def test_a_clock_that_is_set_back_makes_no_machine_silent(self) -> None:
        machine = self.machine_in(ONLINE)
        self.world.code_import()
        self.world.run()
        should_look_for_job(self.registry, machine, 1, self.world.context())
        for step in (timedelta(seconds=1), timedelta(hours=1), timedelta(days=400)):
            self.world.now -= step
            self.assertEqual(self.watch(), [])
        self.assertEqual(len(machine.job_ids), 1)
        # From the first heartbeat by the new clock, silence is measured by the new clock.
        should_look_for_job(self.registry, machine, 1, self.world.context())
        self.world.now += self.LIMIT + seconds(1)
        self.assertEqual(self.watch(), ["apollo"])

    def test_the_jobs_of_a_dead_machine_go_back(self) -> None:
        machine = self.machine_in(ONLINE)
        self.world.code_import()
        old = self.world.run()
        self.world.now += self.LIMIT + seconds(1)
        self.watch()
        self.assertEqual(machine.job_ids, ())
        self.assertNotIn(old.id, self.registry.jobs)
        self.assertIsNotNone(self.world.take("boris"))


class Arriving(WithWorld):
    """Who may bring a machine back, and when."""

    def arrive(self) -> CodeImportMachine:
        return arrive(self.registry, "apollo", self.world.context())

    def test_an_unknown_machine_is_registered(self) -> None:
        self.assertIs(self.arrive().state, ONLINE)
        self.assertEqual(self.world.event_types(), ["ONLINE"])

    def test_a_daemon_brings_back_a_machine_that_a_daemon_stopped(self) -> None:
        set_offline(self.registry, self.machine_in(ONLINE), STOPPED, self.world.context())
        self.assertIs(self.arrive().state, ONLINE)

    def test_a_machine_that_a_person_stopped_is_pinned(self) -> None:
        machine = self.machine_in(ONLINE)
        set_offline(self.registry, machine, STOPPED, self.world.context("sam"))
        events = self.world.event_types()
        self.assertRaises(MachinePinned, self.arrive)
        self.assertRaises(MachinePinned, set_online, self.registry, machine, self.world.context())
        self.assertEqual((machine.state, self.world.event_types()), (OFFLINE, events))
        set_online(self.registry, machine, self.world.context("sam"))
        self.assertIs(machine.state, ONLINE)

    def test_a_machine_that_a_person_quiesced_is_pinned(self) -> None:
        machine = self.machine_in(QUIESCING)
        self.assertIs(self.arrive().state, QUIESCING)
        self.assertRaises(MachinePinned, set_online, self.registry, machine, self.world.context())
        should_look_for_job(self.registry, machine, 1, self.world.context())
        self.assertIs(machine.state, OFFLINE)
        self.assertRaises(MachinePinned, self.arrive)

    def test_a_machine_that_a_person_quiesced_stays_pinned_after_the_watchdog(self) -> None:
        machine = self.machine_in(QUIESCING)
        set_offline(self.registry, machine, WATCHDOG, self.world.context())
        self.world.now += timedelta(hours=2)
        self.assertRaises(MachinePinned, self.arrive)

    def test_a_restarted_daemon_loses_the_jobs_of_its_earlier_run(self) -> None:
        machine = self.machine_in(ONLINE)
        self.world.code_import()
        self.world.run()
        self.arrive()
        self.assertEqual((machine.state, machine.job_ids), (ONLINE, ()))
        self.assertEqual(self.world.event_types(), ["ONLINE", "START", "RECLAIM"])

    def catch(self, machine: CodeImportMachine) -> None:
        set_offline(self.registry, machine, WATCHDOG, self.world.context())

    def test_the_backoff_after_the_watchdog_doubles(self) -> None:
        machine = self.machine_in(ONLINE)
        for backoff in (10, 20, 40, 80):
            self.catch(machine)
            self.world.now += seconds(backoff) - timedelta(microseconds=1)
            with self.assertRaises(MachineInBackoff) as caught:
                self.arrive()
            self.assertEqual(caught.exception.until, self.world.now + timedelta(microseconds=1))
            self.world.now += timedelta(microseconds=1)
            self.assertIs(self.arrive().state, ONLINE)

    def test_the_backoff_is_an_hour_at_most_and_is_reset_after_a_day(self) -> None:
        machine = self.machine_in(ONLINE)
        for _turn in range(15):
            self.catch(machine)
            set_online(self.registry, machine, self.world.context("sam"))
        self.catch(machine)
        with self.assertRaises(MachineInBackoff) as caught:
            self.arrive()
        self.assertEqual(caught.exception.until, self.world.now + timedelta(hours=1))
        set_online(self.registry, machine, self.world.context("sam"))
        self.world.now += timedelta(days=2)
        self.catch(machine)
        with self.assertRaises(MachineInBackoff) as caught:
            self.arrive()
        self.assertEqual(caught.exception.until, self.world.now + seconds(10))


class Cordons(WithWorld):
    """A hold that any state can carry."""

    def cordoned(self, state: CodeImportMachineState) -> CodeImportMachine:
        machine = self.machine_in(state)
        add_cordon(self.registry, machine, self.world.context("anna", "smoke"))
        return machine

    def test_a_cordon_changes_no_state_and_leaves_one_event(self) -> None:
        for state in CodeImportMachineState:
            with self.subTest(state.name):
                self.setUp()
                machine = self.machine_in(state)
                before = len(self.registry.events.of_machine("apollo"))
                add_cordon(self.registry, machine, self.world.context("anna", "smoke"))
                self.assertIs(machine.state, state)
                types = [event.event_type.name for event in self.registry.events.of_machine("apollo")]
                self.assertEqual(types[before:], ["CORDON"])

    def test_neither_daemon_nor_person_sets_a_cordoned_machine_online(self) -> None:
        for state in (OFFLINE, QUIESCING):
            for person in (None, "anna"):
                with self.subTest(state.name, person=person):
                    self.setUp()
                    machine = self.cordoned(state)
                    self.assertRaises(
                        MachineCordoned, set_online, self.registry, machine, self.world.context(person)
                    )
                    self.assertIs(machine.state, state)

    def test_a_cordoned_machine_does_not_come_back_after_the_watchdog(self) -> None:
        machine = self.world.machine()
        self.world.now += 20 * MINUTES
        self.assertEqual(watch(self.registry, 15 * MINUTES, self.world.context()), ["apollo"])
        add_cordon(self.registry, machine, self.world.context("anna", "smoke"))
        for _turn in range(3):
            self.world.now += 60 * MINUTES
            self.assertRaises(MachineCordoned, arrive, self.registry, "apollo", self.world.context())
        self.assertIs(machine.state, OFFLINE)
        remove_cordon(self.registry, machine, self.world.context("anna"))
        arrive(self.registry, "apollo", self.world.context())
        self.assertIs(machine.state, ONLINE)

    def test_a_cordoned_machine_finishes_its_jobs_and_gets_no_more(self) -> None:
        self.world.machine()
        self.world.code_import("gimp")
        job = self.world.run()
        self.world.code_import("inkscape")
        machine = self.registry.machines["apollo"]
        add_cordon(self.registry, machine, self.world.context("anna", "smoke"))
        for _turn in range(3):
            self.world.now += MINUTES
            self.assertIsNone(self.world.take())
            self.assertEqual(machine.heartbeat, self.world.now)
        self.world.finish(job)
        self.assertEqual(self.registry.imports["gimp"].results[-1].status.name, "SUCCESS")
        self.assertIsNotNone(machine.cordon)
        remove_cordon(self.registry, machine, self.world.context("anna"))
        self.assertIsNotNone(self.world.take())

    def test_a_cordoned_machine_cannot_start_a_pending_job(self) -> None:
        machine = self.cordoned(ONLINE)
        code_import = self.world.code_import("gimp")
        job = self.registry.jobs[code_import.job_id]
        self.assertRaises(MachineCordoned, start_job, self.registry, job, machine, self.world.context())

    def test_a_quiescing_machine_goes_offline_and_stays_cordoned(self) -> None:
        machine = self.cordoned(QUIESCING)
        self.assertFalse(should_look_for_job(self.registry, machine, 10, self.world.context()))
        self.assertIs(machine.state, OFFLINE)
        self.assertIsNotNone(machine.cordon)

    def test_a_pinned_machine_stays_pinned_without_its_cordon(self) -> None:
        machine = self.world.machine()
        set_offline(self.registry, machine, STOPPED, self.world.context("anna"))
        add_cordon(self.registry, machine, self.world.context("bert", "smoke"))
        remove_cordon(self.registry, machine, self.world.context("bert"))
        self.assertRaises(MachinePinned, arrive, self.registry, "apollo", self.world.context())

    def test_refused_cordons(self) -> None:
        machine = self.machine_in(ONLINE)
        self.assertRaises(NotCordoned, remove_cordon, self.registry, machine, self.world.context("anna"))
        self.assertRaises(NoCordonReason, add_cordon, self.registry, machine, self.world.context("anna"))
        add_cordon(self.registry, machine, self.world.context("anna", "smoke"))
        again = self.world.context("bert", "water")
        self.assertRaises(MachineCordoned, add_cordon, self.registry, machine, again)
        self.assertEqual(machine.cordon and machine.cordon.reason, "smoke")

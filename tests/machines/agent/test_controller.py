"""The controller and its runners, with real worker processes and a registry in memory."""

import gzip
import os
import shutil
import tempfile
import threading
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import transaction
from zope.component import getUtility

from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.machines.agent.controller import Controller
from librarian.machines.agent.interfaces import AlreadyRunning
from librarian.machines.agent.runner import Limits, disk_usage
from librarian.machines.enums import (
    CodeImportMachineOfflineReason,
    CodeImportReviewStatus,
    RevisionControlSystem,
)
from librarian.machines.interfaces import ICodeImportMachineSet, ICodeImportSet
from librarian.machines.scheduler.interfaces import ICodeImportScheduler
from librarian.tree.interfaces import ITree
from tests.machines.agent.local import LocalSchedulerClient
from tests.machines.agent.repositories import GitRepository, HgRepository, SvnRepository, tool
from tests.support.layers import Functional
from tools.runner.left_out import left_out


class WithController(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.top = Path(holder.name)
        self.clock = Functional.world.clock
        self.scheduler_client = LocalSchedulerClient("apollo")
        self.monotonic = 0.0
        self.controller = self.make_controller()
        self.addCleanup(self.controller._abandon_all)

    def make_controller(self, **more: Any) -> Controller:
        more.setdefault("monotonic", lambda: self.monotonic)
        return Controller(self.scheduler_client, self.top / "work", 2, local=True, **more)

    def repository(self, name: str = "gimp", **more: Any) -> GitRepository:
        """A repository with one commit, and a reviewed import of it."""
        repository = GitRepository(self.top / name)
        repository.commit("one")
        self.code_import(name, repository.url, **more)
        return repository

    def code_import(self, name: str, url: str, **more: Any) -> None:
        more.setdefault("review_status", CodeImportReviewStatus.REVIEWED)
        kind = more.pop("kind", RevisionControlSystem.GIT)
        imports = getUtility(ICodeImportSet)
        getUtility(ITree).run(lambda: imports.new(name, kind, url, "sam", **more))

    def stuck_import(self, name: str = "stuck") -> None:
        """An import whose worker never ends: the objects of its repository are a pipe without a writer."""
        repository = GitRepository(self.top / name)
        (repository.path / ".git" / "packed-refs").unlink(missing_ok=True)
        os.mkfifo(repository.path / ".git" / "packed-refs")
        self.code_import(name, repository.url)

    def imported(self, name: str = "gimp") -> Any:
        transaction.begin()
        return getUtility(ICodeImportSet)[name]

    def machine(self) -> Any:
        transaction.begin()
        return getUtility(ICodeImportMachineSet)["apollo"]

    def results(self, name: str = "gimp") -> list[str]:
        return [result.status.name for result in self.imported(name).results]

    def wait_for(self, what: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not what():
            self.assertLess(time.monotonic(), deadline, "waited in vain")
            time.sleep(0.02)

    def work_off(self) -> None:
        """Arrive if need be, take what there is, and wait until all of it is reported."""
        self.controller.turn()
        for runner in self.controller.runners:
            runner.join(60)
        self.controller.turn()

    def read(self, alias_id: int) -> bytes:
        data: bytes = getUtility(ILibraryFileAliasSet)[alias_id].read()
        return data


class Imports(WithController):
    def test_a_repository_becomes_a_bundle_and_a_log_in_the_library(self) -> None:
        self.repository()
        self.work_off()
        code_import = self.imported()
        self.assertEqual(self.results(), ["SUCCESS"])
        alias = getUtility(ILibraryFileAliasSet)[code_import.bundle_file]
        self.assertEqual((alias.filename, alias.restricted), ("gimp.bundle", False))
        (self.top / "fetched").write_bytes(alias.read())
        tool("git", "clone", "--quiet", str(self.top / "fetched"), str(self.top / "clone"))
        self.assertEqual((self.top / "clone" / "file").read_text(), "one")
        self.assertIn(b"SUCCESS", self.read(code_import.results[0].log_file))
        self.assertEqual(list((self.top / "work" / "jobs").iterdir()), [])

    def test_the_next_run_starts_from_the_last_bundle(self) -> None:
        repository = self.repository()
        self.work_off()
        first = self.imported().bundle_file
        self.clock.move(hours=6)
        self.work_off()
        self.clock.move(hours=6)
        repository.commit("two")
        self.work_off()
        self.assertEqual(self.results(), ["SUCCESS", "SUCCESS_NOCHANGE", "SUCCESS"])
        code_import = self.imported()
        self.assertNotEqual(code_import.bundle_file, first)
        log = self.read(code_import.results[-1].log_file).decode()
        self.assertIn("work/jobs", log.split("ls-remote")[0])  # the bundle was fetched from first
        self.assertIn("remote: Total 3", log)

    def test_mercurial_and_subversion_from_the_repository_to_the_library_and_on_from_there(self) -> None:
        kinds: dict[RevisionControlSystem, tuple[str, type[HgRepository | SvnRepository]]] = {
            RevisionControlSystem.HG: ("hg", HgRepository),
            RevisionControlSystem.SVN: ("svnrdump", SvnRepository),
        }
        for kind, (needed, make) in kinds.items():
            with self.subTest(kind.name):
                if shutil.which(needed) is None:
                    raise unittest.SkipTest(left_out(f"imports with {needed}", f"{needed} is not installed"))
                repository, name = make(self.top / f"{kind.value}-origin"), f"a-{kind.value}"
                repository.commit("one")
                self.code_import(name, repository.url, kind=kind, private=True)
                self.work_off()
                repository.commit("two")
                self.clock.move(hours=6)
                self.work_off()
                self.assertEqual(self.results(name), ["SUCCESS", "SUCCESS"])
                alias = getUtility(ILibraryFileAliasSet)[self.imported(name).bundle_file]
                self.assertEqual((alias.filename, alias.restricted), (self.imported(name).bundle_name, True))
                (self.top / alias.filename).write_bytes(alias.read())
                self.assertEqual(self.commits_of(kind, self.top / alias.filename), 2)

    def commits_of(self, kind: RevisionControlSystem, bundle: Path) -> int:
        """How many commits a bundle brings to an empty repository."""
        copy = self.top / f"{kind.value}-copy"
        if kind is RevisionControlSystem.HG:
            tool("hg", "init", str(copy))
            tool("hg", "unbundle", str(bundle), cwd=copy)
            return len(tool("hg", "log", "-T", "{rev}\n", cwd=copy).split())
        tool("svnadmin", "create", str(copy))
        tool("svnadmin", "load", "-q", str(copy), stdin=gzip.decompress(bundle.read_bytes()))
        return int(tool("svnlook", "youngest", str(copy)))

    def test_another_url_starts_anew(self) -> None:
        self.repository()
        self.work_off()
        other = GitRepository(self.top / "other")
        other.commit("elsewhere")
        self.imported().edit(url=other.url)
        transaction.commit()
        self.work_off()
        log = self.read(self.imported().results[-1].log_file).decode()
        self.assertNotIn("/last", log)

    def test_the_files_of_a_private_import_are_restricted(self) -> None:
        self.repository(private=True)
        self.work_off()
        code_import = self.imported()
        files = getUtility(ILibraryFileAliasSet)
        self.assertTrue(files[code_import.bundle_file].restricted)
        self.assertTrue(files[code_import.results[0].log_file].restricted)

    def test_a_missing_repository_is_an_invalid_import(self) -> None:
        self.code_import("gimp", (self.top / "nowhere").as_uri())
        self.work_off()
        self.assertEqual(self.results(), ["FAILURE_INVALID"])
        self.assertIsNone(self.imported().bundle_file)

    def test_at_most_as_many_jobs_as_workers(self) -> None:
        for number in range(5):
            self.repository(f"import-{number}")
        self.controller.turn()
        self.assertEqual(len(self.controller.runners), 2)
        while self.controller.runners:
            self.work_off()
        self.assertEqual([self.results(f"import-{number}") for number in range(5)], [["SUCCESS"]] * 5)


class Limiting(WithController):
    def test_a_worker_that_takes_too_long_is_ended_and_the_log_says_so(self) -> None:
        self.controller = self.make_controller(limits=Limits(seconds=1.5))
        self.stuck_import()
        self.work_off()
        self.assertEqual(self.results("stuck"), ["FAILURE"])
        log = self.read(self.imported("stuck").results[0].log_file)
        self.assertIn(b"ended after 2 seconds", log)

    def test_a_worker_without_output_is_ended(self) -> None:
        self.controller = self.make_controller(limits=Limits(inactivity_seconds=1.5))
        self.stuck_import()
        self.work_off()
        log = self.read(self.imported("stuck").results[0].log_file)
        self.assertIn(b"ended after 2 seconds without output", log)

    def test_a_job_that_takes_too_much_disk_is_ended_and_the_log_says_so(self) -> None:
        self.controller = self.make_controller(limits=Limits(disk_bytes=1 << 20))
        self.stuck_import()
        self.controller.turn()
        (runner,) = self.controller.runners
        runner.survey_seconds = 0.01
        self.wait_for(lambda: "ls-remote" in runner.logtail())
        (runner.directory / "mirror" / "filler").write_bytes(bytes(2 << 20))
        runner.join(60)
        self.assertEqual(self.results("stuck"), ["FAILURE"])
        log = self.read(self.imported("stuck").results[0].log_file)
        self.assertRegex(log, rb"ended with 2\d{6} bytes on the disk, above the limit of 1048576")

    def test_disk_is_counted_as_du_does(self) -> None:
        (self.top / "file").write_bytes(bytes(100_000))
        os.link(self.top / "file", self.top / "again")
        (self.top / "dangling").symlink_to(self.top / "nowhere")
        with (self.top / "sparse").open("wb") as file:
            file.truncate(1 << 30)
        counted = tool("du", "-s", "-B1", str(self.top)).split()[0]
        self.assertEqual(disk_usage(self.top), int(counted))


class Leases(WithController):
    def begin_stuck(self) -> Any:
        self.stuck_import()
        self.controller.turn()
        (runner,) = self.controller.runners
        self.wait_for(lambda: "ls-remote" in runner.logtail())
        return runner

    def test_heartbeats_keep_a_job_and_show_its_log(self) -> None:
        self.begin_stuck()
        for _minute in range(7):
            self.clock.move(seconds=60)
            self.monotonic += 60
            self.controller.turn()
        (job,) = self.machine().current_jobs
        self.assertIn("ls-remote", job.logtail)
        self.assertEqual(self.results("stuck"), [])

    def test_a_lost_job_ends_with_its_worker(self) -> None:
        runner = self.begin_stuck()
        getUtility(ITree).run(self.imported("stuck").kill)
        self.monotonic += 60
        self.controller.turn()
        runner.join(30)
        self.assertFalse(runner.is_alive())
        self.assertFalse(runner.directory.exists())
        self.assertEqual(self.results("stuck"), ["KILLED"])

    def test_a_late_report_changes_nothing(self) -> None:
        self.repository()
        self.scheduler_client.deliver = self.too_late(self.scheduler_client.deliver)  # type: ignore[method-assign]
        self.controller.turn()
        for runner in self.controller.runners:
            runner.join(60)
        self.assertEqual(self.results(), ["RECLAIMED"])
        self.assertIsNone(self.imported().bundle_file)

    def too_late(self, deliver: Any) -> Any:
        """`deliver`, but the lease runs out first and the job is reclaimed."""

        def late(*arguments: Any) -> None:
            self.clock.move(seconds=301)
            LocalSchedulerClient("boris").poll(0)
            deliver(*arguments)

        return late

    def test_a_short_outage_of_the_network_loses_no_job(self) -> None:
        self.repository()
        self.controller.turn()
        self.scheduler_client.unreachable.set()
        self.controller.turn()
        self.scheduler_client.unreachable.clear()
        for runner in self.controller.runners:
            runner.join(60)
        self.assertEqual(self.results(), ["SUCCESS"])


class StatesFromTheService(WithController):
    def set_state(self, verb: str, *arguments: Any) -> None:
        machines = getUtility(ICodeImportMachineSet)
        getUtility(ITree).run(lambda: getattr(machines["apollo"], verb)(*arguments))

    def test_a_stop_ends_workers_and_requeues_their_jobs(self) -> None:
        self.stuck_import()
        stop = threading.Event()
        thread = threading.Thread(target=self.controller.run, args=(stop, 0.05))
        thread.start()
        self.wait_for(lambda: self.imported("stuck").import_job.machine)
        stop.set()
        thread.join(60)
        machine = self.machine()
        self.assertEqual((machine.state.name, machine.offline_reason.name), ("OFFLINE", "STOPPED"))
        self.assertFalse(machine.pinned)
        self.assertIsNotNone(LocalSchedulerClient("boris").poll(1).job)

    def test_a_person_sets_the_machine_offline_and_its_workers_end(self) -> None:
        self.stuck_import()
        self.controller.turn()
        (runner,) = self.controller.runners
        self.set_state("setOffline", CodeImportMachineOfflineReason.STOPPED)
        self.controller.turn()
        self.assertFalse(runner.is_alive())

    def test_a_quiescing_machine_finishes_its_jobs_and_goes_offline_pinned(self) -> None:
        self.repository()
        self.controller.turn()
        self.set_state("setQuiescing")
        self.repository("next")
        for runner in self.controller.runners:
            runner.join(60)
        for _turn in range(3):
            self.controller.turn()
        self.assertEqual((self.results("gimp"), self.results("next")), (["SUCCESS"], []))
        assert self.controller.status is not None
        self.assertTrue(self.controller.status.needs_person)
        self.assertEqual(self.machine().offline_reason.name, "QUIESCED")

    def test_a_drain_past_its_deadline_requeues_the_jobs(self) -> None:
        self.controller = self.make_controller(drain_seconds=100)
        self.stuck_import()
        self.controller.turn()
        self.set_state("setQuiescing")
        self.controller.turn()
        self.monotonic += 99
        self.controller.turn()
        self.assertEqual(self.machine().state.name, "QUIESCING")
        self.monotonic += 2
        self.controller.turn()
        self.assertEqual(self.machine().offline_reason.name, "QUIESCED")
        self.assertEqual(self.controller.runners, [])

    def test_after_the_watchdog_the_machine_comes_back_without_a_person(self) -> None:
        self.controller.turn()
        self.clock.move(hours=1)
        getUtility(ICodeImportScheduler).watch()
        transaction.commit()
        self.assertEqual(self.machine().offline_reason.name, "WATCHDOG")
        self.clock.move(seconds=10)
        self.controller.turn()  # polls and gets OFFLINE
        self.controller.turn()
        self.assertEqual(self.machine().state.name, "ONLINE")

    def test_two_controllers_do_not_share_a_directory(self) -> None:
        with self.controller.lock():
            self.assertRaises(AlreadyRunning, self.make_controller().lock)
        self.make_controller().lock().close()

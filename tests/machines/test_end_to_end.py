"""Real daemons against a real server: five repositories, two controllers, one of them killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from tests.machines.agent.repositories import GitRepository, tool
from tests.machines.site import MachinesSite

SILENCE_SECONDS = 5
RUN = "from librarian.commands.main import main; main()"
NAMES = ["alpha", "beta", "gamma", "delta", "epsilon"]


class Daemons:
    """A server whose watchdog is impatient."""

    site: ClassVar[MachinesSite]

    @classmethod
    def missing(cls) -> str | None:
        return None if shutil.which("git") else "git is not installed"

    @classmethod
    def setUp(cls) -> None:
        cls.site = MachinesSite(f"librarian.machines.heartbeat_timeout = {SILENCE_SECONDS}s\n")

    @classmethod
    def tearDown(cls) -> None:
        cls.site.remove()


class WithDaemons(unittest.TestCase):
    layer = Daemons

    def setUp(self) -> None:
        self.site = Daemons.site

    def controller(self, hostname: str, *more: str) -> "subprocess.Popen[str]":
        """``librarian machines run`` as a process."""
        arguments = ["--hostname", hostname, "--workers", "5", "--every", "0.2s", "--local-repositories"]
        arguments += ["--directory", str(self.site.folder(hostname)), "--app-url", self.site.app]
        arguments += ["--token-file", str(self.site.token_file), *more]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        command = [sys.executable, "-c", RUN, "--verbose", "machines", "run", *arguments]
        with self.site.folder(f"{hostname}.log").open("a") as log:
            process = subprocess.Popen(command, env=environment, stderr=log, text=True)
        self.addCleanup(self.end, process)
        return process

    def said(self, hostname: str) -> str:
        """What the controller printed on its standard error."""
        return self.site.folder(f"{hostname}.log").read_text()

    def end(self, process: "subprocess.Popen[str]") -> None:
        if process.poll() is None:
            process.kill()
        process.wait(30)

    def wait_for(self, what: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not what():
            self.assertLess(time.monotonic(), deadline, "waited in vain")
            time.sleep(0.05)

    def machine(self, hostname: str) -> dict[str, Any]:
        return self.site.daemon.get(f"/{hostname}")

    def imported(self, name: str) -> dict[str, Any]:
        return self.site.daemon.get(f"/+imports/{name}")

    def add_import(self, name: str, url: str, **more: Any) -> None:
        fields = {"name": name, "rcs_type": "GIT", "url": url, "review_status": "REVIEWED"}
        self.site.daemon.post("/+imports", **fields, **more)

    def workers_in(self, directory: Path) -> list[str]:
        """The command lines of processes that work somewhere below `directory`."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if f"{directory}/jobs" in line:
                found.append(line)
        return found


class KilledController(WithDaemons):
    def test_the_other_controller_finishes_all_jobs(self) -> None:
        repositories = [self.slow_repository(name) for name in NAMES]
        first = self.controller("apollo")
        self.wait_for(lambda: self.running_on("apollo") == 5)
        second = self.controller("boris")
        self.wait_for(lambda: self.site.daemon.get("")["machines"][-1]["hostname"] == "boris")
        self.wait_for(lambda: len(self.workers_in(self.site.folder("apollo"))) >= 5)

        first.kill()
        first.wait(30)
        self.wait_for(lambda: not self.workers_in(self.site.folder("apollo")))
        self.assertEqual(self.machine("apollo")["state"], "ONLINE")  # the watchdog has not run yet

        for repository in repositories:
            self.make_fast(repository)
        self.wait_for(lambda: "apollo" in self.site.librarian("machines", "watchdog", "--once"))
        self.wait_for(lambda: all(self.imported(name)["bundle_file"] for name in NAMES))

        for name, repository in zip(NAMES, repositories, strict=True):
            results = [(result["status"], result["machine"]) for result in self.imported(name)["results"]]
            self.assertEqual(results, [("SUCCESS", "boris"), ("RECLAIMED", "apollo")])
            self.assertEqual(self.head_of_bundle(name), repository.git("rev-parse", "HEAD"))
        events = [event["type"] for event in self.machine("apollo")["events"]]
        self.assertEqual((events.count("OFFLINE"), events.count("RECLAIM")), (1, 5))

        second.send_signal(signal.SIGTERM)
        self.assertEqual(second.wait(30), 0, self.said("boris"))
        boris = self.machine("boris")
        self.assertEqual((boris["state"], boris["offline_reason"]), ("OFFLINE", "STOPPED"))

    def slow_repository(self, name: str) -> GitRepository:
        """Fetching from it never ends until make_fast(): git waits for a pipe."""
        repository = GitRepository(self.site.folder(name))
        for number in range(3):
            repository.commit(f"{name} {number}")
        os.mkfifo(repository.path / ".git" / "packed-refs")
        self.add_import(name, repository.url)
        return repository

    def make_fast(self, repository: GitRepository) -> None:
        (repository.path / ".git" / "packed-refs").unlink()

    def running_on(self, hostname: str) -> int:
        return sum(machine["jobs_running"] for machine in self.site.daemon.get("")["machines"])

    def head_of_bundle(self, name: str) -> str:
        """What a clone of the import's bundle, downloaded from the library, has checked out."""
        answer = self.site.download(f"/+imports/{name}/+files/{name}.bundle")
        bundle = self.site.folder(f"{name}.bundle")
        bundle.write_bytes(answer.data)
        clone = self.site.folder(f"{name}.clone")
        tool("git", "clone", "--quiet", str(bundle), str(clone))
        return tool("git", "rev-parse", "HEAD", cwd=clone)


class Orders(WithDaemons):
    def test_a_quiesced_daemon_ends_and_after_a_restart_waits_for_a_person(self) -> None:
        quiet = self.controller("carol", "--exit-when-quiesced")
        self.wait_for(lambda: "carol" in self.site.librarian("machines", "list"))
        anna = self.site.api("anna")
        anna.post("/carol", state="QUIESCING", message="new rack")
        self.assertEqual(quiet.wait(30), 0, self.said("carol"))
        again = self.controller("carol")
        self.wait_for(lambda: "set OFFLINE by anna; only a person sets it online" in self.said("carol"))
        self.assertEqual(self.machine("carol")["state"], "OFFLINE")
        anna.post("/carol", state="ONLINE")
        self.wait_for(lambda: "state ONLINE note=" in self.said("carol").rpartition("OFFLINE")[2])
        again.send_signal(signal.SIGINT)
        self.assertEqual(again.wait(30), 0, self.said("carol"))
        self.assertEqual(self.machine("carol")["offline_reason"], "STOPPED")

    def test_a_wrong_token_ends_the_daemon_with_a_reason(self) -> None:
        wrong = self.site.folder("wrong")
        wrong.write_text("lbr_nonsense")
        done = self.site.server.command(
            "machines", "run", "--hostname", "eve", "--directory", "eve", "--token-file", str(wrong)
        )
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("401", done.stderr)

    def test_a_token_without_the_permission_is_refused(self) -> None:
        token = self.site.folder("joe")
        token.write_text(self.site.new_token("joe"))
        done = self.site.server.command("machines", "list", "--token-file", str(token))
        self.assertEqual(done.returncode, 1)
        self.assertIn("403", done.stderr)

    def test_the_files_of_a_private_import_need_a_permission(self) -> None:
        repository = GitRepository(self.site.folder("secret"))
        repository.commit("hush")
        self.add_import("secret", repository.url, private=True)
        self.site.librarian(
            "machines", "run", "--once", "--hostname", "dora", "--directory", "dora", "--local-repositories"
        )
        path = "/+imports/secret/+files/secret.bundle"
        for name in ("importd", "david"):
            self.assertTrue(self.site.download(path, name).data.startswith(b"# v2 git bundle"))
        self.assertEqual(self.site.download(path, "joe").status, 403)
        url = self.site.app + "/machines" + path
        self.assertEqual(self.site.server.request("GET", url).status, 401)

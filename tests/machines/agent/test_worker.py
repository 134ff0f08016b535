"""The worker process against real repositories: first import, increments, and failures."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import librarian
from librarian.machines.agent.worker import BUNDLE, LAST, LOG, RESULT, Order
from tests.machines.agent.repositories import GitRepository, HgRepository, SvnRepository, tool
from tests.support.layers import Functional
from tools.runner.left_out import left_out

SOURCE = str(Path(librarian.__file__).parent.parent)


def start_worker(directory: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "librarian.machines.agent.worker", str(directory)],
        stdin=subprocess.PIPE,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([SOURCE, *sys.path])},
    )


class WithDirectory(unittest.TestCase):
    layer = Functional
    needs = "git"

    def setUp(self) -> None:
        if shutil.which(self.needs) is None:
            raise unittest.SkipTest(left_out(f"imports with {self.needs}", f"{self.needs} is not installed"))
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.top = Path(holder.name)
        self.turn = 0
        self.last: Path | None = None

    def work(self, order: Order) -> str:
        """Run a worker on `order`, from the last bundle if there is one; the name of the result."""
        self.turn += 1
        self.directory = self.top / f"work-{self.turn}"
        self.directory.mkdir()
        if self.last is not None:
            shutil.copy(self.last, self.directory / LAST)
        order.write(self.directory)
        with start_worker(self.directory) as worker:
            worker.wait(timeout=60)
        if (self.directory / BUNDLE).exists():
            self.last = self.directory / BUNDLE
        status: str = json.loads((self.directory / RESULT).read_text())["status"]
        return status

    def log(self) -> str:
        return (self.directory / LOG).read_text()


class Git(WithDirectory):
    def setUp(self) -> None:
        super().setUp()
        self.repository = GitRepository(self.top / "origin")
        self.order = Order("GIT", self.repository.url, local=True)

    def clone(self) -> GitRepository:
        assert self.last is not None
        clone = GitRepository(self.top / f"clone-{self.turn}")
        shutil.rmtree(clone.path)
        tool("git", "clone", "--quiet", str(self.last), str(clone.path))
        return clone

    def test_first_run_no_change_then_a_change(self) -> None:
        self.repository.commit("one")
        self.repository.git("tag", "v1")
        self.assertEqual(self.work(self.order), "SUCCESS")
        self.assertEqual(
            self.clone().git("log", "--format=%s %D"), "one HEAD -> trunk, tag: v1, origin/trunk, origin/HEAD"
        )
        self.assertEqual(self.work(self.order), "SUCCESS_NOCHANGE")
        self.repository.commit("two")
        self.assertEqual(self.work(self.order), "SUCCESS")
        self.assertEqual(self.clone().git("log", "--format=%s"), "two\none")

    def test_the_second_fetch_asks_for_the_difference_only(self) -> None:
        for number in range(12):
            self.repository.commit(f"{number} " + "x" * number)
        self.work(self.order)
        self.repository.commit("one more")
        self.work(self.order)
        self.assertIn("remote: Total 3", self.log().replace("Enumerating", "remote: Enumerating"))

    def test_branches_that_vanish_and_history_that_is_rewritten(self) -> None:
        self.repository.commit("one")
        self.repository.git("branch", "side")
        self.work(self.order)
        self.repository.git("branch", "-D", "side")
        self.repository.git("commit", "--quiet", "--amend", "-m", "another one")
        self.assertEqual(self.work(self.order), "SUCCESS")
        clone = self.clone()
        self.assertEqual(clone.git("branch", "--remotes", "--format=%(refname:lstrip=3)"), "HEAD\ntrunk")
        self.assertEqual(clone.git("log", "--format=%s"), "another one")

    def test_merge_requests_of_a_hosting_site_are_not_fetched(self) -> None:
        self.repository.commit("one")
        self.repository.git("update-ref", "refs/pull/1/head", "HEAD")
        self.work(self.order)
        assert self.last is not None
        self.assertNotIn("pull", tool("git", "bundle", "list-heads", str(self.last)))

    def test_an_empty_repository_makes_no_bundle(self) -> None:
        self.assertEqual(self.work(self.order), "SUCCESS_NOCHANGE")
        self.assertIsNone(self.last)
        self.assertIn("the repository is empty", self.log())

    def test_a_missing_repository(self) -> None:
        order = Order("GIT", (self.top / "nowhere").as_uri(), local=True)
        self.assertEqual(self.work(order), "FAILURE_INVALID")

    def test_a_refused_connection(self) -> None:
        self.assertEqual(self.work(Order("GIT", "http://127.0.0.1:9/x.git")), "FAILURE")

    def test_local_repositories_need_the_option(self) -> None:
        self.repository.commit("one")
        self.assertEqual(self.work(Order("GIT", self.repository.url)), "FAILURE_FORBIDDEN")

    def test_a_command_in_place_of_a_url_is_not_run(self) -> None:
        pwned = self.top / "pwned"
        for url in (
            f"ext::touch {pwned}",
            f"--upload-pack=touch${{IFS}}{pwned}",
            f"ssh://-oProxyCommand=touch%20{pwned}/",
        ):
            with self.subTest(url=url):
                self.assertEqual(self.work(Order("GIT", url, local=True)), "FAILURE")
                self.assertFalse(pwned.exists())

    def test_a_damaged_bundle_costs_a_full_fetch(self) -> None:
        self.repository.commit("one")
        self.work(self.order)
        assert self.last is not None
        self.last.write_bytes(self.last.read_bytes()[:-30])
        self.assertEqual(self.work(self.order), "SUCCESS")
        self.assertIn("the last bundle cannot be used", self.log())
        self.assertEqual(self.clone().git("log", "--format=%s"), "one")

    def test_a_file_beyond_the_limit_ends_the_worker(self) -> None:
        self.repository.commit(os.urandom(40_000).hex())
        order = Order("GIT", self.repository.url, local=True, file_limit=20_000)
        self.assertEqual(self.work(order), "FAILURE")

    def test_the_log_is_cut_off_at_its_limit(self) -> None:
        self.repository.commit("one")
        self.assertEqual(self.work(Order("GIT", self.repository.url, local=True, log_limit=100)), "SUCCESS")
        self.assertRegex(self.log(), r"bytes more, not kept\n$")
        self.assertLess(len(self.log()), 200)

    def test_the_worker_dies_with_its_parent(self) -> None:
        directory = self.top / "orphan"
        directory.mkdir()
        os.mkfifo(directory / LAST)  # without a writer, so restoring from it never ends
        self.order.write(directory)
        with start_worker(directory) as worker:
            deadline = time.monotonic() + 30
            while not (directory / LOG).exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            assert worker.stdin is not None
            worker.stdin.close()
            self.assertEqual(worker.wait(timeout=30), -signal.SIGKILL)


class Hg(WithDirectory):
    needs = "hg"

    def test_first_run_no_change_then_a_change(self) -> None:
        repository = HgRepository(self.top / "origin")
        order = Order("HG", repository.url, local=True)
        self.assertEqual(self.work(order), "SUCCESS_NOCHANGE")
        repository.commit("one")
        self.assertEqual(self.work(order), "SUCCESS", self.log())
        self.assertEqual(self.work(order), "SUCCESS_NOCHANGE")
        repository.commit("two")
        self.assertEqual(self.work(order), "SUCCESS")
        self.assertIn("added 1 changesets", self.log())
        tool("hg", "init", "again", cwd=self.top)
        tool("hg", "unbundle", str(self.last), cwd=self.top / "again")
        self.assertEqual(tool("hg", "log", "-T", "{desc} ", cwd=self.top / "again"), "two one")

    def test_a_missing_repository(self) -> None:
        order = Order("HG", (self.top / "nowhere").as_uri(), local=True)
        self.assertEqual(self.work(order), "FAILURE_INVALID")


class Svn(WithDirectory):
    needs = "svnrdump"

    def test_first_run_no_change_then_a_change(self) -> None:
        repository = SvnRepository(self.top / "origin")
        order = Order("SVN", repository.url, local=True)
        self.assertEqual(self.work(order), "SUCCESS_NOCHANGE", self.log())
        repository.commit("one")
        repository.commit("two")
        self.assertEqual(self.work(order), "SUCCESS", self.log())
        self.assertEqual(self.work(order), "SUCCESS_NOCHANGE")
        repository.commit("three")
        self.assertEqual(self.work(order), "SUCCESS")
        self.assertIn("-r 3:3", self.log())
        assert self.last is not None
        tool("svnadmin", "create", "again", cwd=self.top)
        plain = subprocess.run(["gzip", "-dc", str(self.last)], check=True, stdout=subprocess.PIPE).stdout
        tool("svnadmin", "load", "-q", "again", cwd=self.top, stdin=plain)
        self.assertEqual(
            tool("svn", "ls", f"{(self.top / 'again').as_uri()}"), "directory-1/\ndirectory-2/\ndirectory-3/"
        )
        for revision in ("1", "3"):
            self.assertEqual(
                tool("svnlook", "log", "-r", revision, "again", cwd=self.top),
                tool("svnlook", "log", "-r", revision, str(repository.path)),
            )

    def test_a_missing_repository(self) -> None:
        order = Order("SVN", (self.top / "nowhere").as_uri(), local=True)
        self.assertEqual(self.work(order), "FAILURE_INVALID")

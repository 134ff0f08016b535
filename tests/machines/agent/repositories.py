"""Small repositories of each kind in a temporary directory, and the contents of a bundle."""

import os
import subprocess
from pathlib import Path

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "LC_ALL": "C.UTF-8",
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "HGRCPATH": "",
    "HGUSER": "sam",
    "GIT_AUTHOR_NAME": "Sam",
    "GIT_AUTHOR_EMAIL": "sam@example.com",
    "GIT_COMMITTER_NAME": "Sam",
    "GIT_COMMITTER_EMAIL": "sam@example.com",
}


def tool(*command: str, cwd: Path | None = None, stdin: bytes | None = None) -> str:
    """Run a program for the test's own sake; what it wrote."""
    done = subprocess.run(command, cwd=cwd, env=ENVIRONMENT, input=stdin, check=True, capture_output=True)
    return done.stdout.decode().strip()


class GitRepository:
    def __init__(self, path: Path, branch: str = "trunk") -> None:
        self.path = path
        tool("git", "init", "--quiet", f"--initial-branch={branch}", str(path))

    @property
    def url(self) -> str:
        return self.path.as_uri()

    def commit(self, text: str) -> None:
        (self.path / "file").write_text(text)
        tool("git", "add", "file", cwd=self.path)
        tool("git", "commit", "--quiet", "-m", text, cwd=self.path)

    def git(self, *arguments: str) -> str:
        return tool("git", *arguments, cwd=self.path)


class HgRepository:
    def __init__(self, path: Path) -> None:
        self.path = path
        tool("hg", "init", str(path))

    @property
    def url(self) -> str:
        return self.path.as_uri()

    def commit(self, text: str) -> None:
        (self.path / "file").write_text(text)
        tool("hg", "commit", "--addremove", "-m", text, cwd=self.path)


class SvnRepository:
    def __init__(self, path: Path) -> None:
        self.path = path
        tool("svnadmin", "create", str(path))
        self.count = 0

    @property
    def url(self) -> str:
        return self.path.as_uri()

    def commit(self, text: str) -> None:
        self.count += 1
        tool("svn", "mkdir", "-q", "-m", text, f"{self.url}/directory-{self.count}")

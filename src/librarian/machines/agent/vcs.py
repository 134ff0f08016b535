"""Mirrors of git, hg and svn repositories in a directory: restored from a bundle, fetched, packed again.

Each bundle is the complete repository, so that one file is enough to clone from (``git clone gimp.bundle``).
The fetch is incremental: it asks the foreign server for what the last bundle lacks.
"""

import gzip
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from librarian.machines.agent.interfaces import Mirror, ToolFailed
from librarian.machines.agent.tools import Tools
from librarian.machines.enums import RevisionControlSystem
from librarian.machines.interfaces import BadCodeImport


class GitMirror(Mirror):
    suffix = ".bundle"
    mimetype = "application/octet-stream"

    # All refs but those that hosting sites keep for each pull or merge request.
    REFSPECS = ("+refs/*:refs/*", "^refs/pull/*", "^refs/merge-requests/*")

    def __init__(self, tools: Tools, url: str, local: bool) -> None:
        self.tools = tools
        self.url = url
        self.allowed = "https:http:git:ssh" + (":file" if local else "")
        tools.environment |= {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
            "GIT_ALLOW_PROTOCOL": "file",
        }
        tools.run("git", "init", "--quiet", "--bare", "--initial-branch=main", "mirror")

    def git(self, *arguments: str) -> None:
        """Run git on the mirror.  Raises ToolFailed."""
        self.tools.run("git", "--git-dir=mirror", *arguments)

    def restore(self, bundle: Path) -> None:
        self.git("fetch", "--quiet", str(bundle), *self.REFSPECS)

    def fetch(self) -> None:
        self.tools.environment["GIT_ALLOW_PROTOCOL"] = self.allowed
        heads = self.tools.ask("git", "ls-remote", "--symref", "--", self.url, "HEAD")
        self.git("fetch", "--progress", "--prune", "--no-auto-gc", "--", self.url, *self.REFSPECS)
        for line in heads.splitlines():
            if line.startswith("ref: refs/") and line.endswith("\tHEAD"):
                self.git("symbolic-ref", "HEAD", line[len("ref: ") : -len("\tHEAD")])

    def fingerprint(self) -> str:
        return self.tools.ask("git", "--git-dir=mirror", "for-each-ref", "--format=%(objectname) %(refname)")

    def pack(self, bundle: Path) -> None:
        head = (self.tools.directory / "mirror/HEAD").read_text().strip().removeprefix("ref: ")
        refs = {line.split()[1] for line in self.fingerprint().splitlines()}
        # A HEAD that names a branch which exists makes a clone of the bundle check it out.
        what = ["HEAD", "--all"] if head in refs else ["--all"]
        self.git("bundle", "create", "--quiet", str(bundle), *what)
        self.git("bundle", "verify", "--quiet", str(bundle))


class HgMirror(Mirror):
    suffix = ".hg"
    mimetype = "application/octet-stream"

    def __init__(self, tools: Tools, url: str, local: bool) -> None:
        self.tools = tools
        self.url = url
        tools.environment |= {"HGPLAIN": "1", "HGRCPATH": ""}
        self.hg("init", "mirror")

    def hg(self, *arguments: str) -> None:
        """Run hg without questions to a terminal.  Raises ToolFailed."""
        self.tools.run("hg", "--noninteractive", *arguments)

    def restore(self, bundle: Path) -> None:
        self.hg("--repository=mirror", "unbundle", str(bundle))

    def fetch(self) -> None:
        self.hg("--repository=mirror", "pull", self.url)

    def fingerprint(self) -> str:
        return self.tools.ask("hg", "--repository=mirror", "log", "--rev=head()", "--template={node}\n")

    def pack(self, bundle: Path) -> None:
        self.hg("--repository=mirror", "bundle", "--all", str(bundle))


class SvnMirror(Mirror):
    suffix = ".svndump.gz"
    mimetype = "application/gzip"

    def __init__(self, tools: Tools, url: str, local: bool) -> None:
        self.tools = tools
        self.url = url
        self.asking = ("--non-interactive", "--no-auth-cache", f"--config-dir={tools.directory}/svn")
        self._make()

    def _make(self) -> None:
        shutil.rmtree(self.tools.directory / "mirror", ignore_errors=True)
        self.tools.run("svnadmin", "create", "mirror")

    def _load(self, dump: Path) -> None:
        # --bypass-prop-validation: old servers stored properties that new ones refuse.
        self.tools.run(
            "svnadmin", "load", "--quiet", "--force-uuid", "--bypass-prop-validation", "mirror", stdin=dump
        )
        dump.unlink()

    def restore(self, bundle: Path) -> None:
        dump = self.tools.directory / "restored.dump"
        with gzip.open(bundle, "rb") as packed, dump.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
        self._load(dump)

    def fetch(self) -> None:
        root = self._info("repos-root-url", self.url)
        if urlsplit(root)[:2] != urlsplit(self.url)[:2]:
            raise BadCodeImport("url", "the server says its repository is elsewhere")
        newest, have = int(self._info("revision", root)), int(self.fingerprint() or 0)
        if newest < have:
            self.tools.log.say(f"the repository went back from revision {have} to {newest}; starting anew")
            self._make()
            have = 0
        if newest > have:
            dump = self.tools.directory / "fetched.dump"
            span = f"{have + 1}:{newest}" if have else f"0:{newest}"
            incremental = ("--incremental",) if have else ()
            self.tools.run(
                "svnrdump", "dump", "--quiet", *self.asking, *incremental, "-r", span, root, stdout=dump
            )
            self._load(dump)

    def _info(self, item: str, url: str) -> str:
        return self.tools.ask("svn", "info", *self.asking, "--no-newline", "--show-item", item, url)

    def fingerprint(self) -> str:
        youngest = self.tools.ask("svnlook", "youngest", "mirror")
        return "" if youngest == "0" else youngest

    def pack(self, bundle: Path) -> None:
        dump = self.tools.directory / "packed.dump"
        self.tools.run("svnadmin", "dump", "--quiet", "mirror", stdout=dump)
        with dump.open("rb") as plain, gzip.open(bundle, "wb") as packed:
            shutil.copyfileobj(plain, packed)
        dump.unlink()


MIRRORS: dict[RevisionControlSystem, type[GitMirror | HgMirror | SvnMirror]] = {
    RevisionControlSystem.GIT: GitMirror,
    RevisionControlSystem.HG: HgMirror,
    RevisionControlSystem.SVN: SvnMirror,
}

# Parts of the messages of git, hg and svn in the C locale, in lower case.
_FORBIDDEN = (
    "authentication failed",
    "authorization failed",
    "authorization required",
    "could not read username",
    "could not read password",
    "permission denied",
    "error: 403",
    "http error 403",
    "forbidden",
    "transport 'file' not allowed",
    "no more credentials",
)
_INVALID = (
    "not found",
    "does not appear to be a git repository",
    "does not exist",
    "is this a git repository",
    "does not appear to be an hg repository",
    "unable to open repository",
    "unable to open an ra_local session",
    "repository moved",
    "unable to connect to a repository at url",
)


def is_forbidden(error: ToolFailed) -> bool:
    """Whether the foreign server wants credentials, or the URL is not allowed."""
    return any(sign in error.output.lower() for sign in _FORBIDDEN)


def is_invalid(error: ToolFailed) -> bool:
    """Whether there is no repository of that kind at the URL."""
    return any(sign in error.output.lower() for sign in _INVALID)

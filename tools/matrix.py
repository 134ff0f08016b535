"""The tests on every CPython that the project is for and that this machine has: `make matrix`.

    python3 tools/matrix.py [only=3.12,3.13] [OPTIONS OF bin/test ...]

Each interpreter gets the files of this checkout in parts/matrix/<version>, and builds there what it needs; a
second run builds only what has changed.  Interpreters are looked for as `python3.N` on the path, and among
pyenv's.  Those that are not there are named, and are no failure.  The last lines are a table.

Without options the tests without input and output and those of the application in memory are run, which load
every module and show most documents: what differs between versions of Python is found there.  Servers,
engines and browsers take ten times as long; `--all` runs them too.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
FOLDER = CHECKOUT / "parts" / "matrix"
MINORS = (11, 12, 13, 14)
USUAL = ("--layer", "UnitTests", "--layer", "Functional")
PYENV = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
_TOTAL = re.compile(r"^(?:Total: | *Ran )(\d+) tests.*", re.MULTILINE)


@dataclass(frozen=True)
class Tried:
    """What came of one version of Python: None is for one that is not there."""

    version: str
    status: int | None
    told: str

    def __str__(self) -> str:
        state = "absent" if self.status is None else "failed" if self.status else "passed"
        return f"{self.version:6} {state:7} {self.told}".rstrip()


def main() -> None:
    only, options = chosen(sys.argv[1:])
    tried = [try_version(minor, options) for minor in only]
    print("\n".join(map(str, tried)))
    sys.exit(1 if any(each.status for each in tried) else 0)


def chosen(arguments: list[str]) -> tuple[tuple[int, ...], list[str]]:
    """The minor versions that are asked for, and the options of bin/test."""
    minors: tuple[int, ...] = MINORS
    options: list[str] = []
    for each in arguments:
        if each.startswith("only="):
            minors = tuple(int(one.partition(".")[2]) for one in each.removeprefix("only=").split(","))
        elif each != "--all":
            options.append(each)
    return minors, options or ([] if "--all" in arguments else list(USUAL))


def interpreter(minor: int, pyenv: Path = PYENV) -> Path | None:
    """The path of CPython 3.`minor`; of several of pyenv's the newest."""
    found = sorted(
        pyenv.glob(f"versions/3.{minor}.*/bin/python3.{minor}"),
        key=lambda path: [int(part) for part in re.findall(r"\d+", path.parent.parent.name)],
    )
    on_path = shutil.which(f"python3.{minor}")
    if on_path is not None and works(on_path):
        return Path(on_path)
    return found[-1] if found else None


def works(command: str) -> bool:
    """Whether a command is an interpreter: pyenv has some on the path that only say that none is chosen."""
    done = subprocess.run([command, "-c", ""], capture_output=True, check=False)
    return done.returncode == 0


def try_version(minor: int, options: list[str]) -> Tried:
    """Build with one version of Python, and run the tests with these options of bin/test."""
    version = f"3.{minor}"
    python = interpreter(minor)
    if python is None:
        return Tried(version, None, "")
    print(f"matrix: {version}, {python}", flush=True)
    folder = FOLDER / version
    copy_files(folder)
    built = subprocess.run(["make", f"PYTHON={python}", "bin/.built"], cwd=folder, check=False)
    if built.returncode:
        return Tried(version, built.returncode, "could not be built")
    done = subprocess.run(
        ["bin/test", *options], cwd=folder, stdout=subprocess.PIPE, text=True, check=False, env=environment()
    )
    print(done.stdout, flush=True)
    return Tried(version, done.returncode, last_total(done.stdout))


def environment() -> dict[str, str]:
    """This process's environment, without what another build has put into it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def last_total(output: str) -> str:
    """The line of a run that says how many tests there were."""
    found = [line[0].strip() for line in _TOTAL.finditer(output)]
    return found[-1] if found else "no test ran"


def copy_files(folder: Path) -> None:
    """Bring the files of the checkout into `folder`: those that git knows, or would take; others there go."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = {name for name in listed.stdout.split("\0") if name and CHECKOUT.joinpath(name).exists()}
    folder.mkdir(parents=True, exist_ok=True)
    known = folder / "files.txt"
    for name in set(known.read_text().split("\0")) - names if known.exists() else ():
        folder.joinpath(name).unlink(missing_ok=True)
    for name in sorted(names):
        copy_file(CHECKOUT / name, folder / name)
    known.write_text("\0".join(sorted(names)))


def copy_file(source: Path, target: Path) -> None:
    """Copy a file or a link, unless the copy is as it was: make looks at the times."""
    if target.is_symlink() or (target.exists() and same(source, target)):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target, follow_symlinks=False)


def same(source: Path, target: Path) -> bool:
    """Whether a copy has the size and the time of its source."""
    one, other = source.stat(), target.stat()
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


if __name__ == "__main__":
    main()

"""The example applications with the built wheel, in an environment of what the wheel asks for and no more."""

import os
import re
import subprocess
import tempfile
import unittest
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import ClassVar

from tools.runner.left_out import left_out

CHECKOUT = Path(__file__).resolve().parent.parent
EXAMPLES = CHECKOUT / "examples"
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "src")
BUILD = "from setuptools.build_meta import build_wheel; import sys; print(build_wheel(sys.argv[1]))"
COMMAND = "from librarian.commands.main import main; main()"


class CleanEnvironment:
    """An environment with the wheel in it, and of this build only what the wheel asks for."""

    def __init__(self, folder: Path) -> None:
        self.python = folder / "bin" / "python"
        venv.create(folder, with_pip=False, symlinks=True)
        (self.site,) = folder.glob("lib/python3*/site-packages")
        wheel = built_wheel(folder)
        self.run("-m", "zipfile", "-e", str(wheel), str(self.site))
        (installed,) = self.site.glob("librarian-*.dist-info")
        for found in required(Distribution.at(installed)):
            self.share(found)

    def share(self, found: Distribution) -> None:
        """Have the environment import a distribution from where it is."""
        place = Path(str(found.locate_file(""))).resolve()
        if place.suffix == ".egg":
            with (self.site / "requirements.pth").open("a") as paths:
                paths.write(f"{place}\n")
            return
        for name in {file.parts[0] for file in found.files or []} - {"..", "__pycache__"}:
            if not name.endswith(".pth"):
                (self.site / name).symlink_to(place / name)

    def run(self, *arguments: str, cwd: Path | None = None) -> str:
        """What the environment's interpreter prints.  Raises AssertionError for another status than 0."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        command = [str(self.python), "-W", "ignore", *arguments]
        done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise AssertionError(f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr


def built_wheel(folder: Path) -> Path:
    """The wheel, built of a copy of the sources.  Raises SkipTest where it cannot be built."""
    sources = folder / "sources"
    sources.mkdir()
    subprocess.run(["cp", "-R", *(str(CHECKOUT / name) for name in SOURCES), str(sources)], check=True)
    command = [str(CHECKOUT / ".venv" / "bin" / "python"), "-W", "ignore", "-c", BUILD, str(folder)]
    done = subprocess.run(command, cwd=sources, capture_output=True, text=True, check=False)
    if done.returncode:
        why = f"no wheel could be built: {done.stderr.strip()[-200:]}"
        raise unittest.SkipTest(left_out("the example applications", why))
    return folder / done.stdout.split()[-1]


def required(first: Distribution) -> Iterator[Distribution]:
    """The distributions that one needs, and those that these need."""
    seen: set[str] = set()
    waiting = [first]
    while waiting:
        for line in waiting.pop().requires or []:
            name = re.match("[A-Za-z0-9._-]+", line)
            assert name is not None
            key = re.sub("[-_.]+", "-", name[0]).lower()
            if key in seen or "extra ==" in line:
                continue
            seen.add(key)
            try:
                found = distribution(name[0])
            except PackageNotFoundError:
                continue  # of other systems, or of other versions of Python
            waiting.append(found)
            yield found


class Examples(unittest.TestCase):
    """What a stranger has who installs the library and copies an example."""

    environment: ClassVar[CleanEnvironment]

    @classmethod
    def setUpClass(cls) -> None:
        folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="librarian-examples-"))
        cls.environment = CleanEnvironment(Path(folder))

    def check(self, name: str) -> None:
        """Run the example's own tests, in its folder."""
        told = self.environment.run("-m", "unittest", f"{name}.tests", cwd=EXAMPLES / name)
        self.assertRegex(told, r"Ran [1-9][0-9]* tests? in")

    def test_bookshop(self) -> None:
        self.check("bookshop")

    def test_guestbook(self) -> None:
        self.check("guestbook")

    def test_the_wheel_is_the_one_that_is_imported(self) -> None:
        told = self.environment.run("-c", "import librarian; print(librarian.__file__)").strip()
        self.assertTrue(told.startswith(str(self.environment.site)), told)

    def test_the_wheel_has_all_that_a_beginning_needs(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            told = self.environment.run("-c", COMMAND, "init", f"{folder}/new")
            self.assertIn(f"next: librarian serve {folder}/new/librarian.ini", told)

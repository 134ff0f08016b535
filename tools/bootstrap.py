"""Make .venv, put buildout into it and run it: `python3 tools/bootstrap.py`, which is what make does.

The environment is made without ensurepip, because Debian leaves that out of its python3 (python3-venv has
it): pip comes from the wheel beside this file instead.  A wheel can be run without being installed, it is
the same on every machine, and pip's licence (MIT) lets it lie here.  To renew it, put another in its place.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
CHECKOUT = TOOLS.parent
ENVIRONMENT = CHECKOUT / ".venv"
REQUIREMENTS = TOOLS / "requirements.txt"
PYTHON = ENVIRONMENT / "bin" / "python"
OLDEST = (3, 11)


def main() -> None:
    refuse_unfit_interpreter()
    if not runs_this_python():
        print("bootstrap: making .venv, and the packages in it", flush=True)
        venv.create(ENVIRONMENT, clear=True, with_pip=False, symlinks=True)
    run(PYTHON, vendored_pip(), "install", "-qq", "--requirement", REQUIREMENTS)
    run(PYTHON, TOOLS / "eggs.py", *package_index())
    print("bootstrap: making bin/", flush=True)
    run(ENVIRONMENT / "bin" / "buildout", "-q", *(f"buildout:index={index}" for index in package_index()))


def refuse_unfit_interpreter() -> None:
    if sys.version_info < OLDEST or sys.implementation.name != "cpython":
        sys.exit(f"librarian needs CPython {OLDEST[0]}.{OLDEST[1]} or later; this is {sys.version}")


def runs_this_python() -> bool:
    """Whether .venv is there and was made from the interpreter that runs this."""
    settings = ENVIRONMENT / "pyvenv.cfg"
    if not (PYTHON.exists() and settings.exists()):
        return False
    version = ".".join(str(part) for part in sys.version_info[:3])
    return f"version = {version}" in settings.read_text().splitlines()


def vendored_pip() -> str:
    """The path at which the interpreter can run pip straight out of its wheel."""
    (wheel,) = TOOLS.glob("pip-*.whl")
    return str(wheel / "pip")


def package_index() -> list[str]:
    """The package index that pip was told to use, if it was told one: buildout uses it too."""
    answer = subprocess.run(
        [PYTHON, vendored_pip(), "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    )
    index = os.environ.get("PIP_INDEX_URL") or answer.stdout.strip()
    return [index] if index else []


def run(*command: str | Path) -> None:
    # Buildout calls pip for the checkout itself.  Without isolation pip uses the pinned setuptools of .venv
    # instead of fetching the newest each time.  (The variable is a negated flag: 0 switches isolation off.)
    environment = {
        **os.environ,
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        # Buildout adds eggs to the path of a process that has imported its own package; nothing is wrong.
        "PYTHONWARNINGS": "ignore:Module zc was already imported:UserWarning",
    }
    status = subprocess.run(command, cwd=CHECKOUT, env=environment, check=False).returncode
    if status:
        sys.exit(status)


if __name__ == "__main__":
    main()

"""bin/check: lint, format, types and layers, measures; runs them all, then says which complained."""

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent

CHECKS = {
    "ruff check": ["-m", "ruff", "check", "."],
    "ruff format": ["-m", "ruff", "format", "--check", "."],
    "mypy": ["-m", "mypy"],
    "import-linter": ["-c", "from importlinter.cli import lint_imports_command as run; run()"],
    "measures": ["-m", "tools.measures"],
}


def main() -> None:
    complaints = [name for name, arguments in CHECKS.items() if not passes(name, arguments)]
    if complaints:
        sys.exit(f"check: {', '.join(complaints)} found something")
    print("check: nothing found")


def passes(name: str, arguments: list[str]) -> bool:
    """Run one tool in an interpreter of its own.

    Buildout's eggs lie each in a folder of its own, not in site-packages, so the tools are told of them
    through PYTHONPATH: mypy reads the packages on it as installed ones, and import-linter imports from it.
    """
    print(f"--- {name}", flush=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    return (
        subprocess.run([sys.executable, *arguments], cwd=CHECKOUT, env=environment, check=False).returncode
        == 0
    )

"""Other processes, for tests of what processes share."""

import os
import subprocess
import sys
import textwrap
from typing import Any


def python(script: str, *arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
    """Run `script` in an interpreter that finds what this one finds."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", textwrap.dedent(script), *arguments]
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, **options)


def statuses(processes: "list[subprocess.Popen[bytes]]") -> list[int]:
    """Wait for all of them; their exit statuses."""
    for process in processes:
        process.communicate(timeout=60)
    return [process.returncode for process in processes]

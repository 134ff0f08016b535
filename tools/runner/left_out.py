"""What a test run left out for want of something on the machine, said at its end.

The notes go to a file named in the environment, because the runner may run a layer in a process of its own.
"""

import os
from pathlib import Path

NOTES = "LIBRARIAN_LEFT_OUT"  # the environment variable that names the file


def left_out(what: str, reason: str) -> str:
    """Note that `what` (a layer, a browser) is not tested here, and why.

    Returns the sentence, so that a test can say
    `raise SkipTest(left_out("PostgreSQL", "initdb is not installed"))`.
    """
    sentence = f"{what} was left out: {reason}"
    if NOTES in os.environ:
        with Path(os.environ[NOTES]).open("a", encoding="utf-8") as notes:
            notes.write(f"{sentence}\n")
    return sentence


def notes() -> list[str]:
    """Every sentence noted so far by this run, each once, in order."""
    if NOTES not in os.environ:
        return []
    return list(dict.fromkeys(Path(os.environ[NOTES]).read_text(encoding="utf-8").splitlines()))

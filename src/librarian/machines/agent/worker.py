"""The worker: one job as a process, ``python -m librarian.machines.agent.worker DIRECTORY``.

Before it starts, the directory has ``order.json``, and ``last`` if there is a bundle to start from.  When
it ends, the directory has ``log``, ``bundle`` if the mirror changed, and, written last, ``result.json``.
The worker knows neither the tree nor the service: the runner that started it reports for it, and ends it by
a signal or by closing its standard input.
"""

import dataclasses
import json
import os
import resource
import shutil
import signal
import sys
import threading
import zlib
from pathlib import Path

from librarian.interfaces import LibrarianError
from librarian.machines.agent.interfaces import Mirror, ToolFailed, ToolMissing
from librarian.machines.agent.tools import Log, Tools
from librarian.machines.agent.vcs import MIRRORS, is_forbidden, is_invalid
from librarian.machines.enums import CodeImportResultStatus, RevisionControlSystem
from librarian.machines.urls import checked_url

ORDER, LAST, LOG, BUNDLE, RESULT = "order.json", "last", "log", "bundle", "result.json"


@dataclasses.dataclass(frozen=True)
class Order:
    """The arguments of a worker."""

    rcs_type: str  # a name of RevisionControlSystem
    url: str
    local: bool = False  # whether file: URLs are followed
    log_limit: int = 10 * 2**20  # bytes
    file_limit: int = 20 * 2**30  # bytes, for any one file

    def write(self, directory: Path) -> None:
        """Write the order as JSON into the job's directory."""
        (directory / ORDER).write_text(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def read(cls, directory: Path) -> "Order":
        """The order in a job's directory."""
        return cls(**json.loads((directory / ORDER).read_text()))


def perform(order: Order, directory: Path, log: Log) -> CodeImportResultStatus:
    """Fetch the repository, and pack a bundle if it changed.  Raises ToolMissing, ToolFailed and OSError."""
    rcs_type = RevisionControlSystem[order.rcs_type]
    if checked_url(order.url, rcs_type).startswith("file:") and not order.local:
        log.say("file: URLs are not allowed on this machine (--local-repositories)")
        return CodeImportResultStatus.FAILURE_FORBIDDEN
    tools = Tools(directory, log)
    mirror, before = start_mirror(order, rcs_type, tools)
    mirror.fetch()
    after = mirror.fingerprint()
    if after in ("", before):
        log.say("nothing new" if after else "the repository is empty")
        return CodeImportResultStatus.SUCCESS_NOCHANGE
    mirror.pack(directory / BUNDLE)
    log.say(f"bundled {(directory / BUNDLE).stat().st_size} bytes")
    return CodeImportResultStatus.SUCCESS


def start_mirror(order: Order, rcs_type: RevisionControlSystem, tools: Tools) -> tuple[Mirror, str]:
    """A mirror restored from the last bundle, and its fingerprint; an empty mirror and '' without one.

    After a bundle that cannot be read the mirror is empty, and the fetch a full one.
    """
    mirror = MIRRORS[rcs_type](tools, order.url, order.local)
    last = tools.directory / LAST
    if not last.exists():
        return mirror, ""
    try:
        mirror.restore(last)
    except (ToolFailed, OSError, EOFError, zlib.error) as error:
        tools.log.say(f"the last bundle cannot be used: {error}")
        shutil.rmtree(tools.directory / "mirror")
        return MIRRORS[rcs_type](tools, order.url, order.local), ""
    return mirror, mirror.fingerprint()


def judge(error: Exception) -> CodeImportResultStatus:
    """The result status for an error: a failure of the import, or of this machine."""
    if isinstance(error, ToolFailed):
        if is_forbidden(error):
            return CodeImportResultStatus.FAILURE_FORBIDDEN
        return CodeImportResultStatus.FAILURE_INVALID if is_invalid(error) else CodeImportResultStatus.FAILURE
    if isinstance(error, (ToolMissing, OSError)):
        return CodeImportResultStatus.INTERNAL_FAILURE
    return CodeImportResultStatus.FAILURE


def work(directory: Path) -> CodeImportResultStatus:
    """Perform the order in `directory` and write the result there."""
    order = Order.read(directory)
    log = Log(directory / LOG, order.log_limit)
    try:
        status = perform(order, directory, log)
    except (LibrarianError, OSError, ValueError) as error:
        status = judge(error)
        log.say(f"{error}")
    log.say(status.name)
    log.close()
    unfinished = directory / (RESULT + ".new")
    unfinished.write_text(json.dumps({"status": status.name}))
    unfinished.rename(directory / RESULT)
    return status


def die_with_parent() -> None:
    """Wait for standard input to end, then end this process and all it started.

    A controller killed with -9 cannot stop its workers; the kernel closes the pipe for it.
    """
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGKILL)


def main(arguments: list[str]) -> int:
    """Run the job in the directory that the first argument names; returns the exit status."""
    directory = Path(arguments[0]).resolve()
    limit = Order.read(directory).file_limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=die_with_parent, daemon=True).start()
    work(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

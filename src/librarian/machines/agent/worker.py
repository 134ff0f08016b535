"""One run of one import, as a process of its own: ``python -m librarian.machines.agent.worker DIRECTORY``.

The directory is the worker's alone.  It finds ``order.json`` there, and ``last`` if there is a
bundle to start from; it leaves ``log``, ``bundle`` if there is something new, and at the very end
``result.json``.  It knows nothing of the tree or the network's other side: whoever started it
reports for it, ends it when it takes too long, and by closing its standard input ends it too.
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
from librarian.machines.agent.tools import Log, ToolFailed, ToolMissing, Tools
from librarian.machines.agent.vcs import MIRRORS, Mirror, is_forbidden, is_invalid
from librarian.machines.enums import CodeImportResultStatus, RevisionControlSystem
from librarian.machines.urls import checked_url

ORDER, LAST, LOG, BUNDLE, RESULT = "order.json", "last", "log", "bundle", "result.json"


@dataclasses.dataclass(frozen=True)
class Order:
    """What a worker is to do."""

    rcs_type: str  # a name of RevisionControlSystem
    url: str
    local: bool = False  # whether file: URLs are followed
    log_limit: int = 10 * 2**20  # bytes
    file_limit: int = 20 * 2**30  # bytes, for any one file

    def write(self, directory: Path) -> None:
        (directory / ORDER).write_text(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def read(cls, directory: Path) -> "Order":
        return cls(**json.loads((directory / ORDER).read_text()))


def perform(order: Order, directory: Path, log: Log) -> CodeImportResultStatus:
    """Fetch, and bundle what is new.  Raises what the tools raise."""
    rcs_type = RevisionControlSystem[order.rcs_type]
    if checked_url(order.url, rcs_type).startswith("file:") and not order.local:
        log.say("this machine follows no file: URL")
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
    """A mirror as the last bundle has it, and its fingerprint.  A bundle that cannot be read costs
    a full fetch, not the import."""
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
    """Whose fault an error is."""
    if isinstance(error, ToolFailed):
        if is_forbidden(error):
            return CodeImportResultStatus.FAILURE_FORBIDDEN
        return CodeImportResultStatus.FAILURE_INVALID if is_invalid(error) else CodeImportResultStatus.FAILURE
    if isinstance(error, (ToolMissing, OSError)):
        return CodeImportResultStatus.INTERNAL_FAILURE
    return CodeImportResultStatus.FAILURE


def work(directory: Path) -> CodeImportResultStatus:
    """Carry out the order in `directory` and leave the result there."""
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
    directory = Path(arguments[0]).resolve()
    limit = Order.read(directory).file_limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=die_with_parent, daemon=True).start()
    work(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

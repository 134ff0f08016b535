"""The audit log: which principal added, deleted and opened what, a line of JSON for each event.

An event that is part of a transaction is recorded when the transaction has committed.  Lines hold ids,
names and addresses, never a password, a token or a file's bytes.
"""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

from zope.component import getUtility

from librarian.durable import FILE_MODE, close_to_others, make_directories
from librarian.interfaces import IClock, ISettings
from librarian.security.interaction import current_principal
from librarian.security.settings import AuditSettings
from librarian.tree.interfaces import ITree

log = logging.getLogger("librarian.audit")

_address: ContextVar[str] = ContextVar("address", default="")


@contextmanager
def requests_from(address: str) -> Iterator[None]:
    """Events inside the `with` are recorded with `address`, the IP address of the client."""
    before = _address.set(address)
    try:
        yield
    finally:
        _address.reset(before)


def record_event(event: str, **facts: Any) -> None:
    """Record an event that no abort can undo.  `event` is a constant phrase, `facts` are values for JSON."""
    if log.isEnabledFor(logging.INFO):
        log.info("%s", _line(event, facts))


def record_at_commit(event: str, **facts: Any) -> None:
    """Record an event when the current transaction has committed; not at all if it is aborted."""
    if not log.isEnabledFor(logging.INFO):
        return
    line = _line(event, facts)

    def write(committed: bool) -> None:
        if committed:
            log.info("%s", line)

    getUtility(ITree).current_transaction().addAfterCommitHook(write)


def _line(event: str, facts: dict[str, Any]) -> str:
    line = {
        "time": getUtility(IClock).now().isoformat(timespec="milliseconds"),
        "event": event,
        "by": current_principal().id,
        "from": _address.get() or None,
        **facts,
    }
    return json.dumps({name: value for name, value in line.items() if value is not None})


class PrivateFileHandler(WatchedFileHandler):
    """A log file that only its owner can read (mode 0600), whatever the umask or the mode it had."""

    def _open(self) -> Any:
        file = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        close_to_others(file)
        return os.fdopen(file, self.mode, encoding=self.encoding, errors=self.errors)


def open_audit_log() -> None:
    """Send events to the file that the settings name, once per process; the file may be rotated (renamed)."""
    path = getUtility(ISettings).section(AuditSettings).audit_log
    if not path or any(isinstance(handler, WatchedFileHandler) for handler in log.handlers):
        return
    make_directories(str(Path(path).absolute().parent))
    handler = PrivateFileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False

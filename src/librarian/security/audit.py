"""The audit log: who added, deleted and opened what, a line of JSON for each event.

An event is written when it has happened: for what is part of a transaction, when that commits.  Lines
carry ids, names and addresses, never a password, a token or a file's bytes.
"""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

from zope.component import getUtility
from zope.interface import provider

from librarian.durable import FILE_MODE, close_to_others, make_directories
from librarian.interfaces import IClock, ISettings, ISettingsSection
from librarian.security.interaction import current_principal
from librarian.settings import Section
from librarian.tree.interfaces import ITree

log = logging.getLogger("librarian.audit")

_place: ContextVar[str] = ContextVar("place", default="")


@provider(ISettingsSection)
@dataclass(frozen=True)
class AuditSettings(Section):
    """Where events are written down."""

    audit_log: str = ""  # a file; empty: wherever the logger librarian.audit leads


@contextmanager
def requests_from(place: str) -> Iterator[None]:
    """Events inside the `with` are caused from `place`, an IP address."""
    before = _place.set(place)
    try:
        yield
    finally:
        _place.reset(before)


def record_event(event: str, **facts: Any) -> None:
    """Write down what cannot be undone any more.  `event` is a constant phrase."""
    if log.isEnabledFor(logging.INFO):
        log.info("%s", _line(event, facts))


def record_at_commit(event: str, **facts: Any) -> None:
    """Write it down when the transaction at work commits; an abort leaves no trace."""
    if not log.isEnabledFor(logging.INFO):
        return
    line = _line(event, facts)

    def write(committed: bool) -> None:
        if committed:
            log.info("%s", line)

    getUtility(ITree).current_transaction().addAfterCommitHook(write)


def _line(event: str, facts: dict[str, Any]) -> str:
    told = {
        "time": getUtility(IClock).now().isoformat(timespec="milliseconds"),
        "event": event,
        "by": current_principal().id,
        "from": _place.get() or None,
        **facts,
    }
    return json.dumps({name: value for name, value in told.items() if value is not None})


class PrivateFileHandler(WatchedFileHandler):
    """A log for its owner alone, whatever the umask, also where it was open to others before."""

    def _open(self) -> Any:
        file = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        close_to_others(file)
        return os.fdopen(file, self.mode, encoding=self.encoding, errors=self.errors)


def open_audit_log() -> None:
    """Have events go to the file that the settings name, once per process; it may be rotated away."""
    path = getUtility(ISettings).section(AuditSettings).audit_log
    if not path or any(isinstance(handler, WatchedFileHandler) for handler in log.handlers):
        return
    make_directories(str(Path(path).absolute().parent))
    handler = PrivateFileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False

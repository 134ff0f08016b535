"""For documents on what an operator watches: numbers of /metrics, a store in trouble, the audit log."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from prometheus_client.parser import text_string_to_metric_families
from zope.component import getUtility

from librarian.security.audit import log
from librarian.store.interfaces import IByteStore, StoreFull, StoreUnavailable
from tests.support.servers.in_process import request

_TROUBLE = {"is gone": StoreUnavailable(5, "is gone"), "is full": StoreFull(28, "is full")}


@contextmanager
def store_that(trouble: str) -> Iterator[None]:
    """The byte store ``is gone`` or ``is full`` for the length of a `with`."""
    with mock.patch.object(getUtility(IByteStore), "check", side_effect=_TROUBLE[trouble]):
        yield


def metric(name: str, **labels: str) -> float | None:
    """A number of /metrics, the sum of all that have these labels; None if there is none."""
    text = request("GET", "http://localhost:9191/metrics").text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = [each.value for each in samples if each.name == name and labels.items() <= each.labels.items()]
    return float(sum(found)) if found else None


class AuditLog(logging.Handler):
    """The lines that the audit log gets; show() prints those since the last call."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(record.getMessage()))

    def show(self, *fields: str) -> None:
        """Print event, principal, and the values of `fields` of each line."""
        for line in self.lines:
            print(f"{line['event']} by {line['by']}", *(f"{name}={line.get(name)}" for name in fields))
        self.lines.clear()


@contextmanager
def audit_log() -> Iterator[AuditLog]:
    """The audit log for the length of a `with`, in memory instead of the file that ``audit_log`` names."""
    handler, level = AuditLog(), log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield handler
    finally:
        log.removeHandler(handler)
        log.setLevel(level)

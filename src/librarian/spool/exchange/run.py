"""Runs: one, as a job of cron makes it, or one every so many seconds."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zope.component import queryUtility

from librarian.clock import SystemClock
from librarian.interfaces import IClock
from librarian.spool.exchange.exporter import Exporter
from librarian.spool.exchange.importer import Importer
from librarian.spool.interfaces import IProgress, Kind, Sleep
from librarian.spool.model.report import Report
from librarian.spool.settings import Target

RUNS = {"export": Exporter, "import": Importer}


def run(
    kind: Kind, target: Target, *, sleep: Sleep = time.sleep, progress: IProgress | None = None
) -> Report:
    """One export to, or import from, a target; what went wrong is in the log and in the report."""
    clock = queryUtility(IClock) or SystemClock()
    return RUNS[kind](target, clock, sleep=sleep, progress=progress).run()


def watch(
    kind: Kind,
    target: Target,
    *,
    interval: float,
    sleep: Sleep = time.sleep,
    progress: IProgress | None = None,
) -> Iterator[Report]:
    """The reports of runs with pauses of `interval` seconds between them; endless, a run for each next()."""
    while True:
        yield run(kind, target, sleep=sleep, progress=progress)
        sleep(interval)


def export(
    store_dir: str | os.PathLike[str],
    host: str,
    port: int,
    user: str,
    password: str,
    path: str = "/",
    *,
    sleep: Sleep = time.sleep,
    **settings: Any,
) -> None:
    """Send what is in the spool's `new` to a directory of an FTP server, and move it to `cur`.

    `settings` are those of a Target: `tls`, `ca_file`, `bandwidth`, ...  As the protocol's log is
    its interface, this returns nothing and raises nothing but BadTarget; run() gives a report.
    """
    _once("export", store_dir, host, port, user, password, path, sleep, settings)


def import_files(
    store_dir: str | os.PathLike[str],
    host: str,
    port: int,
    user: str,
    password: str,
    path: str = "/",
    *,
    sleep: Sleep = time.sleep,
    **settings: Any,
) -> None:
    """Fetch what is in a directory of an FTP server into the spool's `new`; else like export()."""
    _once("import", store_dir, host, port, user, password, path, sleep, settings)


def _once(
    kind: Kind,
    store_dir: str | os.PathLike[str],
    host: str,
    port: int,
    user: str,
    password: str,
    path: str,
    sleep: Sleep,
    settings: dict[str, Any],
) -> None:
    target = Target(Path(store_dir), host, port, user, password, path, **settings)
    run(kind, target, sleep=sleep)

"""``librarian export`` and ``import``: spools and their partners."""

import json
import logging
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from librarian.clock import SystemClock
from librarian.commands.common.effects import refuse_idle
from librarian.commands.common.progress import transfer_bar
from librarian.commands.spool.targets import PASSWORD_VARIABLE, chosen_targets, single_target, targets_option
from librarian.spool import FileStore, Target, run
from librarian.spool.ftp.transfer import NoProgress
from librarian.spool.interfaces import Kind
from librarian.spool.model.report import Outcome, Report

WORDS = {
    Outcome.NOTHING: "nothing new",
    Outcome.DONE: "done",
    Outcome.POSTPONED: "postponed: a lock is held, by another run or on the server",
    Outcome.FAILED: "failed",
}


SHOWN_FROM = 256 * 1024  # bytes; a bar for less would only flicker


class Bar(NoProgress):
    """Shows each file that takes a moment on a terminal."""

    def __init__(self) -> None:
        self._progress = transfer_bar()
        self._task: Any = None

    def begin(self, name: str, size: int, done: int) -> None:
        self.finish(name)
        if size >= SHOWN_FROM:
            self._progress.start()
            self._task = self._progress.add_task(escape(name), total=size, completed=done)

    def advance(self, count: int) -> None:
        if self._task is not None:
            self._progress.advance(self._task, count)

    def finish(self, name: str) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None

    def close(self) -> None:
        """Remove the bar from the terminal."""
        self._progress.stop()


def exchange_options(command: Any) -> Any:
    """The arguments and options of export and import."""
    options = [
        click.argument("targets", nargs=-1),
        targets_option,
        click.option("--store-dir", type=click.Path(file_okay=False, path_type=Path), help="A spool."),
        click.option("--host", help="An FTP server, instead of TARGETS of the ini file."),
        click.option("--port", type=int, default=21, show_default=True),
        click.option("--user", default="anonymous", show_default=True),
        click.option(
            "--password-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help=f"Its first line is the password.  Without it: the variable {PASSWORD_VARIABLE}.",
        ),
        click.option("--path", default="/", show_default=True, help="The directory on the server."),
        click.option("--tls", type=click.Choice(["no", "explicit", "implicit"]), default="no"),
        click.option("--ca-file", type=click.Path(exists=True, path_type=Path), help="Trusted authorities."),
        click.option("--watch", type=click.FloatRange(min=0.1), help="Go on, every so many seconds."),
        click.option("--log-file", type=click.Path(dir_okay=False), help="Kept for five weeks."),
        click.option("-q", "--quiet", is_flag=True, help="Say nothing unless something is left to do."),
        click.option("--json", "as_json", is_flag=True, help="Print a report for each target as JSON."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@exchange_options
def export(**options: Any) -> None:
    """Send what is in the spools of TARGETS to their FTP servers; without TARGETS, all.

    A target is a section [export:NAME] of the ini file.  Exit status 0 means that nothing is left to
    send; 1 that something is, because of an error, a lock, or a name that cannot be sent.
    """
    exchange("export", **options)


@click.command("import")
@exchange_options
def import_(**options: Any) -> None:
    """Fetch what TARGETS have into their spools; without TARGETS, from all.

    A target is a section [import:NAME] of the ini file.  Exit status as with export.
    """
    exchange("import", **options)


def exchange(
    kind: Kind,
    targets: tuple[str, ...],
    ini: str,
    watch: float | None,
    log_file: str | None,
    quiet: bool,
    as_json: bool,
    **single: Any,
) -> None:
    """Run once, or with --watch until the process is stopped."""
    _check(single["host"], single["tls"], as_json)
    chosen = _chosen(kind, targets, ini, single)
    with ExitStack() as stack:
        if log_file is not None:
            stack.enter_context(logging_to(log_file))
        stack.enter_context(politely_stopped())
        left = _run_all(kind, chosen, quiet=quiet, as_json=as_json)
        while watch is not None:
            time.sleep(watch)
            left = _run_all(kind, chosen, quiet=quiet, as_json=as_json)
    sys.exit(int(left))


def _chosen(kind: Kind, targets: tuple[str, ...], ini: str, single: dict[str, Any]) -> dict[str, Target]:
    """Targets of the ini file by name, or the one that the options describe, by its host."""
    if single["host"] is None:
        return chosen_targets(kind, targets, ini)
    if targets:
        raise click.UsageError("name targets of the ini file or give --host, not both")
    return {single["host"]: single_target(**single)}


def _check(host: str | None, tls: str, as_json: bool) -> None:
    """Refuse options that would have no effect.  Raises click.UsageError."""
    if host is None:
        of_one = ("store_dir", "port", "user", "password_file", "path", "tls", "ca_file")
        refuse_idle("without --host: the ini file says it of each target", *of_one)
    else:
        refuse_idle("beside --host", "ini")
    if tls == "no":
        refuse_idle("without --tls", "ca_file")
    if as_json:
        refuse_idle("with --json, which is the report", "quiet")


def _run_all(kind: Kind, targets: dict[str, Target], *, quiet: bool, as_json: bool) -> bool:
    """One run for each; whether anything is left to do."""
    left = False
    for name, target in targets.items():
        if kind == "import":
            FileStore(target.store_dir, SystemClock()).prepare()
        bar = Bar()
        try:
            report = run(kind, target, progress=bar)
        finally:
            bar.close()
        left = left or bool(report.exit_status)
        if as_json:
            click.echo(json.dumps(_described(name, report)))
        elif report.exit_status or not quiet:
            click.echo(_summary(name, report))
    return left


def _described(name: str, report: Report) -> dict[str, Any]:
    error = None if report.error is None else f"{type(report.error).__name__}: {report.error}"
    return {"target": name, **asdict(report), "error": error, "exit_status": report.exit_status}


def _summary(name: str, report: Report) -> str:
    words = [f"{name}: {WORDS[report.outcome]}"]
    if report.files:
        words.append(f"{len(report.files)} file{'' if len(report.files) == 1 else 's'} went over")
    if report.refused:
        words.append(f"{len(report.refused)} cannot: {', '.join(map(repr, report.refused))}")
    if report.error is not None:
        words.append(str(report.error))
    return "; ".join(words)


@contextmanager
def logging_to(path: str) -> Iterator[None]:
    """Write the spool's log to a file, a new one each week, five of them kept."""
    handler = TimedRotatingFileHandler(path, when="D", interval=7, backupCount=5, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("librarian.spool")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


@contextmanager
def politely_stopped() -> Iterator[None]:
    """Let SIGTERM end the run as an exception, so that the lock on the server is released."""

    def stop(number: int, frame: object) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

"""``librarian export``, ``import``, ``deliveries`` and ``feed``: spools and their partners."""

import json
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path
from typing import Any

import click
import transaction
from rich.markup import escape
from zope.component import getUtility

from librarian.commands.progress import transfer_bar
from librarian.commands.site import ini_option, opened_site
from librarian.library.interfaces import ILibraryFileAlias
from librarian.naming.interfaces import INamedEntry, INamedTree
from librarian.spool import FileStore, Target, read_targets, run
from librarian.spool.exchange import Outcome, Report, ledger_path
from librarian.spool.feed import spool_alias
from librarian.spool.interfaces import NoProgress
from librarian.spool.ledger import deliveries as read_deliveries
from librarian.spool.target import Kind, read_password

PASSWORD_VARIABLE = "LIBRARIAN_FTP_PASSWORD"  # noqa: S105  # the name of a variable

WORDS = {
    Outcome.NOTHING: "nothing new",
    Outcome.DONE: "done",
    Outcome.POSTPONED: "postponed: a lock is held, by another run or on the server",
    Outcome.FAILED: "failed",
}


SHOWN_FROM = 256 * 1024  # bytes; a bar for less is a flicker, and thousands of them take their time


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
        self._progress.stop()


#: Not `ini_option`: with --host no ini file is needed, so there may be none.
targets_option = click.option(
    "-c",
    "--config",
    "ini",
    envvar="LIBRARIAN_INI",
    default="development.ini",
    show_default=True,
    type=click.Path(dir_okay=False),
    help="The ini file that describes the targets.",
)


def exchange_options(command: Any) -> Any:
    """What export and import are told, besides the names of targets."""
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
    """Run once, or again and again until somebody stops it."""
    chosen = _targets(kind, targets, ini, single)
    with ExitStack() as stack:
        if log_file is not None:
            stack.enter_context(logging_to(log_file))
        stack.enter_context(politely_stopped())
        left = _run_all(kind, chosen, quiet=quiet, as_json=as_json)
        while watch is not None:
            time.sleep(watch)
            left = _run_all(kind, chosen, quiet=quiet, as_json=as_json)
    sys.exit(int(left))


def _run_all(kind: Kind, targets: dict[str, Target], *, quiet: bool, as_json: bool) -> bool:
    """One run for each; whether anything is left to do."""
    left = False
    for name, target in targets.items():
        if kind == "import":
            FileStore(target.store_dir).prepare()
        bar = Bar()
        try:
            report = run(kind, target, progress=bar)
        finally:
            bar.close()
        left = left or bool(report.exit_status)
        if as_json:
            click.echo(json.dumps(_described(name, report)))
        elif report.exit_status or not quiet:
            click.echo(_told(name, report))
    return left


def _described(name: str, report: Report) -> dict[str, Any]:
    error = None if report.error is None else f"{type(report.error).__name__}: {report.error}"
    return {"target": name, **asdict(report), "error": error, "exit_status": report.exit_status}


def _told(name: str, report: Report) -> str:
    words = [f"{name}: {WORDS[report.outcome]}"]
    if report.files:
        words.append(f"{len(report.files)} files went over")
    if report.refused:
        words.append(f"{len(report.refused)} cannot: {', '.join(map(repr, report.refused))}")
    if report.error is not None:
        words.append(str(report.error))
    return "; ".join(words)


def _targets(kind: Kind, names: Iterable[str], ini: str, single: dict[str, Any]) -> dict[str, Target]:
    names = list(names)
    if single["host"] is not None:
        if names:
            raise click.UsageError("name targets of the ini file or give --host, not both")
        return {single["host"]: _single(**single)}
    known = read_targets(Path(ini), kind)
    for name in names:
        if name not in known:
            raise click.UsageError(f"{ini} has no section [{kind}:{name}]")
    if not known:
        raise click.UsageError(f"{ini} has no section [{kind}:...], and there is no --host")
    return {name: known[name] for name in names or known}


def _single(store_dir: Path | None, password_file: Path | None, **facts: Any) -> Target:
    if store_dir is None:
        raise click.UsageError("--host needs --store-dir")
    # Never an option: everybody on the machine can read the command lines of the others.
    password = os.environ.get(PASSWORD_VARIABLE, "")
    if password_file is not None:
        password = read_password(password_file)
    return Target(store_dir=store_dir, password=password, **facts)


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


@click.command()
@click.argument("targets", nargs=-1)
@targets_option
@click.option("--import", "imports", is_flag=True, help="What was fetched, not what was sent.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def deliveries(targets: tuple[str, ...], ini: str, imports: bool, as_json: bool) -> None:
    """Print what has arrived at TARGETS: when, how many bytes, which SHA-256, which name."""
    kind: Kind = "import" if imports else "export"
    chosen = _targets(kind, targets, ini, {"host": None})
    for name, target in chosen.items():
        for entry in read_deliveries(ledger_path(kind, target)):
            if as_json:
                facts = {"target": name, "at": entry.at, "size": entry.size}
                click.echo(json.dumps({**facts, "sha256": entry.sha256, "name": entry.name}))
            else:
                click.echo(f"{entry.at} {name} {entry.size} {entry.sha256} {entry.name}")


@click.command()
@click.argument("target")
@click.argument("alias_ids", nargs=-1, type=int, metavar="[ID]...")
@ini_option
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of this machine instead; may be given again.",
)
@click.option(
    "--folder", "folders", multiple=True, help="The files of a folder of the tree; may be given again."
)
@click.option("--replace", is_flag=True, help="Replace what waits under the same name.")
def feed(
    target: str,
    alias_ids: tuple[int, ...],
    ini: str,
    files: tuple[Path, ...],
    folders: tuple[str, ...],
    replace: bool,
) -> None:
    """Put files of the library, by their ids, into the spool of TARGET: all, or none.

    The spool is made if it is missing.  Folders in a folder are left out: a spool has none.
    """
    if not (alias_ids or files or folders):
        raise click.UsageError("name files by ID, with --file or with --folder")
    store = FileStore(_targets("export", [target], ini, {"host": None})[target].store_dir)
    store.prepare()
    with ExitStack() as stack:
        names = [_spool_file(store, path, replace=replace) for path in files]
        if alias_ids or folders:
            library = stack.enter_context(opened_site(ini))
            named: list[tuple[str | None, ILibraryFileAlias]]
            named = [(None, library[alias_id]) for alias_id in alias_ids]
            named += [pair for path in folders for pair in _files_in(path)]
            names += [spool_alias(store, alias, name=name, replace=replace) for name, alias in named]
        transaction.commit()
    for name in names:
        click.echo(name)


def _files_in(path: str) -> Iterator[tuple[str, ILibraryFileAlias]]:
    for entry in getUtility(INamedTree).folder(path).listing():
        if INamedEntry.providedBy(entry):
            yield entry.name, entry.alias()


def _spool_file(store: FileStore, path: Path, *, replace: bool) -> str:
    writer = store.writer(path.name, replace=replace).join(transaction.manager)
    with writer, path.open("rb") as file:
        shutil.copyfileobj(file, writer)
    return path.name

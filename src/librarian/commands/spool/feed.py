"""``librarian feed`` and ``deliveries``: what goes into a spool, and what has come out of it."""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import transaction
from zope.component import getUtility

from librarian.clock import SystemClock
from librarian.commands.common.site import ini_option, opened_site
from librarian.commands.spool.targets import chosen_targets, targets_option
from librarian.library.interfaces import ILibraryFileAlias
from librarian.naming.interfaces import INamedEntry, INamedTree
from librarian.spool import FileStore, Target
from librarian.spool.feed import spool_alias
from librarian.spool.interfaces import Kind
from librarian.spool.model.ledger import deliveries as read_deliveries
from librarian.spool.model.ledger import ledger_path
from librarian.spool.model.names import readable
from librarian.spool.model.state import read_state


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
    store = FileStore(chosen_targets("export", [target], ini)[target].store_dir, SystemClock())
    store.prepare()
    with ExitStack() as stack:
        names = [_spool_file(store, path, replace=replace) for path in files]
        if alias_ids or folders:
            library = stack.enter_context(opened_site(ini))
            named = list(_named_aliases(library, alias_ids, folders))
            names += [spool_alias(store, alias, name=name, replace=replace) for name, alias in named]
        transaction.commit()
    for name in names:
        click.echo(name)


def _named_aliases(
    library: Any, alias_ids: tuple[int, ...], folders: tuple[str, ...]
) -> Iterator[tuple[str | None, ILibraryFileAlias]]:
    """Aliases by their ids, without a name of their own in the spool, and those in folders by name."""
    for alias_id in alias_ids:
        yield None, library[alias_id]
    for path in folders:
        yield from _files_in(path)


def _files_in(path: str) -> Iterator[tuple[str, ILibraryFileAlias]]:
    for entry in getUtility(INamedTree).folder(path).listing():
        if INamedEntry.providedBy(entry):
            yield entry.name, entry.alias()


def _spool_file(store: FileStore, path: Path, *, replace: bool) -> str:
    writer = store.writer(path.name, replace=replace).join(transaction.manager)
    with writer, path.open("rb") as file:
        shutil.copyfileobj(file, writer)
    return path.name


@click.command()
@click.argument("targets", nargs=-1)
@targets_option
@click.option("--import", "imports", is_flag=True, help="What was fetched, not what was sent.")
@click.option("--stuck", "only_stuck", is_flag=True, help="What does not go over instead, and why.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def deliveries(targets: tuple[str, ...], ini: str, imports: bool, only_stuck: bool, as_json: bool) -> None:
    """Print what has arrived at TARGETS: when, how many bytes, which SHA-256, which name.

    With --stuck: since when it is known (- if it was not sent), which name, and why.  Exit status 1 means
    that the spool or the ledger of a target cannot be read.
    """
    kind: Kind = "import" if imports else "export"
    chosen = chosen_targets(kind, targets, ini)
    if only_stuck:
        read = [_print_stuck(kind, name, target, as_json) for name, target in chosen.items()]
        sys.exit(0 if all(read) else 1)
    for name, target in chosen.items():
        for entry in read_deliveries(ledger_path(kind, target)):
            facts = {"at": entry.at, "size": entry.size, "sha256": entry.sha256, "name": entry.name}
            line = f"{entry.at} {name} {entry.size} {entry.sha256} {entry.name}"
            click.echo(json.dumps({"target": name, **facts}) if as_json else readable(line))


def _print_stuck(kind: Kind, name: str, target: Target, as_json: bool) -> bool:
    """Print what the page of this spool shows as stuck; whether it could be read."""
    state = read_state(kind, target, most=None)
    for file in state.stuck:
        facts = {"at": file.since, "name": readable(file.name), "reason": readable(file.reason)}
        line = readable(f"{file.since or '-'} {name} {file.name}: {file.reason}")
        click.echo(json.dumps({"target": name, **facts}) if as_json else line.replace("\n", "\\n"))
    if state.trouble is not None:
        click.echo(f"{name}: {readable(state.trouble)}", err=True)
    if state.unreadable:
        click.echo(f"{name}: lines of the ledger that cannot be read: {state.unreadable}", err=True)
    return state.trouble is None

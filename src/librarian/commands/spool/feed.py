"""``librarian feed`` and ``deliveries``: what goes into a spool, and what has come out of it."""

import json
import shutil
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
from librarian.spool import FileStore
from librarian.spool.feed import spool_alias
from librarian.spool.interfaces import Kind
from librarian.spool.model.ledger import Entry, ledger_path, stuck
from librarian.spool.model.ledger import deliveries as read_deliveries


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
@click.option("--stuck", "only_stuck", is_flag=True, help="What was refused instead, and why.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def deliveries(targets: tuple[str, ...], ini: str, imports: bool, only_stuck: bool, as_json: bool) -> None:
    """Print what has arrived at TARGETS: when, how many bytes, which SHA-256, which name."""
    kind: Kind = "import" if imports else "export"
    chosen = chosen_targets(kind, targets, ini)
    for name, target in chosen.items():
        read = stuck if only_stuck else read_deliveries
        for entry in read(ledger_path(kind, target)):
            click.echo(json.dumps(_facts(name, entry)) if as_json else _line(name, entry))


def _facts(target: str, entry: Entry) -> dict[str, Any]:
    facts = {"target": target, "at": entry.at, "size": entry.size, "sha256": entry.sha256, "name": entry.name}
    return facts if entry.reason is None else {**facts, "reason": entry.reason}


def _line(target: str, entry: Entry) -> str:
    if entry.reason is not None:
        return f"{entry.at} {target} {entry.name}: {entry.reason}"
    return f"{entry.at} {target} {entry.size} {entry.sha256} {entry.name}"

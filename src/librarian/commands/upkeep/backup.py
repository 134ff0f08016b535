"""``librarian backup``, ``restore`` and ``pack``: keep the tree and the bytes, and bring them back."""

import json
import logging
import sys
import time
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from zope.component import getUtility

from librarian.clock import Pace, SystemClock
from librarian.commands.common.effects import refuse_idle
from librarian.commands.common.quantities import Size
from librarian.commands.common.site import ini_option, opened_site
from librarian.interfaces import ISettings
from librarian.library.backup.left_bytes import LeftBytes, left_at
from librarian.library.backup.manifests import Manifest
from librarian.library.backup.restoring import Restore
from librarian.library.backup.writing import Backup
from librarian.library.operations import Library
from librarian.library.settings import SweepSettings
from librarian.library.upkeep.interfaces import UpkeepBusy
from librarian.library.upkeep.outcomes import recorded
from librarian.store.moving.settings import MovingSettings
from librarian.store.settings import StoreSettings
from librarian.tree.interfaces import ITree

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 3600
PAUSE_SECONDS = 5

json_option = click.option("--json", "as_json", is_flag=True, help="Print a report as JSON, for scripts.")
folder_argument = click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))


@click.command()
@folder_argument
@click.option(
    "--verify", is_flag=True, help="Read again what DIR holds already, and replace what is damaged."
)
@click.option("--rate", type=Size(), help="Read no more than this a second, such as 50MB.")
@click.option(
    "--leave-bytes",
    is_flag=True,
    help="Copy the tree only; the bytes stay in their object store for librarian.sweep_after.",
)
@json_option
@ini_option
def backup(folder: Path, verify: bool, rate: int | None, leave_bytes: bool, as_json: bool, ini: str) -> None:
    """Back up the library, while it runs, into the folder DIR.

    Only what DIR has not yet is copied.  Exit status 1 if the library itself had no sound bytes of
    some content; everything else is then backed up all the same.
    """
    if leave_bytes:
        refuse_idle("with --leave-bytes, which reads none", "verify", "rate")
    console = Console(stderr=True)
    with opened_site(ini), console.status("copying the tree") as status:
        if not sys.stderr.isatty():
            status.stop()

        def progress(done: int) -> None:
            status.update(f"contents: {done}")

        with recorded("backup") as ending:
            manifest = _patiently(
                Backup(
                    *(Library(), folder),
                    verify=verify,
                    progress=progress,
                    pace=Pace(rate).spend,
                    left=_left() if leave_bytes else None,
                )
            )
            damaged = f", {len(manifest.damaged)} damaged" if manifest.damaged else ""
            ending.say(_summary(manifest) + damaged, is_well=not manifest.damaged)
    for sha256 in [] if as_json else manifest.damaged:
        click.echo(f"damaged {sha256}")
    if as_json:
        click.echo(json.dumps(asdict(manifest)))
    else:
        click.echo(_summary(manifest))
    sys.exit(1 if manifest.damaged else 0)


def _left() -> LeftBytes:
    settings = getUtility(ISettings)
    before = settings.section(MovingSettings).byte_store_before
    return left_at(settings.section(StoreSettings).byte_store, before, settings.section(SweepSettings))


def _summary(manifest: Manifest) -> str:
    if manifest.bytes_at:
        return (
            f"{manifest.contents} contents, {manifest.bytes} bytes left in {manifest.bytes_at};"
            f" tree {manifest.tree_size} bytes; good until {manifest.good_until}"
        )
    return (
        f"{manifest.contents} contents, {manifest.bytes} bytes;"
        f" {manifest.copied} contents new; tree {manifest.tree_size} bytes"
    )


def _patiently(work: Backup) -> Manifest:
    """A sweep takes minutes; to fail at night because of one would leave the day without a backup."""
    for _turn in range(PATIENCE_SECONDS // PAUSE_SECONDS):
        try:
            return work.run()
        except UpkeepBusy as busy:
            log.warning("backup waits reason=%s", busy)
            time.sleep(PAUSE_SECONDS)
    return work.run()


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--to",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="An empty folder: gets tree/Data.fs and bytes/.",
)
@click.option("--database-uri", default="", help="An empty database that the tree goes into as well.")
@click.option("--backup", "name", default="", help="An older backup, by its name in DIR/manifests.")
@click.option(
    "--bytes-at",
    default="",
    metavar="PLACE",
    help="Where the bytes are now that the backup left in their object store: s3://...",
)
@json_option
def restore(folder: Path, to: Path, database_uri: str, name: str, bytes_at: str, as_json: bool) -> None:
    """Bring back what DIR holds, verified, into an empty place.

    Bytes that were left in their object store stay there: each is looked for, by its size, and those that are
    missing are named.  Every server of the former tree must have been stopped for good.

    Exit status 1 if some content of the backup is damaged; everything else is then brought back.
    """
    console = Console(stderr=True)
    with console.status("restoring") as status:
        if not sys.stderr.isatty():
            status.stop()
        work = Restore(folder, name, lambda done: status.update(f"contents: {done}"), bytes_at=bytes_at)
        if bytes_at and not work.place:
            raise click.UsageError("--bytes-at is of a backup that left its bytes; this one has them")
        restored = work.run(to, SystemClock(), database_uri)
    for sha256 in [] if as_json else restored.damaged:
        click.echo(f"damaged {sha256}")
    if as_json:
        click.echo(json.dumps({"made": work.manifest.made, **asdict(restored)}))
    else:
        where = f" in {work.place}" if work.place else ""
        click.echo(f"{restored.contents} contents, {restored.bytes} bytes{where}, as of {work.manifest.made}")
    sys.exit(1 if restored.damaged else 0)


@click.command()
@click.option(
    "--days", type=click.FloatRange(0), default=7, show_default=True, help="Keep this much history."
)
@ini_option
def pack(days: float, ini: str) -> None:
    """Forget the tree's history, and objects that nothing refers to any more."""
    with opened_site(ini):
        tree = getUtility(ITree)
        with recorded("pack") as ending, tree.in_need():
            tree.pack(days)
            ending.say(result := f"packed, keeping {days:g} days of history")
    click.echo(result)

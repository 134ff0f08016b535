"""``librarian move-bytes``: from one byte store to another."""

import json
import sys
from dataclasses import asdict

import click
from rich.console import Console
from zope.component import getUtility

from librarian.clock import Pace
from librarian.commands.common.quantities import Size
from librarian.commands.common.site import ini_option, opened_site
from librarian.interfaces import ISettings
from librarian.library.installation import installation_of
from librarian.store.interfaces import IByteStore
from librarian.store.moving.both import BothStores
from librarian.store.moving.copying import Copying, Moved
from librarian.store.moving.settings import MovingSettings
from librarian.store.service import store_at
from librarian.store.settings import StoreSettings
from librarian.tree.interfaces import ITree


@click.command("move-bytes")
@click.option(
    "--to",
    "target",
    metavar="PLACE",
    help="As librarian.byte_store has it.  Not needed once librarian.byte_store_before is set.",
)
@click.option("--rate", type=Size(), help="Read no more than this a second, such as 50MB.")
@click.option("--verify", is_flag=True, help="Read all bytes back from the new place, earlier ones too.")
@click.option("--json", "as_json", is_flag=True, help="Print a report as JSON, for scripts.")
@ini_option
def move_bytes(target: str | None, rate: int | None, verify: bool, as_json: bool, ini: str) -> None:
    """Copy all stored bytes to another place, while servers run.

    First with --to.  Then start each server with librarian.byte_store as the new place and
    librarian.byte_store_before as the old one: what is stored from then on goes to the new place, and what is
    not there yet is read from the old.  Then without --to, for what was stored between the two.

    A run that is interrupted goes on where it stopped.  Nothing is removed from the old place.  Exit status 1
    if bytes are damaged there and could not be copied.
    """
    with opened_site(ini), Console(stderr=True).status("moving") as status:
        if not sys.stderr.isatty():
            status.stop()
        source, new = _stores(target)
        copying = Copying(
            source,
            new,
            spend=Pace(rate).spend,
            verify=verify,
            told=lambda moved: status.update(f"copied: {moved.copied}, there already: {moved.held}"),
        )
        copying.join(_installation())
        moved = copying.run()
        click.echo(json.dumps(asdict(moved)) if as_json else _told(moved, target))
    sys.exit(0 if moved.is_whole else 1)


def _stores(target: str | None) -> tuple[IByteStore, IByteStore]:
    """The one to copy from, and the one to copy to.  Raises UsageError."""
    store = getUtility(IByteStore)
    if target is None:
        if not isinstance(store, BothStores):
            raise click.UsageError("--to is needed, as librarian.byte_store_before is not set")
        return store.old, store.new
    if target.strip() == str(_place()):
        raise click.UsageError(f"--to is the place where the bytes are: {target}")
    return store, store_at(target)


def _place() -> str:
    return str(getUtility(ISettings).section(StoreSettings).byte_store)


def _installation() -> str:
    found = installation_of(getUtility(ITree))
    assert found is not None, "opened_site() has seen to it"
    return found


def _told(moved: Moved, target: str | None) -> str:
    """What was done, and what is next."""
    lines = [f"copied {moved.copied} contents, {moved.copied_bytes} bytes; {moved.held} were there already"]
    if moved.verified:
        lines.append(f"read back {moved.verified} contents")
    if moved.damaged:
        lines.append(f"not copied, as they are damaged: {moved.damaged} contents; librarian scrub names them")
    if moved.quarantined:
        lines.append(f"in quarantine, so not copied: {moved.quarantined} contents")
    if target is not None:
        lines += [
            "Now change the ini file of every server, and start it anew:",
            f"    librarian.byte_store = {target}",
            f"    librarian.byte_store_before = {_place()}",
            "Then run librarian move-bytes without --to, for what was stored meanwhile.",
        ]
    elif moved.is_whole:
        before = getUtility(ISettings).section(MovingSettings).byte_store_before
        lines.append(f"All bytes are in {_place()}: librarian.byte_store_before = {before} may be removed.")
    return "\n".join(lines)

"""``librarian move-tree``: from one database engine to another."""

import json
import sys

import click
from rich.console import Console

from librarian.app import read_ini
from librarian.commands.common.site import ini_option
from librarian.settings import Settings
from librarian.tree.moving.move import Moved, move_tree
from librarian.tree.opening import masked
from librarian.tree.settings import TreeSettings

EVERY = 1000  # objects between two steps of the progress that is shown


@click.command("move-tree")
@click.option(
    "--to",
    "target",
    metavar="URI",
    required=True,
    help="An empty database: postgres://..., zeo://..., or the file:// of a file that is not there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a report as JSON, for scripts.")
@ini_option
def move_tree_command(target: str, as_json: bool, ini: str) -> None:
    """Move the tree to another database engine, while no server runs.

    The tree that the ini file names is copied, and every object compared.  The old one is only read: after a
    failure start the servers again as they were.  Afterwards change librarian.database_uri, as it says.
    """
    source = Settings(database_settings(ini)).section(TreeSettings).database_uri
    console = Console(stderr=True)
    with console.status("moving") as status:
        if not sys.stderr.isatty():
            status.stop()
        moved = move_tree(source, target, Counter(status).count)
    report(moved, source, target, as_json)


def database_settings(ini: str) -> dict[str, str]:
    """The settings of an ini file that are about the tree."""
    return {name: value for name, value in read_ini(ini).items() if name == "librarian.database_uri"}


class Counter:
    """Shows how many objects, or transactions, have been copied."""

    def __init__(self, status: object) -> None:
        self._status = status
        self._number = 0

    def count(self) -> None:
        """One more."""
        self._number += 1
        if self._number % EVERY == 0:
            self._status.update(f"copied: {self._number}")  # type: ignore[attr-defined]


def report(moved: Moved, source: str, target: str, as_json: bool) -> None:
    """Print what was moved, and what to do next."""
    if as_json:
        click.echo(json.dumps(moved._asdict()))
        return
    click.echo(f"moved {moved.records} objects, {moved.bytes} bytes, the same in both; sha256 {moved.sha256}")
    click.echo("Now change the ini file of every server, then start them:")
    click.echo(f"    librarian.database_uri = {masked(target, target)}")
    click.echo(f"Once they run, the old tree may go: {masked(source, source)}")

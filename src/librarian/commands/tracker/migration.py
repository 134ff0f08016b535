"""``librarian tracker migrate``."""

import json
import sys
from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from librarian.commands.tracker.options import ClientMaker, json_option
from librarian.tracker.client import RemoteDataStore
from librarian.tracker.client.migration.migrate import JOBS, Tally
from librarian.tracker.client.migration.migrate import migrate as copy_all
from librarian.tracker.client.migration.mover import Outcome
from librarian.tracker.client.migration.sources import DirectorySource, ServerSource, Source
from librarian.tracker.client.versioned_names import printable


@click.command()
@click.argument("source")
@click.option("--verify", is_flag=True, help="Compare what is there already by digest, and both listings.")
@click.option("--one-way", is_flag=True, help="With --verify: names that only the target has do not matter.")
@click.option("--below", metavar="DIRECTORY", default="/", help="Only the files in this directory.")
@click.option("-j", "--jobs", type=click.IntRange(1, 64), default=JOBS, show_default=True)
@json_option
@click.pass_obj
def migrate(
    make: ClientMaker, source: str, verify: bool, one_way: bool, below: str, jobs: int, as_json: bool
) -> None:
    """Copy all files of SOURCE, a directory of filetracker 1.x or the URL of a server, to --remote-url.

    A file that is there in the same version or a greater one is not copied, so an interrupted run is simply
    repeated.  Exit status 1 if a name of SOURCE could not be copied, or if --verify has found names that
    only the target has.
    """
    target = make().remote_store
    if not isinstance(target, RemoteDataStore):
        raise click.UsageError("--remote-url must name the server to copy to")
    if one_way and not verify:
        raise click.UsageError("--one-way has an effect only with --verify")
    with ProgressBar() as bar:
        tally = copy_all(
            _source(source), target, bar.count, expect=bar.expect, verify=verify, below=below, jobs=jobs
        )
    _print(tally, as_json)
    if tally.failures or (tally.only_there and not one_way):
        sys.exit(1)


def _source(source: str) -> Source:
    if source.startswith(("http://", "https://")):
        return ServerSource(RemoteDataStore(source))
    return DirectorySource(source)


def _print(tally: Tally, as_json: bool) -> None:
    """The counts on standard output; on standard error the names that failed or are only in the target."""
    counts = {outcome.value: tally.counts[outcome] for outcome in Outcome}
    counts["only in the target"] = len(tally.only_there)
    if as_json:
        names = {"failures": tally.failures, "only_there": tally.only_there}
        click.echo(json.dumps({**counts, "bytes": tally.bytes_copied, **names}))
    else:
        stated = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        click.echo(f"{stated or 'nothing there'} ({tally.bytes_copied} bytes)")
    for name, reason in tally.failures:
        click.echo(f"{printable(name)}: {printable(reason)}", err=True)
    for name in tally.only_there:
        click.echo(f"{printable(name)}: only in the target", err=True)


class ProgressBar:
    """A bar of the names copied on a terminal; elsewhere nothing is printed."""

    def __enter__(self) -> Self:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        self._task = self._bar.add_task("migrating", total=None)
        self._bar.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._bar.stop()

    def expect(self, count: int) -> None:
        """Set the number of names."""
        self._bar.update(self._task, total=count)

    def count(self, name: str, outcome: Outcome) -> None:
        """Advance by one name."""
        self._bar.update(self._task, advance=1, description=name[-40:])

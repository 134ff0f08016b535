"""``librarian count-downloads``: from access logs to the download counts."""

import dataclasses
import json
import sys
from pathlib import Path

import click

from librarian.commands.common.site import ini_option, opened_site
from librarian.library.counts.service import Counted, DownloadCounter
from librarian.library.interfaces import UnreadableLog
from librarian.library.operations import Library


@click.command("count-downloads")
@click.argument("logs", metavar="LOG...", nargs=-1, required=True, type=click.Path(path_type=Path))
@ini_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a line for each log.")
def count_downloads(logs: tuple[Path, ...], ini: str, as_json: bool) -> None:
    """Count downloads from each LOG, by day and country.

    Reads the Combined Log Format of this server, nginx and Apache, plain or compressed by gzip,
    and this server's JSON lines.  What was counted before is not counted again, also where the log
    was rotated or compressed meanwhile, so this can be run as often as one likes.

    A GET answered with 200 counts; slices (206) count once for each time they make a whole.
    """
    failed = False
    with opened_site(ini):
        counter = DownloadCounter(Library())
        for path in logs:
            try:
                _print(counter.count(path), as_json)
            except UnreadableLog as error:
                failed = True
                click.echo(f"Error: {error}", err=True)
        counter.forget_slices()
    if failed:
        sys.exit(1)


def _print(counted: Counted, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(counted)))
        return
    more = "".join(
        f", {number} {what}"
        for number, what in (
            (counted.unknown, "of files not here"),
            (counted.malformed, "lines not understood"),
        )
        if number
    )
    click.echo(f"{counted.path}: {counted.lines} new lines, {counted.downloads} downloads{more}")

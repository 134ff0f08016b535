"""``librarian report``: what the library is filled with."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

import click
from rich.console import Console
from rich.filesize import decimal

from librarian.commands.common.site import ini_option, opened_site
from librarian.library.operations import Library
from librarian.library.upkeep.usage import LibraryReport, Sum
from librarian.library.upkeep.usage import report as make_report


@click.command()
@click.option(
    "--top", type=click.IntRange(0), default=10, show_default=True, help="So many of the most downloaded."
)
@click.option("--json", "as_json", is_flag=True, help="Print a report as JSON, for scripts.")
@ini_option
def report(top: int, as_json: bool, ini: str) -> None:
    """Say what the library is filled with: by type, owner and age; what sharing saves; top downloads."""
    console = Console(stderr=True)
    with opened_site(ini), console.status("reading") as status:
        if not sys.stderr.isatty():
            status.stop()
        found = make_report(Library(), top, lambda seen: status.update(f"reading: {seen}"))
    for line in [json.dumps({**asdict(found), "saved": found.saved})] if as_json else report_lines(found):
        click.echo(line)


def report_lines(found: LibraryReport) -> Iterator[str]:
    """The report for people."""
    yield f"{found.files.files} files, {decimal(found.files.bytes)}; {found.deleted} deleted"
    stored, saved = decimal(found.stored.bytes), decimal(found.saved)
    yield f"{found.stored.files} contents, {stored}; sharing saves {saved}"
    if found.partial.files:
        yield f"uploads under way: {found.partial.files}, {decimal(found.partial.bytes)} have come"
    for title, sums in (("type", found.by_mimetype), ("owner", found.by_owner)):
        yield from _table(title, sorted(sums.items(), key=lambda item: (-item[1].bytes, item[0])))
    yield from _table("up to this old", list(found.by_age.items()))
    if found.top_downloads:
        yield f"\n{'downloads':>10}  file"
    for entry in found.top_downloads:
        yield f"{entry['downloads']:>10}  {entry['id']} {entry['filename']}"


def _table(title: str, rows: list[tuple[str, Sum]]) -> Iterator[str]:
    yield f"\n{'files':>10} {'size':>12}  {title}"
    for name, sums in rows:
        yield f"{sums.files:>10} {decimal(sums.bytes):>12}  {name}"

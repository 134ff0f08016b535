"""``librarian tracker cache-clean``."""

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import click

from librarian.commands.common.effects import refuse_idle, refuse_idle_before
from librarian.commands.common.quantities import Size
from librarian.commands.tracker.options import json_option
from librarian.tracker.client import CacheCleaner, Cleaning, Client, LocalDataStore
from librarian.tracker.client.cleaner import KEEP_PERCENT


@click.command("cache-clean")
@click.argument("directories", nargs=-1)
@click.option(
    "-s",
    "--limit",
    type=Size(binary=True, least=0),
    required=True,
    help="The size of a cache, as in 20G or 1G512M.",
)
@click.option(
    "-p", "--keep-percent", type=click.FloatRange(0, 100), default=KEEP_PERCENT, show_default=True,
    help="How much of the limit is kept when it was exceeded.",
)  # fmt: skip
@click.option(
    "-i",
    "--every",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Repeat at this interval.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Only count what would be removed.")
@click.option("--adopt", is_flag=True, help="Declare that all files in DIRECTORIES are copies.")
@json_option
@click.pass_context
def cache_clean(
    ctx: click.Context,
    directories: tuple[str, ...],
    limit: int,
    keep_percent: float,
    every: float | None,
    dry_run: bool,
    adopt: bool,
    as_json: bool,
) -> None:
    """Remove the files unused for longest from the caches DIRECTORIES; patterns are allowed.

    A directory that an older filetracker made does not tell whether it is a cache or has the only copies of
    its files; --adopt declares it a cache, once.
    """
    _refuse_contradictions(directories, every, dry_run, adopt)
    group = ctx.parent.params if ctx.parent is not None else {}
    patterns = directories or (group.get("cache_dir") or Client.DEFAULT_CACHE_DIR,)
    if adopt:
        for directory in patterns:
            LocalDataStore(str(Path(directory).expanduser()), is_cache=True).tag_as_cache()
    cleaner = CacheCleaner(limit, patterns, every or 0.0, keep_percent, group.get("locks_dir"))
    if every:
        cleaner.run(threading.Event())
    results = cleaner.clean(dry_run=dry_run)
    if as_json:
        click.echo(json.dumps({path: asdict(result) for path, result in results.items()}))
    else:
        _print(results, "to be removed" if dry_run else "removed")


def _refuse_contradictions(
    directories: tuple[str, ...], every: float | None, dry_run: bool, adopt: bool
) -> None:
    if directories:
        refuse_idle_before("with DIRECTORIES", "cache_dir")
    refuse_idle_before("with cache-clean", "remote_url", "ini")
    if every is not None:
        refuse_idle("with --every, which runs until it is stopped", "as_json")
        if dry_run:
            raise click.UsageError("--dry-run cannot be used with --every, which removes files")
    if dry_run and adopt:
        raise click.UsageError("--dry-run changes nothing, so --adopt would have no effect")


def _print(results: Mapping[str, Cleaning], removed: str) -> None:
    for path, result in results.items():
        click.echo(
            f"{path}: {result.bytes_found} bytes, {result.files_removed} files {removed},"
            f" {result.bytes_kept} bytes stay"
        )

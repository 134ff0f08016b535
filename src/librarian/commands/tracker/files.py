"""``librarian tracker``, which is also the executable ``filetracker``: files shared by name and version.

Only what works inside an installation imports the server; the rest runs where just the client is.
"""

import json
import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from librarian.commands.common.effects import refuse_idle, refuse_idle_before
from librarian.commands.common.quantities import Size
from librarian.tracker.client import CacheCleaner, Client, LocalDataStore, ProtocolMismatch, RemoteDataStore
from librarian.tracker.client.cleaner import KEEP_PERCENT
from librarian.tracker.client.file_names import printable
from librarian.tracker.client.interfaces import FiletrackerError
from librarian.tracker.client.migration.migrate import JOBS, Tally, migrate
from librarian.tracker.client.migration.mover import Outcome
from librarian.tracker.client.migration.sources import DirectorySource, ServerSource, Source

BUFFER = 256 * 1024  # bytes


class TrackerGroup(click.Group):
    """Refusals of the client are one line and status 1, not tracebacks."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (FiletrackerError, OSError) as error:
            raise click.ClickException(str(error)) from error


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


@click.group(cls=TrackerGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-r", "--remote-url", envvar="FILETRACKER_URL", help="The server; without one: this machine.")
@click.option("-c", "--cache-dir", envvar="FILETRACKER_DIR", help="The cache.  [~/.filetracker-store]")
@click.option("-l", "--locks-dir", envvar="FILETRACKER_LOCKS_DIR", help="Where the locks are.")
@click.option("-v", "--verbose", count=True, help="Say more on standard error.")
@click.pass_context
def tracker(
    ctx: click.Context, remote_url: str | None, cache_dir: str | None, locks_dir: str | None, verbose: int
) -> None:
    """Files shared by name and version, cached on this machine.

    Options are also taken from the environment: FILETRACKER_URL, FILETRACKER_DIR,
    FILETRACKER_LOCKS_DIR, FILETRACKER_TOKEN, FILETRACKER_CACHE_LIMIT.
    """
    if verbose:
        logging.getLogger("librarian").setLevel(logging.DEBUG)
        logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)

    def make() -> Client:
        return Client(remote_url=remote_url, cache_dir=cache_dir, locks_dir=locks_dir)

    ctx.obj = make


def main() -> None:
    """The console script ``filetracker``."""
    tracker(prog_name="filetracker")


Maker = Callable[[], Client]  # commands that need no client make none, and so no cache directory


def get_options(command: Any) -> Any:
    command = click.option("-f", "--refresh", is_flag=True, help="Do not read from the cache.")(command)
    return click.option("-c", "--no-cache", is_flag=True, help="Do not add to the cache.")(command)


@tracker.command()
@click.argument("name")
@click.argument("filename", type=click.Path(dir_okay=False))
@get_options
@click.pass_obj
def get(make: Maker, name: str, filename: str, no_cache: bool, refresh: bool) -> None:
    """Write the file NAME to FILENAME; NAME@VERSION for a certain version."""
    make().get_file(name, filename, add_to_cache=not no_cache, force_refresh=refresh)


@tracker.command()
@click.argument("name")
@get_options
@click.pass_obj
def cat(make: Maker, name: str, no_cache: bool, refresh: bool) -> None:
    """Write the file NAME to standard output."""
    client = make()
    through_cache = client.remote_store is not None and not no_cache
    stream, _found = client.get_stream(name, force_refresh=refresh, serve_from_cache=through_cache)
    with stream:
        while block := stream.read(BUFFER):
            sys.stdout.buffer.write(block)


@tracker.command()
@click.argument("filename", type=click.Path(exists=True, dir_okay=False))
@click.argument("name")
@click.option("--no-local-cache", is_flag=True, help="Do not add to the cache.")
@click.option("--no-remote-cache", is_flag=True, help="Do not send to the server.")
@click.pass_obj
def put(make: Maker, filename: str, name: str, no_local_cache: bool, no_remote_cache: bool) -> None:
    """Store FILENAME under NAME, or NAME@VERSION; print the name with its version."""
    if no_local_cache and no_remote_cache:
        raise click.UsageError("--no-local-cache and --no-remote-cache together leave nothing to do")
    click.echo(make().put_file(name, filename, not no_local_cache, not no_remote_cache))


@tracker.command()
@click.argument("name")
@click.pass_obj
def rm(make: Maker, name: str) -> None:
    """Delete NAME here and on the server; NAME@VERSION only if that is the newest."""
    make().delete_file(name)


@tracker.command()
@click.argument("name")
@click.pass_obj
def version(make: Maker, name: str) -> None:
    """Print the newest version of NAME: seconds since 1970."""
    click.echo(make().file_version(name))


@tracker.command()
@click.argument("directory", default="/")
@click.option("--not-after", type=int, metavar="SECONDS", help="Only versions that are not newer.")
@click.option("--local", is_flag=True, help="What is in the cache.")
@json_option
@click.pass_obj
def ls(make: Maker, directory: str, not_after: int | None, local: bool, as_json: bool) -> None:
    """Print the names below DIRECTORY."""
    if local:
        refuse_idle_before("with --local", "remote_url")
    client = make()
    prefix = f"/{directory.strip('/')}/".replace("//", "/")
    if local or client.remote_store is None:
        entries = [entry for entry in client.list_local_files() if entry.name.startswith(prefix)]
        names = [entry.name for entry in entries if not_after is None or entry.mtime <= not_after]
    else:
        names = [prefix + name for name in client.list_remote_files(not_after, directory)]
    lines = "\n".join(map(printable, names))
    click.echo(json.dumps(names) if as_json else lines, nl=as_json or bool(names))


@tracker.command()
@click.argument("name")
@json_option
@click.pass_obj
def history(make: Maker, name: str, as_json: bool) -> None:
    """Print the versions of NAME that the server keeps, newest first."""
    store = make().remote_store
    if not isinstance(store, RemoteDataStore):
        raise ProtocolMismatch("only a server keeps a history")
    versions = store.history(name)
    if as_json:
        click.echo(json.dumps(versions))
        return
    for one in versions:
        state = "present" if one["superseded"] is None else "deleted" if one["deleted"] else "replaced"
        click.echo(f"{one['version']:>12}  {one['size']:>12}  {state:<8}  {one['stored']}  {one['sha256']}")


@tracker.command("cache-clean")
@click.argument("directories", nargs=-1)
@click.option(
    "-s",
    "--limit",
    type=Size(binary=True, least=0),
    required=True,
    help="How much a cache may hold, as in 20G or 1G512M.",
)
@click.option(
    "-p", "--keep-percent", type=click.FloatRange(0, 100), default=KEEP_PERCENT, show_default=True,
    help="How much of the limit is kept when it was exceeded.",
)  # fmt: skip
@click.option(
    "-i", "--every", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="Do it again and again."
)
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be removed.")
@click.option("--adopt", is_flag=True, help="Declare that all there is in DIRECTORIES are copies.")
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
    """Remove what was unused for longest from the caches DIRECTORIES, patterns allowed.

    A directory that an older filetracker made does not say whether it is a cache or the only place
    where its files are; --adopt says so, once.
    """
    if directories:
        refuse_idle_before("with DIRECTORIES", "cache_dir")
    refuse_idle_before("with cache-clean", "remote_url")
    if every is not None:
        refuse_idle("with --every, which goes on until it is stopped", "as_json")
        if dry_run:
            raise click.UsageError("--dry-run with --every would remove, again and again")
    if dry_run and adopt:
        raise click.UsageError("--dry-run changes nothing, so --adopt would have no effect")
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
        fields = ("bytes_found", "bytes_kept", "files_removed", "files_busy")
        click.echo(json.dumps({path: {f: getattr(r, f) for f in fields} for path, r in results.items()}))
        return
    for path, result in results.items():
        removed = "to be removed" if dry_run else "removed"
        click.echo(
            f"{path}: {result.bytes_found} bytes, {result.files_removed} files {removed},"
            f" {result.bytes_kept} bytes stay"
        )


@tracker.command("migrate")
@click.argument("source")
@click.option("--verify", is_flag=True, help="Compare by digest what is there already, and both listings.")
@click.option("--one-way", is_flag=True, help="With --verify: what only the target has is no difference.")
@click.option("--below", metavar="DIRECTORY", default="/", help="Only what lies in there.")
@click.option("-j", "--jobs", type=click.IntRange(1, 64), default=JOBS, show_default=True)
@json_option
@click.pass_obj
def migrate_command(
    make: Maker, source: str, verify: bool, one_way: bool, below: str, jobs: int, as_json: bool
) -> None:
    """Copy all files of SOURCE, a directory of filetracker 1.x or the URL of a server, to --remote-url.

    What is there in the same version or a newer one is left alone, so an interrupted run is simply
    repeated.  Exit status 1 if any name of SOURCE could not be copied, or if --verify has found names
    that only the target has.
    """
    target = make().remote_store
    if not isinstance(target, RemoteDataStore):
        raise click.UsageError("--remote-url must name the server to copy to")
    if one_way and not verify:
        raise click.UsageError("--one-way says how to --verify")
    with Counter() as counter:
        tally = migrate(
            open_source(source),
            target,
            counter.count,
            expect=counter.expect,
            verify=verify,
            below=below,
            jobs=jobs,
        )
    tell(tally, as_json)
    if tally.failures or (tally.only_there and not one_way):
        sys.exit(1)


def tell(tally: Tally, as_json: bool) -> None:
    """The counts on standard output, and each name that needs a look on standard error."""
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


def open_source(source: str) -> Source:
    if source.startswith(("http://", "https://")):
        return ServerSource(RemoteDataStore(source))
    return DirectorySource(source)


class Counter:
    """A bar of names on a terminal, silence elsewhere."""

    def __enter__(self) -> "Counter":
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

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
        self._bar.update(self._task, total=count)

    def count(self, name: str, outcome: Outcome) -> None:
        self._bar.update(self._task, advance=1, description=name[-40:])


@tracker.command()
@click.argument("ini", default="development.ini", type=click.Path(exists=True, dir_okay=False))
@click.option("-L", "--listen", metavar="HOST:PORT", help="Where, if not where INI says.")
@click.option("--fallback-url", help="A tracker to which requests for missing files are sent.")
@click.option("--threads", type=click.IntRange(1, 256), help="Requests worked on at the same time.")
def serve(ini: str, listen: str | None, fallback_url: str | None, threads: int | None) -> None:
    """Serve the tracker of the installation INI, and no other endpoint."""
    refuse_idle_before("with serve", "remote_url", "cache_dir", "locks_dir")
    from librarian.commands.tracker.server import serve_tracker

    serve_tracker(ini, listen, fallback_url, threads)


@tracker.command()
@click.option(
    "-c", "--config", "ini", envvar="LIBRARIAN_INI", default="development.ini", show_default=True,
    type=click.Path(exists=True, dir_okay=False), help="The ini file of the installation.",
)  # fmt: skip
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be let go of.")
@json_option
def prune(ini: str, dry_run: bool, as_json: bool) -> None:
    """Let go of old versions beyond the rule of the settings, for the garbage collector to take."""
    refuse_idle_before("with prune", "remote_url", "cache_dir", "locks_dir")
    from librarian.commands.tracker.server import prune_versions

    pruned = prune_versions(ini, dry_run)
    if as_json:
        click.echo(json.dumps({"versions": pruned.versions, "bytes": pruned.bytes}))
    else:
        click.echo(f"{pruned.versions} versions, {pruned.bytes} bytes")

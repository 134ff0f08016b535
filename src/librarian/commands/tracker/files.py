"""``librarian tracker``, which is also the executable ``filetracker``: files shared by name and version."""

import logging
import sys
from typing import Any

import click

from librarian.commands.common.effects import is_said, refuse_idle
from librarian.commands.common.lazy import LazyGroup, place_in
from librarian.tracker.client import Client
from librarian.tracker.client.interfaces import FiletrackerError

#: Those of `server` need a whole installation; the others run where only the client is installed.
COMMANDS = {
    "cache-clean": "librarian.commands.tracker.cache_clean:cache_clean",
    "cat": "librarian.commands.tracker.transfer:cat",
    "get": "librarian.commands.tracker.transfer:get",
    "history": "librarian.commands.tracker.listing:history",
    "ls": "librarian.commands.tracker.listing:ls",
    "migrate": "librarian.commands.tracker.migration:migrate",
    "prune": "librarian.commands.tracker.server:prune",
    "put": "librarian.commands.tracker.transfer:put",
    "rm": "librarian.commands.tracker.transfer:rm",
    "serve": "librarian.commands.tracker.server:serve",
    "version": "librarian.commands.tracker.listing:version",
}


class TrackerGroup(LazyGroup):
    """The errors of the client are one line and exit status 1."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        try:
            return super().get_command(ctx, cmd_name)
        except ModuleNotFoundError as error:
            return _unavailable(cmd_name, f"It needs a whole installation; {error.name} is missing here.")

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (FiletrackerError, OSError) as error:
            raise click.ClickException(str(error)) from error


def _unavailable(name: str, reason: str) -> click.Command:
    """A command that only says why it does not work, so that the help of the others does."""

    def refuse(**_options: Any) -> None:
        raise click.ClickException(f"{name}: {reason}")

    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    return click.Command(name, callback=refuse, help=reason, context_settings=settings)


@click.group(cls=TrackerGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-r", "--remote-url", envvar="FILETRACKER_URL", help="The server; without one: this machine.")
@click.option(
    "--config",
    "ini",
    type=click.Path(exists=True, dir_okay=False),
    help="An ini file whose tracker is the server, on a machine with a whole installation.",
)
@click.option("-c", "--cache-dir", envvar="FILETRACKER_DIR", help="The cache.  [~/.filetracker-store]")
@click.option("-l", "--locks-dir", envvar="FILETRACKER_LOCKS_DIR", help="The directory of the locks.")
@click.option("-v", "--verbose", count=True, help="Log more on standard error.")
@click.pass_context
def tracker(
    ctx: click.Context,
    remote_url: str | None,
    ini: str | None,
    cache_dir: str | None,
    locks_dir: str | None,
    verbose: int,
) -> None:
    """Files shared by name and version, cached on this machine.

    Options are also taken from the environment: FILETRACKER_URL, FILETRACKER_DIR,
    FILETRACKER_LOCKS_DIR, FILETRACKER_TOKEN, FILETRACKER_CACHE_LIMIT.
    """
    if verbose:
        logging.getLogger("librarian").setLevel(logging.DEBUG)
        logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    if is_said("remote_url"):
        refuse_idle("beside --remote-url", "ini")
    elif ini is not None:
        remote_url = place_in("tracker_url", ini, "--remote-url")
    ctx.obj = lambda: Client(remote_url=remote_url, cache_dir=cache_dir, locks_dir=locks_dir)


def main() -> None:
    """The console script ``filetracker``."""
    tracker(prog_name="filetracker")

"""The ``librarian`` command.

Subcommands are imported when they are called: a worker that fetches a file need not load a database.
"""

import importlib
import logging
import sys
from typing import Any

import click

from librarian.commands.refusals import in_one_line

#: name -> where its click command is
COMMANDS = {
    "adopt": "librarian.commands.adopt:adopt",
    "backup": "librarian.commands.backup:backup",
    "count-downloads": "librarian.commands.counting:count_downloads",
    "delete": "librarian.commands.holds:delete",
    "deliveries": "librarian.commands.feed:deliveries",
    "export": "librarian.commands.export:export",
    "feature": "librarian.commands.features:feature",
    "feed": "librarian.commands.feed:feed",
    "fsck": "librarian.commands.integrity:fsck",
    "gc": "librarian.commands.collect:gc",
    "get": "librarian.commands.transfer:get",
    "hold": "librarian.commands.holds:hold",
    "holders": "librarian.commands.holds:holders",
    "import": "librarian.commands.export:import_",
    "info": "librarian.commands.transfer:info",
    "ls": "librarian.commands.named:ls",
    "machines": "librarian.commands.machines:machines",
    "mv": "librarian.commands.named:mv",
    "pack": "librarian.commands.backup:pack",
    "person": "librarian.commands.people:person",
    "mirrors": "librarian.commands.mirrors:mirrors",
    "put": "librarian.commands.transfer:put",
    "release": "librarian.commands.holds:release",
    "report": "librarian.commands.report:report",
    "restore": "librarian.commands.backup:restore",
    "rm": "librarian.commands.named:rm",
    "scrub": "librarian.commands.integrity:scrub",
    "send-mail": "librarian.commands.mail:send_mail",
    "serve": "librarian.commands.serve:serve",
    "team": "librarian.commands.people:team",
    "tracker": "librarian.commands.tracker:tracker",
    "sweep": "librarian.commands.collect:sweep",
    "tokens": "librarian.commands.tokens:tokens",
    "undelete": "librarian.commands.holds:undelete",
}


class LazyGroup(click.Group):
    """A group whose commands are found in COMMANDS."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        with in_one_line():
            return super().invoke(ctx)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="librarian")
@click.option("-v", "--verbose", is_flag=True, help="Say more on standard error.")
def librarian(verbose: bool) -> None:
    """A library of files for applications.

    Exit status: 0 done, 1 failed, 2 called wrongly.
    """
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)-7s %(message)s", stream=sys.stderr)
    if not verbose:
        # It warns of each try to connect; the last one's failure is reported anyhow.
        logging.getLogger("urllib3").setLevel(logging.ERROR)


def main() -> None:
    """The console script."""
    librarian(prog_name="librarian")

"""The ``librarian`` command.

Subcommands are imported when they are called: a worker that fetches a file need not load a database.
"""

import logging
import sys
from typing import Any

import click

from librarian.commands.common.lazy import LazyGroup
from librarian.commands.common.refusals import in_one_line
from librarian.log_filters import hide_setuptools_warning

#: name -> where its click command is
COMMANDS = {
    "adopt": "librarian.commands.upkeep.adopt:adopt",
    "backup": "librarian.commands.upkeep.backup:backup",
    "check-config": "librarian.commands.checking.command:check_config",
    "completion": "librarian.commands.completion:completion",
    "count-downloads": "librarian.commands.upkeep.counting:count_downloads",
    "delete": "librarian.commands.files.holds:delete",
    "deliveries": "librarian.commands.spool.feed:deliveries",
    "export": "librarian.commands.spool.export:export",
    "feature": "librarian.commands.features:feature",
    "feed": "librarian.commands.spool.feed:feed",
    "fsck": "librarian.commands.upkeep.integrity:fsck",
    "gc": "librarian.commands.upkeep.collect:gc",
    "find": "librarian.commands.files.listing:find",
    "get": "librarian.commands.files.transfer:get",
    "hold": "librarian.commands.files.holds:hold",
    "holders": "librarian.commands.files.holds:holders",
    "import": "librarian.commands.spool.export:import_",
    "info": "librarian.commands.files.transfer:info",
    "init": "librarian.commands.installing.init:init",
    "link": "librarian.commands.files.links:link",
    "ls": "librarian.commands.files.named:ls",
    "machines": "librarian.commands.machines:machines",
    "mv": "librarian.commands.files.named:mv",
    "pack": "librarian.commands.upkeep.backup:pack",
    "person": "librarian.commands.people.persons:person",
    "move-bytes": "librarian.commands.upkeep.moving_bytes:move_bytes",
    "move-tree": "librarian.commands.upkeep.moving:move_tree_command",
    "mirrors": "librarian.commands.mirrors.group:mirrors",
    "put": "librarian.commands.files.transfer:put",
    "quota": "librarian.commands.quota:quota",
    "reindex": "librarian.commands.upkeep.reindexing:reindex",
    "release": "librarian.commands.files.holds:release",
    "report": "librarian.commands.upkeep.report:report",
    "restore": "librarian.commands.upkeep.backup:restore",
    "rm": "librarian.commands.files.named:rm",
    "scrub": "librarian.commands.upkeep.integrity:scrub",
    "send-events": "librarian.commands.webhooks:send_events",
    "send-mail": "librarian.commands.upkeep.mail:send_mail",
    "serve": "librarian.commands.serve:serve",
    "team": "librarian.commands.people.teams:team",
    "tracker": "librarian.commands.tracker.files:tracker",
    "sweep": "librarian.commands.upkeep.collect:sweep",
    "tokens": "librarian.commands.files.tokens:tokens",
    "undelete": "librarian.commands.files.holds:undelete",
    "webhooks": "librarian.commands.webhooks:webhooks",
}


class LibrarianGroup(LazyGroup):
    """The group of all commands; their refusals are one line."""

    def invoke(self, ctx: click.Context) -> Any:
        with in_one_line():
            return super().invoke(ctx)


@click.group(cls=LibrarianGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="librarian")
@click.option("-v", "--verbose", is_flag=True, help="Say more on standard error.")
def librarian(verbose: bool) -> None:
    """A library of files for applications.

    Exit status: 0 done, 1 failed, 2 called wrongly.
    """
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)-7s %(message)s", stream=sys.stderr)
    if not verbose:
        # They log each failed try to connect; the command reports the last failure itself.
        for name in ("urllib3", "relstorage"):
            logging.getLogger(name).setLevel(logging.ERROR)


def main() -> None:
    """The console script."""
    hide_setuptools_warning()
    librarian(prog_name="librarian")

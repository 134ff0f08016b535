"""Options and errors that the commands of ``librarian tracker`` share."""

from collections.abc import Callable

import click

from librarian.tracker.client import Client

#: What the group gives its commands.  A command that needs no client makes none, and so no cache directory.
ClientMaker = Callable[[], Client]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")

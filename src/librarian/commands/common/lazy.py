"""Groups of commands whose modules are imported when a command is called."""

import gc
import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """A group of the commands `lazy`: name -> "module:attribute" of the click command.

    A command then needs only what its own module imports: a machine that fetches files has no database.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, str], **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lazy:
            return None
        module, _, attribute = self._lazy[cmd_name].partition(":")
        gc.disable()  # what is imported stays: looking for garbage in it takes a tenth of the time
        try:
            command: click.Command = getattr(importlib.import_module(module), attribute)
        finally:
            gc.enable()
        return command


def place_in(name: str, ini: str, instead: str) -> str:
    """places.place(), imported when it is needed: a machine with only a client has it not.

    Raises UsageError there, which says to use the option `instead`.
    """
    try:
        found: str = importlib.import_module("librarian.commands.common.places").place(name, ini)
    except ModuleNotFoundError as error:
        why = f"--config needs a whole installation, and {error.name} is missing here; say {instead} instead"
        raise click.UsageError(why) from None
    return found

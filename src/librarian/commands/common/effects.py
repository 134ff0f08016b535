"""Options that would have no effect are usage errors: who says something means it."""

from collections.abc import Collection

import click
from click.core import ParameterSource


def is_said(name: str) -> bool:
    """Whether the running command has the option on its command line; the environment does not count,
    since it is said for many commands at once."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def refuse_idle(why: str, *names: str) -> None:
    """Raise a usage error if one of these options, by the names of their parameters, was given."""
    _refuse(click.get_current_context(), why, names)


def refuse_idle_before(why: str, *names: str) -> None:
    """The same for options that were given before the name of the running command."""
    context = click.get_current_context().parent
    while context is not None:
        _refuse(context, why, names)
        context = context.parent


def _refuse(context: click.Context, why: str, names: Collection[str]) -> None:
    for parameter in context.command.params:
        said = context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
        if parameter.name in names and said:
            option = max(parameter.opts, key=len)
            raise click.UsageError(f"{option} would have no effect {why}", context)

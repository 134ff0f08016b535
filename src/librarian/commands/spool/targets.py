"""The targets that a command of the spool works on."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from librarian.commands.common.usual import SAID, usual_ini_or_first
from librarian.commands.interfaces import BadCall
from librarian.spool import Target, read_targets
from librarian.spool.interfaces import BadTarget, Kind
from librarian.spool.settings import read_password

PASSWORD_VARIABLE = "LIBRARIAN_FTP_PASSWORD"  # noqa: S105  # the name of a variable

#: Not `ini_option`: with --host no ini file is needed, so there may be none.
targets_option = click.option(
    "-c",
    "--config",
    "ini",
    envvar="LIBRARIAN_INI",
    show_envvar=True,
    default=usual_ini_or_first,
    show_default=f"the first here of {SAID}",
    type=click.Path(dir_okay=False),
    help="The ini file that describes the targets.",
)


def chosen_targets(kind: Kind, names: Iterable[str], ini: str) -> dict[str, Target]:
    """The targets of these names, or all, from the ini file."""
    names = list(names)
    try:
        known = read_targets(Path(ini), kind)
    except BadTarget as error:
        raise BadCall(str(error)) from error
    for name in names:
        if name not in known:
            raise click.UsageError(f"{ini} has no section [{kind}:{name}]")
    if not known:
        raise click.UsageError(f"{ini} has no section [{kind}:...], and there is no --host")
    return {name: known[name] for name in names or known}


def single_target(store_dir: Path | None, password_file: Path | None, **facts: Any) -> Target:
    """The target that options describe."""
    if store_dir is None:
        raise click.UsageError("--host needs --store-dir")
    # Never an option: all users of a machine can read the command lines of all processes.
    password = os.environ.get(PASSWORD_VARIABLE, "")
    try:
        if password_file is not None:
            password = read_password(password_file)
        return Target(store_dir=store_dir, password=password, **facts)
    except BadTarget as error:
        raise BadCall(str(error)) from error

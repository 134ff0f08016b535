"""``librarian init``: write the files of a new installation."""

import os
import pwd
import re
import sys
from pathlib import Path
from typing import Any

import click

from librarian.commands.common.effects import refuse_idle
from librarian.commands.installing.written import (
    INI,
    LOGROTATE,
    NGINX,
    PRODUCTION,
    SITE,
    SYSTEMD,
    TRIAL,
    TRIAL_DATA,
    Names,
    rendered,
    write_new_files,
)

LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"


class Host(click.ParamType[str]):
    """A host name of two labels or more (RFC 1123, section 2.1)."""

    name = "host"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """`value` in lower case."""
        if re.fullmatch(rf"{LABEL}(?:\.{LABEL})+", value) is None or len(value) > 253:
            self.fail(f"{value!r} is no host name such as files.example.org", param, ctx)
        return value.lower()


class PlainPath(click.ParamType[str]):
    """An absolute path of letters that need no quoting in an ini file, a unit or a shell."""

    name = "path"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The absolute path."""
        path = str(Path(value).absolute())
        if re.fullmatch(r"[\w./+@-]+", path) is None:
            self.fail(f"{path!r} has letters other than A-Z, a-z, 0-9 and . _ - + @ /", param, ctx)
        return path


class User(click.ParamType[str]):
    """The name of a user of the system (useradd(8))."""

    name = "user"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """`value` as it is."""
        if re.fullmatch("[a-z_][a-z0-9_-]{0,31}", value) is None:
            self.fail(f"{value!r} is no name of a user", param, ctx)
        return value


PARTS = {"nginx": NGINX, "systemd": SYSTEMD, "logrotate": LOGROTATE}


def _path_option(name: str, default: str, what: str) -> Any:
    return click.option(name, type=PlainPath(), default=default, show_default=True, help=what)


@click.command()
@click.argument("folder", type=PlainPath(), metavar="DIR")
@click.option("--files-host", type=Host(), help="The host name of downloads, for a server behind nginx.")
@click.option("--app-host", type=Host(), help="The host name of the pages, for a server behind nginx.")
@click.option("--nginx", is_flag=True, help="Write nginx.conf too.")
@click.option("--accel", is_flag=True, help="Let nginx send the bytes; its workers must be the --user.")
@click.option("--systemd", is_flag=True, help="Write systemd's units and the script of every night too.")
@click.option("--logrotate", is_flag=True, help="Write logrotate.conf too.")
@_path_option("--data", "/var/lib/librarian", "The folder of tree and bytes.")
@_path_option("--logs", "/var/log/librarian", "The folder of logs.")
@_path_option("--backup", "/srv/backup/librarian", "The folder that the script of every night backs up to.")
@_path_option("--certificates", "/etc/ssl/librarian", "The folder of fullchain.pem and privkey.pem.")
@click.option("--user", type=User(), default="librarian", show_default=True, help="The server's user.")
def init(folder: str, files_host: str | None, app_host: str | None, **options: Any) -> None:
    """Write the files of a new installation into the folder DIR, which is made if it is missing.

    Without host names it is an installation for this machine, to try and to develop with.  With
    --files-host and --app-host it is a server for others, behind nginx.  What is there already is never
    overwritten.  The database and the byte store are made by `librarian serve`.
    """
    if bool(files_host) != bool(app_host):
        raise click.UsageError("--files-host and --app-host go together")
    ini = str(Path(folder, INI))
    if files_host and app_host:
        chosen = [part for name, part in PARTS.items() if options.pop(name)]
        places: dict[str, Any] = {
            "ini": ini,
            "program": running_command(),
            "upkeep": str(Path(folder, "upkeep.sh")),
        }
        names = Names(**places, files_host=files_host, app_host=app_host, **options)
        texts, group = all_rendered([SITE, PRODUCTION, *chosen], names), group_of(names.user)
    else:
        refuse_idle("without --files-host and --app-host", *options)
        texts, group = all_rendered([SITE, TRIAL], Names(ini, data=TRIAL_DATA)), None
    for path in write_new_files(Path(folder), texts, group):
        click.echo(path)
    click.echo(f"next: librarian serve {ini}")


def all_rendered(parts: list[dict[str, str]], names: Names) -> dict[str, str]:
    """The texts of all files of `parts`, by the names of the files."""
    return {name: text for part in parts for name, text in rendered(part, names).items()}


def running_command() -> str:
    """The absolute path of the running command, for what starts it later."""
    return str(Path(sys.argv[0]).absolute())


def group_of(user: str) -> int | None:
    """The group that may read the ini file, if root writes it for `user`; says so where there is none."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(user).pw_gid
    except KeyError:
        click.echo(
            f"there is no user {user} yet; the ini file is for root alone until you chgrp it", err=True
        )
        return None

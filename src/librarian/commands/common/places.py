"""The default server of commands that use HTTP: the installation whose ini file is at hand."""

from pathlib import Path
from typing import Any

import click
import plaster

from librarian.commands.common.effects import is_said
from librarian.library.settings import LibrarySettings
from librarian.settings import Settings
from librarian.web.endpoints import endpoint_url
from librarian.web.settings import AppEndpointSettings

INI = "development.ini"

place_option = click.option(
    "-c",
    "--config",
    "ini",
    envvar="LIBRARIAN_INI",
    type=click.Path(exists=True, dir_okay=False),
    help=f"The ini file that says where the server is.  Without it: {INI}, if there is one here.",
)


def chosen_place(name: str, value: str | None, ini: str | None) -> str:
    """`value`, what an option or the environment says of the URL called `name`; place() if neither
    does, and where --config is said and `value` is only the environment's."""
    if value and (is_said(name) or not is_said("ini")):
        return value
    return place(name, ini)


def place(name: str, ini: str | None) -> str:
    """The URL called `name`: app_url, or one of LibrarySettings; by the ini file, or the usual one."""
    settings = _settings(ini or (INI if Path(INI).is_file() else None))
    if name == "app_url":
        return endpoint_url(settings.section(AppEndpointSettings))
    found: str = getattr(settings.section(LibrarySettings), name)
    return found


def _settings(ini: str | None) -> Settings:
    if ini is None:
        return Settings({})
    try:
        values: dict[str, Any] = plaster.get_settings(f"{ini}#main", "app:main")
    except Exception as error:  # whatever its parser raises
        raise click.ClickException(f"{ini}: {' '.join(str(error).split())}") from error
    return Settings(values)

"""The default server of commands that use HTTP: the installation whose ini file is at hand."""

import logging
import sys
from typing import Any

import click
import plaster

from librarian.commands.common.effects import is_said
from librarian.commands.common.usual import SAID, usual_ini
from librarian.embedded.settings import EmbeddedSettings
from librarian.library.settings import LibrarySettings
from librarian.settings import Settings
from librarian.tracker.settings import TrackerEndpointSettings
from librarian.web.endpoints import endpoint_url
from librarian.web.settings import AppEndpointSettings, EndpointSettings

log = logging.getLogger(__name__)

place_option = click.option(
    "-c",
    "--config",
    "ini",
    envvar="LIBRARIAN_INI",
    type=click.Path(exists=True, dir_okay=False),
    help=f"The ini file that says where the server is.  Without it: the first here of {SAID}.",
)


def chosen_place(name: str, value: str | None, ini: str | None) -> str:
    """`value`, what an option or the environment says of the URL called `name`; place() if neither
    does, and where --config is said and `value` is only the environment's."""
    if value and (is_said(name) or not is_said("ini")):
        return value
    return place(name, ini)


def place(name: str, ini: str | None) -> str:
    """The URL called `name`: app_url, tracker_url, or one of LibrarySettings; by this ini file or the
    usual one.

    Raises ClickException for an endpoint that the ini file closes: another installation may be at its
    usual port.
    """
    ini = ini or usual_ini()
    settings = _settings(ini)
    found = _url(settings, name)
    if not found:
        raise click.ClickException(f"{ini}: the endpoint of {name} is closed, and no setting names its URL")
    _tell(found, ini)
    return found


def _url(settings: Settings, name: str) -> str:
    if name == "tracker_url":
        return _own_url(settings.section(TrackerEndpointSettings))
    mount_url = settings.section(EmbeddedSettings).mount_url
    if name != "app_url":
        found: str = getattr(settings.section(LibrarySettings), name)
        return found
    if mount_url:
        return mount_url
    return _own_url(settings.section(AppEndpointSettings))


def _own_url(section: EndpointSettings) -> str:
    return endpoint_url(section) if section.listen else ""


def _tell(url: str, ini: str | None) -> None:
    """Which installation it is: on a terminal, and to --verbose."""
    why = f"as {ini} says" if ini else "the usual place, as there is no ini file here"
    log.info("server url=%s because=%s", url, why)
    if sys.stderr.isatty() and not log.isEnabledFor(logging.INFO):
        click.echo(f"{url} ({why})", err=True)


def _settings(ini: str | None) -> Settings:
    if ini is None:
        return Settings({})
    try:
        values: dict[str, Any] = plaster.get_settings(f"{ini}#main", "app:main")
    except Exception as error:  # whatever its parser raises
        raise click.ClickException(f"{ini}: {' '.join(str(error).split())}") from error
    return Settings(values)

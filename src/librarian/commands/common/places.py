"""The default server of commands that use HTTP: the installation whose ini file is at hand."""

import logging
import sys

import click
import plaster

from librarian.commands.common.effects import is_said
from librarian.commands.common.usual import SAID, usual_ini
from librarian.library.settings import LibrarySettings
from librarian.settings import ROOT, Settings
from librarian.tracker.settings import TrackerEndpointSettings
from librarian.web.endpoints import endpoint_url
from librarian.web.settings import AppEndpointSettings, EndpointSettings

MOUNT_URL = "librarian.mount_url"  # of a library below a prefix of another application

log = logging.getLogger(__name__)

place_option = click.option(
    "-c",
    "--config",
    "ini",
    envvar="LIBRARIAN_INI",
    show_envvar=True,
    type=click.Path(exists=True, dir_okay=False),
    help=f"The ini file that says where the server is.  Without it: the first here of {SAID}.",
)


def chosen_place(name: str, value: str | None, ini: str | None) -> str:
    """`value`, what an option or the environment says of the URL called `name`; place() if neither
    does, and where --config is said and `value` is only the environment's."""
    if value and (is_said(name) or not is_said("ini")):
        return value
    return place(name, ini)


def open_place(name: str, value: str | None, ini: str | None) -> str:
    """chosen_place(); empty for an endpoint that the ini file closes."""
    if value and (is_said(name) or not is_said("ini")):
        return value
    return _url(_values(ini or usual_ini()), name) and place(name, ini)


def place(name: str, ini: str | None) -> str:
    """The URL called `name`: app_url, tracker_url, or one of LibrarySettings; by this ini file or the
    usual one.

    Raises ClickException for an endpoint that the ini file closes: another installation may be at its
    usual port.
    """
    ini = ini or usual_ini()
    found = _url(_values(ini), name)
    if not found:
        raise click.ClickException(f"{ini}: the endpoint of {name} is closed, and no setting names its URL")
    _tell(found, ini)
    return found


def _url(values: dict[str, str], name: str) -> str:
    settings = Settings(values)
    if name == "tracker_url":
        return _own_url(settings.section(TrackerEndpointSettings))
    if name == "app_url":
        return values.get(MOUNT_URL) or _own_url(settings.section(AppEndpointSettings))
    found: str = getattr(settings.section(LibrarySettings), name)
    return found


def _own_url(section: EndpointSettings) -> str:
    return endpoint_url(section) if section.listen else ""


def _tell(url: str, ini: str | None) -> None:
    """Which installation it is: on a terminal, and to --verbose."""
    why = f"as {ini} says" if ini else "the usual place, as there is no ini file here"
    log.info("server url=%s because=%s", url, why)
    if sys.stderr.isatty() and not log.isEnabledFor(logging.INFO):
        click.echo(f"{url} ({why})", err=True)


def _values(ini: str | None) -> dict[str, str]:
    if ini is None:
        return {}
    try:
        found: dict[str, str] = plaster.get_settings(f"{ini}#main", "app:main")
    except Exception as error:  # whatever its parser raises
        raise click.ClickException(f"{ini}: {' '.join(str(error).split())}") from error
    if not any(name.startswith(f"{ROOT}.") for name in found) and ROOT not in found.get("use", ""):
        # At the usual ports there may be another installation.
        raise click.ClickException(f"{ini}: describes no library; -c names an ini file that does")
    return found

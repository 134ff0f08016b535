"""``librarian tracker serve`` and ``prune``, which work inside an installation."""

import json
from collections.abc import Mapping

import click
from zope.component import getUtilitiesFor, getUtility

from librarian.app import ini_loader, make_app, read_ini, reading
from librarian.commands.checking.starting import before_start
from librarian.commands.common.effects import refuse_idle_before
from librarian.commands.common.refusals import in_one_line
from librarian.commands.common.site import ini_option, opened_site
from librarian.commands.common.usual import usual_ini_or_first
from librarian.commands.tracker.options import json_option
from librarian.interfaces import ISettings, SettingsError
from librarian.serving import serve as run_server
from librarian.serving.announcing import tell_endpoints, tell_first_admin
from librarian.tracker.interfaces import ITracker
from librarian.tracker.settings import TrackerEndpointSettings, TrackerSettings
from librarian.web.interfaces import IEndpoint


@click.command()
@click.argument("ini", default=usual_ini_or_first, type=click.Path(exists=True, dir_okay=False))
@click.option("-L", "--listen", metavar="HOST:PORT", help="The address, instead of that in INI.")
@click.option("--fallback-url", help="A tracker to which requests for missing files are redirected.")
@click.option("--threads", type=click.IntRange(1, 256), help="Requests answered at the same time.")
@in_one_line()
def serve(ini: str, listen: str | None, fallback_url: str | None, threads: int | None) -> None:
    """Serve the tracker of the installation INI, and no other endpoint."""
    refuse_idle_before("with serve", "remote_url", "ini", "cache_dir", "locks_dir")
    with reading(ini):
        ini_loader(ini).setup_logging()
    stated = {
        key: value for key, value in ini_loader(ini).get_settings("server:main").items() if key != "use"
    }
    options = {} if threads is None else {"threads": threads}
    values = read_ini(ini)
    _before_start(listen, values)
    app = make_app(values)
    tell_first_admin()
    settings = getUtility(ISettings)
    overlay = _overlay(listen, fallback_url)
    settings.push("tracker only", overlay)
    try:
        settings.section(TrackerSettings)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    run_server(app, ini, tell_endpoints, overlay, **{**stated, **options})


def _before_start(listen: str | None, values: Mapping[str, str]) -> None:
    """As before_start(), for the tracker's address alone."""
    stated = {} if listen is None else {TrackerEndpointSettings.key("listen"): listen}
    before_start({**values, **stated}, {"endpoint.tracker": TrackerEndpointSettings})


def _overlay(listen: str | None, fallback_url: str | None) -> str:
    """Settings in which no other endpoint listens."""
    lines = []
    for name, endpoint in getUtilitiesFor(IEndpoint):
        wanted = listen if name == "tracker" else ""
        if wanted is not None:
            section, _, key = endpoint.section.key("listen").rpartition(".")
            lines += [f"[{section}]", f"{key} = {wanted}"]
    if fallback_url is not None:
        lines += ["[librarian.tracker]", f"fallback_url = {fallback_url}"]
    return "\n".join(lines)


@click.command()
@ini_option
@click.option("-n", "--dry-run", is_flag=True, help="Only count the versions.")
@json_option
@in_one_line()
def prune(ini: str, dry_run: bool, as_json: bool) -> None:
    """Release past versions that the settings do not keep; the garbage collector then deletes their bytes."""
    refuse_idle_before("with prune", "remote_url", "ini", "cache_dir", "locks_dir")
    with opened_site(ini):
        pruned = getUtility(ITracker).prune(dry_run)
    if as_json:
        click.echo(json.dumps({"versions": pruned.versions, "bytes": pruned.bytes}))
    else:
        click.echo(f"{pruned.versions} versions, {pruned.bytes} bytes")

"""The parts of ``librarian tracker`` that work inside an installation."""

import click
import plaster
from zope.component import getUtilitiesFor, getUtility

from librarian.app import make_app, read_ini, reading
from librarian.commands.common.refusals import in_one_line
from librarian.commands.common.site import opened_site
from librarian.interfaces import ISettings, SettingsError
from librarian.serving import serve
from librarian.serving.announcing import tell_endpoints, tell_first_admin
from librarian.tracker.interfaces import ITracker, Pruned
from librarian.tracker.settings import TrackerSettings
from librarian.web.interfaces import IEndpoint


@in_one_line()
def serve_tracker(ini: str, listen: str | None, fallback_url: str | None, threads: int | None) -> None:
    """Serve one endpoint of the installation until a signal comes."""
    with reading(ini):
        plaster.get_loader(ini).setup_logging()
    stated = {key: value for key, value in plaster.get_settings(ini, "server:main").items() if key != "use"}
    options = {} if threads is None else {"threads": threads}
    app = make_app(read_ini(ini))
    tell_first_admin()
    settings = getUtility(ISettings)
    settings.push("tracker only", _overlay(listen, fallback_url))
    try:
        settings.section(TrackerSettings)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    serve(app, tell_endpoints, **{**stated, **options})


def _overlay(listen: str | None, fallback_url: str | None) -> str:
    lines = []
    for name, endpoint in getUtilitiesFor(IEndpoint):
        wanted = listen if name == "tracker" else ""
        if wanted is not None:
            section, _, key = endpoint.section.key("listen").rpartition(".")
            lines += [f"[{section}]", f"{key} = {wanted}"]
    if fallback_url is not None:
        lines += ["[librarian.tracker]", f"fallback_url = {fallback_url}"]
    return "\n".join(lines)


@in_one_line()
def prune_versions(ini: str, dry_run: bool) -> Pruned:
    """Let go of old versions in the installation of `ini`."""
    with opened_site(ini):
        pruned: Pruned = getUtility(ITracker).prune(dry_run)
        return pruned

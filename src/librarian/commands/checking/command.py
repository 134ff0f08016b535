"""``librarian check-config``: all that is wrong with an installation, at once."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import click

from librarian.app import declared_sections, ini_loader, read_ini, reading, settings_of
from librarian.commands.checking.engines import check_engines
from librarian.commands.checking.findings import ERROR, Finding, Installation, error
from librarian.commands.checking.listening import check_front_end, check_ports, check_urls
from librarian.commands.checking.places import check_places
from librarian.commands.common.site import ini_option
from librarian.interfaces import LibrarianError, SettingsError, one_line
from librarian.serving.limits import limits_of
from librarian.serving.workers.number import WORKERS, number_of_workers
from librarian.spool.settings import SpoolSettings, read_targets

CHECKS: tuple[Callable[[Installation], Iterator[Finding]], ...] = (
    check_ports,
    check_urls,
    check_front_end,
    check_places,
    check_engines,
)


@click.command("check-config")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each finding, for scripts.")
@ini_option
def check_config(ini: str, as_json: bool) -> None:
    """Say all that is wrong with the installation of an ini file, before it is started.

    Looks at settings, ports, URLs and certificates, what is in front, folders, room, and whether database and
    byte store answer.  Makes and changes nothing.  Run it as the user who is to run the server: rights are
    that user's.  Exit status 1 if there is an error; warnings are none.
    """
    errors = warnings = 0
    for found in findings(ini):
        errors += found.severity == ERROR
        warnings += found.severity != ERROR
        click.echo(json.dumps(asdict(found)) if as_json else str(found))
    if not as_json:
        click.echo(f"{errors} errors, {warnings} warnings in {Path(ini).absolute()}")
    sys.exit(1 if errors else 0)


def findings(ini: str) -> Iterator[Finding]:
    """All findings on an ini file, in the order of looking."""
    try:
        values = read_ini(ini)
        sections = declared_sections(values)
        with reading(ini):
            server = dict(ini_loader(ini).get_settings("server:main"))
    except LibrarianError as unreadable:
        yield error(ini, str(unreadable))
        return
    settings = settings_of(values)
    kinds = list(sections.values())
    yield from (error(refused.key, refused.why) for refused in settings.refusals(kinds))
    wrong = frozenset(kind for kind in kinds if settings.refusals_of(kind))
    at = Installation(ini, settings, sections, server, wrong)
    yield from _check_server(at)
    for check in CHECKS:
        yield from check(at)
    yield from _check_partners(at)


def _check_server(at: Installation) -> Iterator[Finding]:
    """The options of [server:main], each by itself."""
    for name, value in at.server.items():
        try:
            if name == WORKERS:
                number_of_workers(value)
            elif name not in ("use", "__file__", "here"):
                limits_of({name: value})
        except SettingsError as refused:
            yield error(refused.key, refused.why)


def _check_partners(at: Installation) -> Iterator[Finding]:
    """The partners that files are exchanged with."""
    if SpoolSettings in at.refused or SpoolSettings not in at.sections.values():
        return
    path = at.settings.section(SpoolSettings).targets_file
    for kind in ("export", "import") if path else ():
        try:
            read_targets(Path(path), kind, passwords=False)
        except (LibrarianError, OSError) as wrong:
            yield error(SpoolSettings.key("targets_file"), one_line(wrong))

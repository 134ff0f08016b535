"""``librarian serve``: make what is missing, and serve every endpoint."""

import signal
from pathlib import Path

import click

from librarian.app import declared_sections, ini_loader, make_app, read_ini, reading, settings_of
from librarian.commands.checking.starting import before_start
from librarian.commands.common.effects import refuse_idle_before
from librarian.commands.common.usual import DATA, SAID, usual_ini
from librarian.commands.installing.written import write_trial
from librarian.serving import serve as serve_app
from librarian.serving.announcing import tell_endpoints, tell_first_admin
from librarian.serving.running import REOPENING
from librarian.serving.sockets import require_free
from librarian.web.endpoints import stated_addresses


@click.command()
@click.argument("ini", required=False, type=click.Path(exists=True, dir_okay=False))
@click.option("--threads", type=click.IntRange(1, 256), help="Requests worked on at the same time.")
@click.option("--workers", help="Processes that serve: a number, or auto, one for each core.")
def serve(ini: str | None, threads: int | None, workers: str | None) -> None:
    """Serve the installation that the file INI describes.

    Without INI it is the first here of development.ini, librarian.ini and librarian-data/librarian.ini; in an
    empty folder librarian-data is made, as `librarian init` makes it.

    Makes the database and the byte store if they are missing, and the person admin if there is no
    administrator, whose password is printed this once; then prints one line for each endpoint with its
    URL.  SIGTERM and Ctrl-C let running transfers finish; with several workers SIGHUP replaces them one by
    one, without a connection being lost.
    """
    for number in REOPENING:  # which end a process that does not say what they mean, as it starts
        signal.signal(number, signal.SIG_IGN)
    ini = ini or usual_ini() or _new_ini()
    refuse_idle_before("with serve: the ini file says what is logged", "verbose")
    with reading(ini):
        ini_loader(ini).setup_logging()
    said = {"threads": threads, "workers": workers}
    options = {name: value for name, value in said.items() if value is not None}
    stated = {
        key: value for key, value in ini_loader(ini).get_settings("server:main").items() if key != "use"
    }
    values = read_ini(ini)
    sections = declared_sections(values)
    settings_of(values).check_names(list(sections.values()))
    before_start(values, sections)
    app = make_app(values)
    tell_first_admin()
    serve_app(app, ini, tell_endpoints, **{**stated, **options})


def _new_ini() -> str:
    """The ini file of a new installation in DATA; raises UsageError where other things are in this folder."""
    if any(not path.name.startswith(".") for path in Path.cwd().iterdir()):
        why = f"there is no {SAID} here, and the folder is not empty; name the ini file, or make one:"
        raise click.UsageError(f"{why} librarian init DIR")
    require_free(stated_addresses(settings_of({}), declared_sections({})))
    ini = write_trial(Path.cwd() / DATA)
    click.echo(f"new installation: {ini.parent}", err=True)
    return str(ini)

"""``librarian serve``: make what is missing, and serve every endpoint."""

import signal

import click

from librarian.app import declared_sections, ini_loader, make_app, read_ini, reading, settings_of
from librarian.commands.common.effects import refuse_idle_before
from librarian.serving import serve as serve_app
from librarian.serving.announcing import tell_endpoints, tell_first_admin, tell_new_library
from librarian.serving.running import REOPENING
from librarian.serving.sockets import require_free
from librarian.web.endpoints import stated_addresses


@click.command()
@click.argument("ini", default="development.ini", type=click.Path(exists=True, dir_okay=False))
@click.option("--threads", type=click.IntRange(1, 256), help="Requests worked on at the same time.")
@click.option("--workers", help="Processes that serve: a number, or auto, one for each core.")
def serve(ini: str, threads: int | None, workers: str | None) -> None:
    """Serve the installation that the file INI describes.

    Makes the database and the byte store if they are missing, and the person admin if there is no
    administrator, whose password is printed this once; then prints one line for each endpoint with its
    URL.  SIGTERM and Ctrl-C let running transfers finish; with several workers SIGHUP replaces them one by
    one, without a connection being lost.
    """
    for number in REOPENING:  # which end a process that does not say what they mean, as it starts
        signal.signal(number, signal.SIG_IGN)
    refuse_idle_before("with serve: the ini file says what is logged", "verbose")
    with reading(ini):
        ini_loader(ini).setup_logging()
    said = {"threads": threads, "workers": workers}
    options = {name: value for name, value in said.items() if value is not None}
    stated = {
        key: value for key, value in ini_loader(ini).get_settings("server:main").items() if key != "use"
    }
    values = read_ini(ini)
    settings = settings_of(values)
    require_free(stated_addresses(settings, declared_sections(values)))
    tell_new_library(settings)
    app = make_app(values)
    tell_first_admin()
    serve_app(app, ini, tell_endpoints, **{**stated, **options})

"""``librarian serve``: make what is missing, and serve every face."""

import sys

import click
import plaster

from librarian.app import make_app, read_ini
from librarian.serving import serve as serve_app


@click.command()
@click.argument("ini", default="development.ini", type=click.Path(exists=True, dir_okay=False))
@click.option("--threads", type=click.IntRange(1, 256), help="Requests worked on at the same time.")
def serve(ini: str, threads: int | None) -> None:
    """Serve the installation that the file INI describes.

    Makes the database and the byte store if they are missing, then prints one line for each face
    with its URL.  SIGTERM and Ctrl-C let running transfers finish.
    """
    plaster.get_loader(ini).setup_logging()
    options = {} if threads is None else {"threads": threads}
    stated = {key: value for key, value in plaster.get_settings(ini, "server:main").items() if key != "use"}
    app = make_app(read_ini(ini))
    serve_app(app, announce, **{**stated, **options})


def announce(urls: dict[str, str]) -> None:
    """One line for each face: its name and its URL."""
    for name, url in urls.items():
        click.echo(f"{name:<18} {url}")
    click.echo("ready")
    sys.stdout.flush()

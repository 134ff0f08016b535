"""``librarian serve``: make what is missing, and serve every face."""

import sys

import click
import plaster
from zope.component import getUtility

from librarian.app import make_app, read_ini
from librarian.security.credentials.service import create_first_admin
from librarian.security.interaction import acting_as
from librarian.security.principals import SYSTEM
from librarian.serving import serve as serve_app
from librarian.tree.interfaces import ITree


@click.command()
@click.argument("ini", default="development.ini", type=click.Path(exists=True, dir_okay=False))
@click.option("--threads", type=click.IntRange(1, 256), help="Requests worked on at the same time.")
def serve(ini: str, threads: int | None) -> None:
    """Serve the installation that the file INI describes.

    Makes the database and the byte store if they are missing, and the person admin if there is no
    administrator, whose password is printed this once; then prints one line for each face with its
    URL.  SIGTERM and Ctrl-C let running transfers finish.
    """
    plaster.get_loader(ini).setup_logging()
    options = {} if threads is None else {"threads": threads}
    stated = {key: value for key, value in plaster.get_settings(ini, "server:main").items() if key != "use"}
    app = make_app(read_ini(ini))
    tell_first_admin()
    serve_app(app, announce, **{**stated, **options})


def tell_first_admin() -> None:
    """In a new installation: the password of the person ``admin``, which is told here only."""
    with acting_as(SYSTEM):
        password = getUtility(ITree).run(create_first_admin)
    if password is not None:
        click.echo(f"{'admin password':<18} {password}")


def announce(urls: dict[str, str]) -> None:
    """One line for each face: its name and its URL."""
    for name, url in urls.items():
        click.echo(f"{name:<18} {url}")
    click.echo("ready")
    sys.stdout.flush()

"""``librarian reindex``: take files into the lists, or make the lists anew."""

import click

from librarian.commands.common.site import ini_option, opened_site
from librarian.library.catalogue.indexing import Indexer, rebuild


@click.command()
@click.option("--anew", is_flag=True, help="Begin with empty lists; fsck says when that is needed.")
@ini_option
def reindex(anew: bool, ini: str) -> None:
    """Take into the lists what servers have not taken in yet.

    A server does so by itself every second (`index_every`).
    """
    with opened_site(ini):
        seen = rebuild() if anew else Indexer().run()
    click.echo(f"{seen} files taken in")

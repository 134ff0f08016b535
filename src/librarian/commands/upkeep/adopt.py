"""``librarian adopt``: say that a tree and a byte store are one library."""

import click
from zope.component import getUtility

from librarian.commands.common.site import ini_option, opened_site
from librarian.library.installation import put_together, why_apart
from librarian.store.interfaces import IByteStore
from librarian.tree.interfaces import ITree


@click.command()
@ini_option
def adopt(ini: str) -> None:
    """Say that the tree and the byte store of the ini file are to be one library from now on.

    For after one of the two was lost or moved, and every other command refuses to work with them.
    Run `librarian fsck` then, and `librarian sweep --dry-run` before the next collection: a sweep
    removes bytes that the tree does not name.
    """
    with opened_site(ini, united=False):
        tree, store = getUtility(ITree), getUtility(IByteStore)
        why = why_apart(tree, store)
        found = put_together(tree, store, anew=True)
    click.echo(f"installation {found}; before, {why}" if why else f"installation {found}")

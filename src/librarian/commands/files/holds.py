"""``librarian hold``, ``release``, ``delete``, ``undelete``: keep a file, let it go, bring it back."""

import json
from collections.abc import Callable

import click
from zope.component import getUtilitiesFor

from librarian.commands.common.site import ini_option, opened_site
from librarian.library.interfaces import IFileReferences
from librarian.library.model.files import LibraryFileAlias
from librarian.library.model.subtree import LibrarySubtree
from librarian.library.operations import Library

alias_argument = click.argument("alias_id", type=click.IntRange(1))
reason_option = click.option(
    "--reason", required=True, help="Which system or person needs the file, and for what."
)


def change(
    ini: str, alias_id: int, work: Callable[[Library, LibrarySubtree, LibraryFileAlias], None]
) -> None:
    """Do `work` with one alias, in a transaction that is tried again on conflict."""
    with opened_site(ini):
        library = Library()
        library.tree.run(lambda: work(library, library.subtree, library.alias(alias_id)))


@click.command()
@alias_argument
@reason_option
@ini_option
def hold(alias_id: int, reason: str, ini: str) -> None:
    """Keep the file with id ALIAS_ID until it is released for the same reason."""
    change(ini, alias_id, lambda library, subtree, record: subtree.hold(record, reason))


@click.command()
@alias_argument
@reason_option
@ini_option
def release(alias_id: int, reason: str, ini: str) -> None:
    """Let go of the file with id ALIAS_ID; once it has no holder, gc drops it in time."""

    def work(library: Library, subtree: LibrarySubtree, record: LibraryFileAlias) -> None:
        if not subtree.release(record, reason):
            raise click.ClickException(f"alias {alias_id} is not held as {reason!r}")

    change(ini, alias_id, work)


@click.command()
@alias_argument
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@ini_option
def holders(alias_id: int, as_json: bool, ini: str) -> None:
    """Say who holds the file with id ALIAS_ID."""
    with opened_site(ini):
        Library().alias(alias_id)
        found = [line for _name, held in getUtilitiesFor(IFileReferences) for line in held.holders(alias_id)]
    for line in [json.dumps(found)] if as_json else found:
        click.echo(line)


@click.command()
@alias_argument
@ini_option
def delete(alias_id: int, ini: str) -> None:
    """Delete the file with id ALIAS_ID: it cannot be downloaded any more, and for a week it can be
    brought back by undelete."""
    change(ini, alias_id, lambda library, subtree, record: library.delete(record))


@click.command()
@alias_argument
@ini_option
def undelete(alias_id: int, ini: str) -> None:
    """Bring back a file that was deleted less than a week ago, under the URL it had."""
    change(ini, alias_id, lambda library, subtree, record: library.undelete(record))
